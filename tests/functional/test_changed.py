# SPDX-License-Identifier: Apache-2.0
"""What is run for changes of a repository, committed or not."""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests import changed

FILES = {
    "pyproject.toml": '[project.scripts]\ntricircle-gateway = "tricircle.cmd.gateway:main"\n',
    "docs/guide.md": "Read it.",
    "docs/all.sample": "a = 1",
    "lab/__init__.py": "",
    "tricircle/__init__.py": "",
    "tricircle/leaf.py": "",
    "tricircle/other.py": "",
    "tricircle/table.json": "{}",
    "tricircle/reader.py": 'TABLE = "table.json"\n',
    "tests/__init__.py": "",
    "tests/conftest.py": "",
    "tests/changed.py": "",
    "tests/unit/__init__.py": "",
    "tests/unit/test_leaf.py": "from tricircle import leaf\n",
    "tests/unit/test_reader.py": "from tricircle import reader\n",
    "tests/functional/__init__.py": "",
    "tests/functional/conftest.py": "from tests.functional import fake\n",
    "tests/functional/fake.py": "",
    "tests/functional/test_all.py": 'from tricircle import other\nSAMPLE = "all.sample"\n',
    "tests/e2e/__init__.py": "",
    "tests/e2e/test_lab.py": "from tricircle import leaf\n",
}
LEAF, READER, ALL = (
    "tests/unit/test_leaf.py",
    "tests/unit/test_reader.py",
    "tests/functional/test_all.py",
)


def git(folder: Path, *words: str) -> None:
    person = ("-c", "user.name=a", "-c", "user.email=a@example.org")
    subprocess.run(["git", *person, *words], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository on a branch that has just left main."""
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    shutil.copy(changed.__file__, tmp_path / "tests/changed.py")
    git(tmp_path, "init", "--initial-branch=main")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "--message=All")
    git(tmp_path, "switch", "--create=branch")
    return tmp_path


def chosen(folder: Path) -> list[str]:
    words = [sys.executable, "-m", "tests.changed", "--list"]
    done = subprocess.run(words, cwd=folder, check=True, capture_output=True, text=True)
    lines = done.stdout.splitlines()
    return [] if lines == ["No quick test uses what was changed."] else lines


def edit(*names: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        for name in names:
            with (folder / name).open("a") as file:
                file.write("\n\n")

    return change


def delete(folder: Path) -> None:
    (folder / "tricircle/leaf.py").unlink()


def rename(folder: Path) -> None:
    git(folder, "mv", "tricircle/leaf.py", "tricircle/blade.py")


def rename_a_test(folder: Path) -> None:
    git(folder, "mv", LEAF, "tests/unit/test_blade.py")


def add(folder: Path) -> None:
    (folder / "tests/unit/test_new.py").write_text("from tricircle import other\n")


@pytest.mark.parametrize("committed", [False, True])
@pytest.mark.parametrize(
    ("change", "tests"),
    [
        (edit("tricircle/leaf.py"), [LEAF]),
        (edit("tricircle/other.py", READER), [READER, ALL]),
        (edit("tests/functional/fake.py"), [ALL]),
        (edit("tests/functional/conftest.py"), [ALL]),
        (edit("tests/conftest.py"), [ALL, LEAF, READER]),
        (edit("tricircle/table.json"), [READER]),
        (edit("docs/guide.md"), []),
        (edit("docs/all.sample"), [ALL]),
        (edit("pyproject.toml"), [ALL, LEAF, READER]),
        (edit("tests/e2e/test_lab.py"), []),
        (delete, [LEAF]),
        (rename, [LEAF]),
        (rename_a_test, ["tests/unit/test_blade.py"]),
        (add, ["tests/unit/test_new.py"]),
    ],
)
def test_the_tests_of_a_change(
    folder: Path, change: Callable[[Path], None], tests: list[str], committed: bool
) -> None:
    change(folder)
    if committed:
        git(folder, "add", "--all")
        git(folder, "commit", "--message=Change")
    assert chosen(folder) == tests


def test_on_main_itself_what_is_not_yet_upstream_counts(folder: Path, tmp_path: Path) -> None:
    git(folder, "switch", "main")
    assert chosen(folder) == []
    mine = tmp_path / "mine"
    git(folder, "clone", "--branch=main", str(folder), str(mine))
    edit("tricircle/leaf.py")(mine)
    git(mine, "commit", "--all", "--message=Change")
    assert chosen(mine) == [LEAF]
