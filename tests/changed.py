# SPDX-License-Identifier: Apache-2.0
"""Runs the quick tests of what a change touches: those that import it, however far away.

A change is what differs from where the branch left ``main``, committed or not; on ``main`` itself,
from where it left its upstream. Besides imports count names in strings: of modules that a test
runs in a process of its own, of our programs, and of files that are read. The nearest come first.
``--list`` only says which.
"""

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import grimp

PACKAGES = ("tricircle", "lab", "tests")
#: What needs no lab.
QUICK = ("tests.unit", "tests.functional")
#: folder -> who loads modules there by their names: entry points
LOADERS = {
    "tricircle.network": "tricircle.network.reconcile.runtime",
    "tricircle.scheduling": "tricircle.scheduling.scheduler",
    "tricircle.conf": "tests.unit.test_samples",
    "tricircle.policies": "tests.unit.test_samples",
}
#: test -> what it reads the source of
READERS = {
    "tests.unit.pods.test_rights": "tricircle",
    "tests.unit.gateway.test_parameters": "tricircle.gateway",
}
#: What all depends on.
GROUND = ("pyproject.toml", "uv.lock", ".python-version")
#: With so many files a second process would cost more than it saves: each imports OpenStack.
_FEW = 5
_PROJECT = Path("pyproject.toml")
# They name modules and files without using them.
_EXAMPLES = {"tests.changed", "tests.unit.test_changed", "tests.functional.test_changed"}
_NAMED = re.compile(rf"\b(?:{'|'.join(PACKAGES)})(?:\.\w+)+")
_IMPORTED = re.compile(
    rf"^\s*from ((?:{'|'.join(PACKAGES)})[\w.]*) import (\([^)]*\)|.*)$", re.MULTILINE
)
_RELATIVE = re.compile(r"^from \.(\w*)", re.MULTILINE)


def changed() -> list[str]:
    """Files that differ, from the top of the repository; of one that moved, both names."""
    forked = _git("merge-base", _base(), "HEAD")[0]
    return [
        *_git("diff", "--name-only", "--no-renames", "-z", forked),
        *_git("ls-files", "--others", "--exclude-standard", "-z"),
    ]


def _base() -> str:
    if _git("branch", "--show-current") != ["main"]:
        known = _git("for-each-ref", "--format=%(refname)", "refs/heads/main")
        return "main" if known else "origin/main"  # as in a clone of one branch
    upstream = _git("for-each-ref", "--format=%(upstream)", "refs/heads/main")
    return upstream[0] if upstream and upstream[0] else "main"


def _git(*words: str) -> list[str]:
    said = subprocess.run(["git", *words], check=True, capture_output=True, text=True).stdout
    return [line for line in re.split(r"[\0\n]", said) if line]


def module(file: str) -> str | None:
    """The name of the module in a file; None of what is no module of ours."""
    path = Path(file)
    if path.suffix != ".py" or path.parts[0] not in PACKAGES:
        return None
    parts = path.with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def name_loaders(graph: grimp.ImportGraph) -> None:
    """Add imports of what only strings name: of what nobody but tests imports."""
    for folder, loader in LOADERS.items():
        for one in graph.modules:
            importers = graph.find_modules_that_directly_import(one)
            if _within(one, folder) and all(who.startswith("tests.") for who in importers):
                graph.add_import(importer=loader, imported=one)
    for test, folder in READERS.items():
        for one in graph.modules if test in graph.modules else ():
            if _within(one, folder):
                graph.add_import(importer=test, imported=one)


def _within(one: str, folder: str) -> bool:
    return one == folder or one.startswith(f"{folder}.")


def name_mentions(
    graph: grimp.ImportGraph, sources: Mapping[str, str], programs: Mapping[str, str]
) -> None:
    """Add imports of modules that strings name, and of programs that tests start.

    ``sources`` is {module: its text}, ``programs`` {program: its module}. A module that is gone is
    to be in the graph already: whoever names it has lost it. So is one of a folder that is no
    package, where the graph knows no imports.
    """
    known = graph.modules
    for one, text in sources.items():
        for imported in _named(one, text, programs) & known - {one}:
            graph.add_import(importer=one, imported=imported)


