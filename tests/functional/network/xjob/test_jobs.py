# SPDX-License-Identifier: Apache-2.0
"""The jobs an operator sees are the rows central Neutron and xjob write."""

from collections.abc import Iterator

import pytest

from tests.functional.fakes.faults import Kind
from tests.functional.network.stage import PROJECT, Stage
from tricircle.conf import CONF
from tricircle.db import jobs


@pytest.fixture
def seen(stage: Stage) -> Iterator[None]:
    url = CONF.database.connection
    CONF.set_override("neutron_connection", url, group="tricircle_database")
    yield
    CONF.clear_override("neutron_connection", group="tricircle_database")


def test_a_change_a_pod_does_not_take(stage: Stage, seen: None) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    assert jobs.page() == []

    stage.neutron("pod1").fail(Kind.ERROR, "PUT", "/networks/")
    stage.change("network", network["id"], name="new")
    (due,) = stage.pending("pod1")
    stage.work("pod1")
    (job,) = jobs.page({"state": jobs.FAILING})
    assert job.id == due.id
    assert (job.resource_id, job.project_id) == (network["id"], PROJECT)
    assert "Pod pod1" in str(job.last_error)
    assert "Kaboom" in str(job.last_error)
    assert job.failing_since is not None

    stage.neutron("pod1").heal()
    jobs.retry(job.id)
    stage.work("pod1")
    assert stage.copy("pod1", "networks", network["id"])["name"] == "new"
    assert jobs.page() == []


def test_what_rests_is_pending_and_can_be_tried_at_once(stage: Stage, seen: None) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    member = stage.bound(network, "pod2")
    stage.reconcile()
    CONF.set_override("pace", 60, group="reconciler")
    for address in ("10.0.0.101", "10.0.0.102"):
        pairs = [{"ip_address": address}]
        stage.change("port", member["id"], allowed_address_pairs=pairs)
        stage.reconcile()
    (group,) = member["security_groups"]

    def told() -> bool:
        there = stage.copy("pod1", "address-groups", group)["addresses"]
        return f"{address}/32" in there

    assert not told()
    (job,) = jobs.page()
    assert jobs.state(job) == jobs.PENDING
    assert [one.id for one in jobs.page({"state": jobs.PENDING})] == [job.id]
    assert jobs.page({"state": jobs.WORKING}) == []
    jobs.retry(job.id)
    stage.reconcile()
    assert told()
