# SPDX-License-Identifier: Apache-2.0
from lab.tempest import Result, parse, summary


def test_a_line_of_progress_is_a_result() -> None:
    line = "{1} tempest.api.network.test_ports.PortsTest.test_list [0.127s] ... ok\n"
    test = "tempest.api.network.test_ports.PortsTest.test_list"
    assert parse(line) == Result(test, "pass", 0.127)


def test_failures_and_skips_are_told_apart() -> None:
    failed = parse("{0} tempest.api.compute.a.B.test_c[id-1,smoke] [1.5s] ... FAILED")
    assert failed
    assert failed.outcome == "fail"
    skipped = parse("{0} tempest.api.compute.a.B.test_d ... SKIPPED: not here")
    assert skipped == Result("tempest.api.compute.a.B.test_d", "skip", 0.0)


def test_a_whole_class_may_be_skipped() -> None:
    result = parse("{0} setUpClass (tempest.api.compute.admin.test_x.Y) ... SKIPPED: no")
    assert result
    assert result.area == "tempest.api.compute.admin"


def test_other_lines_are_no_results() -> None:
    assert parse("    Traceback (most recent call last):") is None
    assert parse(" - Passed: 3") is None
    assert parse("{0} something ... inprogress") is None


def test_the_summary_counts_by_area_and_names_failures() -> None:
    table = summary(
        [
            Result("tempest.api.network.test_a.T.x", "pass", 1.0),
            Result("tempest.api.network.test_a.T.y[id-1]", "fail", 2.0),
            Result("tempest.api.volume.test_b.T.z", "skip", 0.0),
        ],
        "Pod1: tempest.api",
        12.0,
    ).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in table[2:] if line}
    assert rows["tempest.api.network.test_a"] == ["1", "1", "0", "3"]
    assert rows["tempest.api.volume.test_b"] == ["0", "0", "1", "0"]
    assert table[-2].split() == ["all", "together", "1", "1", "1", "12"]
    assert table[-1] == "FAILED tempest.api.network.test_a.T.y[id-1]"
