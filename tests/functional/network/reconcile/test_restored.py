# SPDX-License-Identifier: Apache-2.0
"""Databases brought back from a backup: what pods have got since is found, not made twice."""

import datetime

import sqlalchemy as sa

from tests.functional.network.stage import Object, Stage
from tricircle.db import pods
from tricircle.db.models import now
from tricircle.network.central import models
from tricircle.network.reconcile import runtime


def _forgotten(*resources: Object) -> None:
    """The backup was made before pods got these."""
    table = models.Realization
    ids = [resource["id"] for resource in resources]
    runtime.get().engine.queue.transact(
        lambda tx: tx.execute(sa.delete(table).where(table.resource_id.in_(ids)))
    )
    assert pods.were_restored() == 3
    runtime.get().registry.refresh()


def _made(stage: Stage) -> list[str]:
    calls = stage.cloud.journal.find("pod1/network", "POST")
    return sorted(call.path.rpartition("/")[2] for call in calls)


def _looks(stage: Stage) -> list[str]:
    """Collections in which something was looked for by its marker."""
    calls = stage.cloud.journal.find("pod1/network", "GET")
    return [call.path.rpartition("/")[2] for call in calls if "description" in dict(call.query)]


def test_what_pods_have_is_used_at_the_first_try(stage: Stage) -> None:
    network, subnet = stage.network()
    group = stage.make("security_group", name="web", description="")
    older = stage.bound(network, "pod1", security_groups=[group["id"]])
    stage.reconcile()
    _forgotten(network, subnet, group, older)
    stage.cloud.journal.clear()

    stage.bound(network, "pod1", security_groups=[group["id"]])
    assert _made(stage) == ["ports"]
    for collection, one in (("networks", network), ("subnets", subnet), ("security-groups", group)):
        there = stage.copy("pod1", collection, one["id"])
        row = stage.row(
            {"networks": "network", "subnets": "subnet"}.get(collection, "security_group"),
            one["id"], "pod1",
        )  # fmt: skip
        assert row is not None
        assert row.pod_resource_id == there["id"]


def test_many_ports_are_looked_for_together(stage: Stage) -> None:
    network, _ = stage.network()
    ports = [stage.bound(network, "pod1") for _ in range(3)]
    stage.reconcile()
    _forgotten(*ports)
    for port in ports:
        stage.want(port, "pod1")
    stage.cloud.journal.clear()
    stage.reconcile("pod1")
    assert _made(stage) == []
    assert len(_looks(stage)) == 1
    for port in ports:
        assert stage.copy("pod1", "ports", port["id"])


def test_what_is_deleted_now_goes_from_the_pod(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    stage.reconcile()
    table = models.Realization
    runtime.get().engine.queue.transact(
        lambda tx: tx.execute(
            sa.update(table)
            .where(table.resource_id == port["id"])
            .values(pod_resource_id=None, realized_revision=None)
        )
    )
    _forgotten()
    stage.delete("port", port["id"])
    stage.reconcile("pod1")
    assert stage.copies("pod1", "ports", port["id"]) == []


def test_what_is_newer_than_that_is_not_looked_for(stage: Stage) -> None:
    _forgotten()
    for pod_id in stage.pod_ids.values():
        # Neutron tells times in whole seconds.
        pods.update(pod_id, {"restored_at": now() - datetime.timedelta(seconds=5)})
    runtime.get().registry.refresh()
    network, _ = stage.network()
    stage.bound(network, "pod1")
    assert set(_made(stage)) >= {"networks", "subnets", "ports"}
    assert _looks(stage) == []