def _named(one: str, text: str, programs: Mapping[str, str]) -> set[str]:
    if one in _EXAMPLES:
        return set()
    package = one.rpartition(".")[0]
    text = _RELATIVE.sub(lambda found: f"from {package}.{found[1]}".rstrip("."), text)
    named = set(_NAMED.findall(text))
    for whole, names in _IMPORTED.findall(text):
        named |= {f"{whole}.{name}" for name in re.findall(r"\w+", names)}
    if one.startswith("tests."):
        named |= {started for name, started in programs.items() if f'"{name}"' in text}
    return named


def readers(file: str, sources: Mapping[str, str]) -> set[str]:
    """The modules that read a file which is no module: that name it; else its neighbours."""
    path = Path(file)
    inside = path.parts[0] in PACKAGES
    found = {
        one
        for one, text in sources.items()
        if path.name in text and (inside or one.startswith("tests.")) and one not in _EXAMPLES
    }
    for folder in path.parents if inside and not found else ():
        package = ".".join(folder.parts)
        found = {one for one in sources if package in (one, one.rpartition(".")[0])}
        if found:
            break
    return found


def touched(graph: grimp.ImportGraph, modules: Iterable[str]) -> list[str]:
    """The test modules that import one of some modules, or whose fixtures do; the nearest first."""
    reached = dict.fromkeys(sorted(graph.modules & set(modules)))
    border = list(reached)
    while border:
        users = {who for one in border for who in _users(graph, one)}
        border = sorted(users - reached.keys())
        reached |= dict.fromkeys(border)
    tests = [one for one in reached if one.rpartition(".")[2].startswith("test_")]
    return [one for one in tests if one.startswith(QUICK)]


def _users(graph: grimp.ImportGraph, one: str) -> set[str]:
    """Who imports a module; what is in a folder uses its fixtures."""
    found: set[str] = set(graph.find_modules_that_directly_import(one))
    folder, _, name = one.rpartition(".")
    if name == "conftest":
        found |= {test for test in graph.modules if _within(test, folder)} - {one}
    return found


def chosen(files: Sequence[str]) -> list[str]:
    """The files of tests to run after some files were changed."""
    graph, sources = grimp.build_graph(*PACKAGES, cache_dir=None), _sources()
    changes = {name for file in files if (name := module(file))}
    data = [file for file in files if not module(file)]
    for name in {*sources, *changes} - graph.modules:
        graph.add_module(name)
    scripts = tomllib.loads(_PROJECT.read_text())["project"]["scripts"]
    name_mentions(graph, sources, {name: to.partition(":")[0] for name, to in scripts.items()})
    name_loaders(graph)
    if set(data) & set(GROUND):
        changes |= graph.modules
    changes |= {one for file in data for one in readers(file, sources)}
    return [f"{one.replace('.', '/')}.py" for one in touched(graph, changes) if one in sources]


def _sources() -> dict[str, str]:
    """{module: its text} of all there are."""
    return {
        name: path.read_text()
        for package in PACKAGES
        for path in Path(package).rglob("*.py")
        if (name := module(str(path)))
    }


def main() -> int:
    tests = chosen(changed())
    if not tests:
        print("No quick test uses what was changed.")
        return 0
    if "--list" in sys.argv[1:]:
        print("\n".join(tests))
        return 0
    print(f"{len(tests)} files of tests", flush=True)
    # Neutron's configuration is one a process, so its tests are run by themselves.
    network = [one for one in tests if one.startswith("tests/functional/network/")]
    others = [one for one in tests if one not in network]
    status = 0
    for part in filter(None, (others, network)):
        two = ["-n", "2", "--dist", "worksteal"] if len(part) > _FEW else []
        command = [sys.executable, "-m", "pytest", "-q", *two, *part]
        status |= subprocess.run(command, check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
