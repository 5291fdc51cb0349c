# SPDX-License-Identifier: Apache-2.0
"""Which tests are those of a change."""

import grimp
import pytest

from tests.changed import module, name_loaders, name_mentions, readers, touched

IMPORTS = {
    "tests.unit.test_a": "tricircle.network.a",
    "tests.unit.test_b": "tricircle.network.b",
    "tests.unit.db.test_c": "tests.tool",
    "tests.unit.db.conftest": "tricircle.network.reconcile.runtime",
    "tests.functional.test_d": "tests.far",
    "tests.far": "tests.tool",
    "tests.e2e.test_e": "tricircle.network.reconcile.runtime",
}


@pytest.fixture
def graph() -> grimp.ImportGraph:
    made = grimp.ImportGraph()
    for importer, imported in IMPORTS.items():
        made.add_import(importer=importer, imported=imported)
    return made


def test_what_only_a_string_names_is_used_by_whoever_loads_it(graph: grimp.ImportGraph) -> None:
    name_loaders(graph)
    # By fixtures of a folder, too.
    found = touched(graph, ["tricircle.network.a"])
    assert found == ["tests.unit.test_a", "tests.unit.db.test_c"]


def test_the_nearest_come_first(graph: grimp.ImportGraph) -> None:
    assert touched(graph, ["tests.tool"]) == ["tests.unit.db.test_c", "tests.functional.test_d"]
    assert touched(graph, ["tests.unit.test_b"]) == ["tests.unit.test_b"]


def test_programs_in_strings_are_used(graph: grimp.ImportGraph) -> None:
    sources = {
        "tests.unit.test_a": 'PROGRAM = """\nfrom tests import far\n"""',
        "tests.unit.test_b": 'program = folder / "tricircle-gateway"',
        "lab.tricircle": 'GATEWAY = "tricircle-gateway"',
    }
    graph.add_module("tricircle.cmd.gateway")
    name_mentions(graph, sources, {"tricircle-gateway": "tricircle.cmd.gateway"})
    assert touched(graph, ["tests.far"]) == ["tests.functional.test_d", "tests.unit.test_a"]
    assert graph.find_modules_that_directly_import("tricircle.cmd.gateway") == {"tests.unit.test_b"}


@pytest.mark.parametrize(
    "text",
    [
        "from tricircle.db import gone\n",
        "from tricircle.db import (\n    here,\n    gone,\n)\n",
        "from tricircle.db.gone import what\n",
        "import tricircle.db.gone\n",
    ],
)
def test_who_imports_a_module_that_is_gone_has_lost_it(graph: grimp.ImportGraph, text: str) -> None:
    graph.add_module("tricircle.db.gone")
    name_mentions(graph, {"tests.unit.test_a": text}, {})
    assert touched(graph, ["tricircle.db.gone"]) == ["tests.unit.test_a"]


def test_where_there_is_no_package(graph: grimp.ImportGraph) -> None:
    """A folder of scripts; its modules import each other by dots."""
    for one in ("lab.stock.one", "lab.stock.two"):
        graph.add_module(one)
    sources = {
        "lab.stock.one": "from . import two\n",
        "tests.unit.test_a": "from lab.stock import one as first\n",
    }
    name_mentions(graph, sources, {})
    assert touched(graph, ["lab.stock.two"]) == ["tests.unit.test_a"]


@pytest.mark.parametrize(
    ("file", "found"),
    [
        ("docs/samples/policy.yaml.sample", {"tests.unit.test_samples"}),
        ("docs/networking.md", set()),
        ("tests/functional/fakes/rights.json", {"tests.functional.fakes.rights"}),
        # Named nowhere: whoever is beside it, or beside its folder, may read it.
        ("lab/stock/pages/a.html", {"lab.stock.one"}),
    ],
)
def test_who_reads_a_file(file: str, found: set[str]) -> None:
    sources = {
        "tests.unit.test_samples": 'SAMPLE = "policy.yaml.sample"',
        "tests.functional.fakes.rights": 'path = folder / "rights.json"',
        "lab.stock.one": "",
        "lab.cli": "Told of in docs/networking.md",
    }
    assert readers(file, sources) == found


def test_names_of_modules() -> None:
    assert module("tests/unit/__init__.py") == "tests.unit"
    assert module("docs/x.py") is module("lab/x.toml") is None
