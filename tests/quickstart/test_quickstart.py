# SPDX-License-Identifier: Apache-2.0
"""docs/quickstart.md, as it is written there, over two pods, from the wheel."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.settings import ADDRESS, PASSWORD, Lab
from tests.quickstart.document import Run, steps, with_values
from tests.wheel import ROOT, built

PAGE = ROOT / "docs" / "quickstart.md"
MINUTES = 15


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Has pip find our wheel, and of all others the versions that are locked."""
    folder = tmp_path_factory.mktemp("wheel")
    built(folder)
    locked = folder / "locked.txt"
    uv = os.environ.get("UV") or shutil.which("uv") or ROOT / ".uv" / "bin" / "uv"
    subprocess.run(
        [uv, "export", "--quiet", "--locked", "--all-extras", "--no-hashes", "--no-emit-project",
         "--no-emit-package", "tricircle-lab", "--output-file", locked],
        check=True, cwd=ROOT,
    )  # fmt: skip
    return {"PIP_FIND_LINKS": str(folder), "PIP_CONSTRAINT": str(locked)}


@pytest.fixture
def environment(pods: Lab, releases: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An operator's: the administrator of Keystone, and of the database."""
    (tmp_path / ".my.cnf").write_text(
        f"[client]\nsocket={pods.mysql_socket}\nuser=root\npassword={PASSWORD}\n"
    )
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "PIP_INDEX_URL", "PIP_CERT",
            "SSL_CERT_FILE", "HTTPS_PROXY", "NO_PROXY") if name in os.environ}  # fmt: skip
    return {
        **kept,
        **releases,
        "HOME": str(tmp_path),
        "PIP_CACHE_DIR": str(Path.home() / ".cache" / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "PYTHONWARNINGS": "ignore",
        "OS_AUTH_URL": pods.identity_url,
        "OS_USERNAME": "admin",
        "OS_PASSWORD": PASSWORD,
        "OS_PROJECT_NAME": "admin",
        "OS_USER_DOMAIN_NAME": "Default",
        "OS_PROJECT_DOMAIN_NAME": "Default",
        "OS_IDENTITY_API_VERSION": "3",
    }


@pytest.fixture
def done(pods: Lab, environment: dict[str, str], tmp_path: Path) -> Iterator[Run]:
    """All of the page, with the values of its first step for the lab."""
    first, *rest = steps(PAGE)
    values = {
        "KEYSTONE": pods.identity_url,
        "GLANCE": pods.url("image"),
        "HOST": ADDRESS,
        "DATABASE": f"{ADDRESS}:{pods.port('mariadb')}",
        "VLANS": "physnet1:1000:1999",
        "FOLDER": tmp_path / "tricircle",
    }
    folder = tmp_path / "steps"
    folder.mkdir()
    run = Run(folder, [with_values(first, values), *rest], environment)
    try:
        run.wait(MINUTES * 60)
        yield run
    finally:
        run.end()


def test_it_is_as_the_page_says(done: Run, pods: Lab) -> None:
    assert [pod.region for pod in pods.pods] == ["Pod1", "Pod2"]
    for number, step in enumerate(done.todo):
        if step.prints:
            assert done.printed(number)[-len(step.prints) :] == step.prints, step.commands
    checked = "\n".join(done.printed(len(done.todo) - 1))
    assert "Check: Limits of pods" in checked
    assert "Result: Failure" not in checked
