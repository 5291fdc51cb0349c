# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of what a change touches: those that import it, however far away.

A change is what differs from where the branch left ``main``, committed or not.
"""

import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path

import grimp

PACKAGES = ("tricircle", "lab", "tests")
#: What needs no lab.
QUICK = ("tests.unit", "tests.functional")
#: folder -> who loads modules there by their names: handlers of routes, entry points
LOADERS = {
    "tricircle.gateway": "tricircle.gateway.ways",
    "tricircle.network": "tricircle.network.runtime",
    "tricircle.scheduling": "tricircle.scheduling.scheduler",
}
_BASE = "main"


def changed(base: str = _BASE) -> list[str]:
    """Files that differ, from the top of the repository."""
    forked = _git("merge-base", base, "HEAD")[0]
    return [
        *_git("diff", "--name-only", forked),
        *_git("ls-files", "--others", "--exclude-standard"),
    ]


def _git(*words: str) -> list[str]:
    return subprocess.run(
        ["git", *words], check=True, capture_output=True, text=True
    ).stdout.splitlines()


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
            if one.startswith(f"{folder}.") and all(who.startswith("tests.") for who in importers):
                graph.add_import(importer=loader, imported=one)


def touched(graph: grimp.ImportGraph, modules: Iterable[str]) -> set[str]:
    """The test modules that import one of some modules, or whose fixtures do."""
    known = graph.modules
    near = {one for one in modules if one in known}
    for one in list(near):
        near |= graph.find_downstream_modules(one)
    fixtures = {one.rpartition(".")[0] for one in near if one.endswith(".conftest")}
    return {
        one
        for one in known
        if one.rpartition(".")[2].startswith("test_")
        and one.startswith(QUICK)
        and (one in near or any(one.startswith(f"{folder}.") for folder in fixtures))
    }


def main() -> int:
    graph = grimp.build_graph(*PACKAGES, cache_dir=None)
    name_loaders(graph)
    modules = {name for file in changed() if (name := module(file))}
    tests = sorted(f"{one.replace('.', '/')}.py" for one in touched(graph, modules))
    if not tests:
        print("No test imports what was changed.")
        return 0
    print(f"{len(tests)} files of tests", flush=True)
    # Neutron's configuration is one a process, so its tests are run by themselves.
    network = [one for one in tests if one.startswith("tests/functional/network/")]
    others = [one for one in tests if one not in network]
    status = 0
    for part in filter(None, (others, network)):
        command = [sys.executable, "-m", "pytest", "-q", "-n", "2", "--dist", "worksteal"]
        status |= subprocess.run([*command, *part], check=False).returncode
    return status


if __name__ == "__main__":
    sys.exit(main())
