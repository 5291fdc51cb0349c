# SPDX-License-Identifier: Apache-2.0
"""Logs of several pods as one."""

from typing import Any

from tricircle.gateway.compute.operators.audit_log import merged
from tricircle.pods.pod import Pod

ONE, TWO = Pod("1", "Pod1", "az1"), Pod("2", "Pod2", "az2")


def log(done: list[str], missing: list[str], errors: int = 0) -> dict[str, Any]:
    hosts = len(done) + len(missing)
    return {
        "period_beginning": "2026-10-01 00:00:00",
        "num_hosts": hosts,
        "num_hosts_done": len(done),
        "num_hosts_running": 0,
        "num_hosts_not_run": len(missing),
        "hosts_not_run": missing,
        "total_instances": 2 * len(done),
        "total_errors": errors,
        "overall_status": f"{'ALL' if not missing else f'{len(done)} of {hosts}'} hosts done. "
                          f"{errors} errors.",
        "log": {host: {"state": "DONE"} for host in done},
    }  # fmt: skip


def test_one_pod_stays_as_it_is() -> None:
    for told in (log(["a"], [], 3), log(["a"], ["b"]), log([], [])):
        assert merged([(ONE, told)]) == told


def test_numbers_add_up_and_names_stay_apart() -> None:
    whole = merged([(ONE, log(["a", "b"], ["c"], 1)), (TWO, log(["a"], ["c", "d"], 2))])
    assert (whole["num_hosts"], whole["num_hosts_done"], whole["total_errors"]) == (6, 3, 3)
    assert whole["log"].keys() == {"a", "b", "a@Pod2"}
    assert whole["hosts_not_run"] == ["c", "c@Pod2", "d"]
    assert whole["overall_status"] == "3 of 6 hosts done. 3 errors."
    assert merged([(ONE, log(["a"], [])), (TWO, log(["b"], []))])["overall_status"] == (
        "ALL hosts done. 0 errors."
    )
