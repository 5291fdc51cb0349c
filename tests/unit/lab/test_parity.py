# SPDX-License-Identifier: Apache-2.0
import re
from pathlib import Path

from lab import parity
from lab.parity import SUITES, Reason, differences, document, reasons
from lab.tempest import Result


def result(test: str, outcome: str) -> Result:
    return Result(test, outcome, 1.0)


POD = [
    result("t.a.X.test_one", "pass"),
    result("t.a.X.test_two", "pass"),
    result("t.a.X.test_three", "fail"),
    result("t.b.Y.test_four[id-1]", "pass"),
    result("t.c.Z.test_five", "pass"),
]


def test_what_passes_on_the_pod_alone_differs() -> None:
    ours = [
        result("t.a.X.test_one", "pass"),
        result("t.a.X.test_two", "skip"),
        result("t.a.X.test_three", "fail"),
        result("setUpClass (t.b.Y)", "fail"),
    ]
    found = differences(POD, ours, [Reason(r"\.Y\.", "Because."), Reason("Y", "Never read.")])
    assert [(one.test, one.outcome, one.reason) for one in found] == [
        ("t.a.X.test_two", "skip", ""),
        ("t.b.Y.test_four[id-1]", "fail", "Because."),
        ("t.c.Z.test_five", "not run", ""),
    ]


def test_the_document_groups_by_reason() -> None:
    ours = [result("t.a.X.test_one", "pass"), result("setUpClass (t.b.Y)", "fail")]
    found = differences(POD, ours, [Reason("t.a|t.b", "Because.")])
    lines = document(SUITES["network"], POD, ours, found).splitlines()
    assert "| a pod | 4 | 1 | 0 |" in lines
    assert "| `RegionOne` over 2 pods | 1 | 1 | 0 |" in lines
    because = lines.index("## Because.")
    assert lines[because + 2 : because + 4] == [
        "- `t.a.X.test_two` (not run)",
        "- `t.b.Y.test_four[id-1]` (fail)",
    ]
    assert lines[lines.index("## No reason is known.") + 2] == "- `t.c.Z.test_five` (not run)"


def test_what_is_run_again_counts_anew() -> None:
    first = [
        result("t.a.X.test_one", "pass"),
        result("t.a.X.test_two", "fail"),
        result("setUpClass (t.b.Y)", "fail"),
        result("tearDownClass (t.c.Z)", "fail"),
    ]
    again = [result("t.a.X.test_two", "pass"), result("t.b.Y.test_four[id-1]", "fail")]
    found = {one.test: one.outcome for one in parity.merged(first, again)}
    assert found == {
        "t.a.X.test_one": "pass",
        "t.a.X.test_two": "pass",
        "t.b.Y.test_four[id-1]": "fail",
        "tearDownClass (t.c.Z)": "fail",
    }
    text = document(SUITES["network"], POD, first, [], again=2)
    assert "Run once more on the region: 2." in text


def test_without_differences() -> None:
    assert "Everything that passes on the pod" in document(SUITES["network"], POD, POD, [])


def test_the_document_tells_over_how_many_pods_the_region_was() -> None:
    assert "| `RegionOne` over 3 pods | " in document(SUITES["network"], POD, POD, [], pods=3)


def test_the_index_tells_what_the_documents_say(tmp_path: Path) -> None:
    ours = [result("t.a.X.test_one", "pass"), result("setUpClass (t.b.Y)", "fail")]
    found = differences(POD, ours, [])
    suite = SUITES["network"]
    path = tmp_path / suite.document
    path.parent.mkdir()
    path.write_text(document(suite, POD, ours, found))
    lines = parity.index(tmp_path).splitlines()
    assert lines[-1] == (
        f"| [{suite.title}](compatibility-network.md) | 4, 1, 0 | 1, 1, 0 | {len(found)} "
        f"| `{suite.command}` |"
    )
    assert not any("compatibility-volume" in line for line in lines)


def test_the_table_of_reasons_is_well_formed(tmp_path: Path) -> None:
    for suite in SUITES:
        assert all(one.reason.endswith(".") for one in reasons(suite))
    assert parity.REASONS.exists()


def test_scenarios_that_log_into_servers_are_left_out() -> None:
    scenario = re.compile(SUITES["scenario"].regex)
    pattern = "tempest.scenario.test_volume_boot_pattern"
    assert scenario.search("tempest.scenario.test_server_basic_ops.TestServerBasicOps.test_one")
    assert scenario.search(f"{pattern}.TestVolumeBootPattern.test_image_defined_boot_from_volume")
    assert not scenario.search(f"{pattern}.TestVolumeBootPattern.test_volume_boot_pattern[id-1]")
    assert not scenario.search("tempest.scenario.test_network_v6.TestGettingAddress.test_one")


def test_some_tests_can_be_run_by_themselves() -> None:
    only = re.compile(parity.just(["t.b.Y.test_four[id-1]", "t.a.X.test_one"]))
    every = ("t.b.Y.test_four[id-1]", "t.a.X.test_one", "t.a.X.test_one_more[id-2]", "t.aaX.test")
    assert [test for test in every if only.search(test)] == list(every[:2])
