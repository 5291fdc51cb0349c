# SPDX-License-Identifier: Apache-2.0
"""What is released: a wheel, built and installed where nothing else of ours is."""

import os
import re
import subprocess
import sysconfig
import tomllib
import venv
import zipfile
from collections.abc import Sequence
from email.parser import Parser
from pathlib import Path

import pytest

from tests.wheel import built

ROOT = Path(__file__).parents[2]
GUIDES = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
# What commands print that need nothing else. The others load more, as slowly as when they run.
COMMANDS = {"tricircle-manage": "Commands:", "tricircle-status": "upgrade"}


def run(*command: str | Path, **environment: str) -> str:
    done = subprocess.run(
        command, check=False, capture_output=True, text=True, cwd="/", env=os.environ | environment
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built(tmp_path_factory.mktemp("wheel"))


def test_what_the_wheel_is(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = archive.namelist()
        (metadata,) = (name for name in names if name.endswith("/METADATA"))
        told = Parser().parsestr(archive.read(metadata).decode())
    assert told["Name"] == "tricircle-multiregion"
    assert {name.partition("/")[0].partition("-")[0] for name in names} == {
        "tricircle",
        "tricircle_multiregion",
    }
    assert {"cli", "dashboard", "network", "postgresql", "tracing"} <= set(
        told.get_all("Provides-Extra", ())
    )
    # What is no Python has come along.
    for needed in (
        "EXPAND_HEAD",
        "script.py.mako",
        "pods/_overview.html",
        "placements/detail.html",
    ):
        assert any(name.endswith(needed) for name in names), needed


def test_it_is_installed_and_its_commands_run(wheel: Path, tmp_path: Path) -> None:
    place = tmp_path / "venv"
    venv.create(place, with_pip=True)
    python = place / "bin" / "python"
    install: Sequence[str | Path] = (
        python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel,
    )  # fmt: skip
    run(*install)
    # What it depends on is lent by this environment, without what that adds to the path.
    lent = sysconfig.get_paths()["purelib"]
    where = run(python, "-c", "import tricircle; print(tricircle.__file__)", PYTHONPATH=lent)
    assert where.startswith(str(place))
    lost = "import importlib.util as u; print(u.find_spec('lab'))"
    assert run(python, "-c", lost, PYTHONPATH=lent).strip() == "None"
    commands = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["scripts"]
    assert all((place / "bin" / name).exists() for name in commands)
    for name, told in COMMANDS.items():
        assert told in run(place / "bin" / name, "--help", PYTHONPATH=lent), name
    config = tmp_path / "tricircle.conf"
    config.write_text(f"[tricircle_database]\nconnection = sqlite:///{tmp_path}/t.sqlite\n")
    manage = (place / "bin" / "tricircle-manage", "--config-file", config)
    assert "revision" in run(*manage, "db", "sync", PYTHONPATH=lent)


@pytest.mark.parametrize("guide", GUIDES, ids=lambda path: path.name)
def test_guides_install_it_by_its_name(guide: Path) -> None:
    """The name of the package alone is another program on the index."""
    for named in re.findall(r"pip\s+install\s+(?:--\S+\s+)*'?([\w.-]+)", guide.read_text()):
        assert named == "tricircle-multiregion"
