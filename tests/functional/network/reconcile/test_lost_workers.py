# SPDX-License-Identifier: Apache-2.0
"""A pod is making something for a worker that nobody hears of any more: it makes no other."""

import contextlib
import threading
from collections.abc import Callable, Iterator

import pytest
import sqlalchemy as sa

from tests.functional.fakes.faults import Kind
from tests.functional.network.stage import Object, Stage, wait
from tricircle.conf import CONF
from tricircle.db.models import now
from tricircle.db.realizations import Key
from tricircle.network.central import models
from tricircle.network.reconcile import runtime
from tricircle.pods.errors import PodUnreachable


def _network(stage: Stage) -> tuple[Key, Object]:
    network, _ = stage.network()
    return Key("network", network["id"]), stage.port(network)


def _group(stage: Stage) -> tuple[Key, Object]:
    group = stage.make("security_group", name="web", description="")
    network, _ = stage.network()
    return Key("security_group", group["id"]), stage.port(network, security_groups=[group["id"]])


def _address_group(stage: Stage) -> tuple[Key, Object]:
    addresses = stage.make("address_group", name="a", description="", addresses=["192.0.2.0/24"])
    key, port = _group(stage)
    stage.make(
        "security_group_rule",
        security_group_id=key.resource_id,
        direction="ingress",
        ethertype="IPv4",
        remote_address_group_id=addresses["id"],
    )
    return Key("address_group", addresses["id"]), port


def _policy(stage: Stage) -> tuple[Key, Object]:
    policy = stage.make("policy", name="slow")
    network, _ = stage.network(qos_policy_id=policy["id"])
    return Key("qos_policy", policy["id"]), stage.port(network)


def _router(stage: Stage) -> tuple[Key, Object]:
    network, subnet = stage.network()
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    return Key("router", router["id"]), stage.port(network)


@pytest.fixture(autouse=True)
def patient(stage: Stage) -> None:
    """No machine is so busy that a doubt ends before the test does."""
    CONF.set_override("call_deadline", 60, group="reconciler")


KINDS = {
    "networks": _network,
    "security-groups": _group,
    "address-groups": _address_group,
    "qos/policies": _policy,
    "routers": _router,
}


@pytest.mark.parametrize("collection", KINDS)
def test_a_worker_is_cut_off_in_the_middle_of_a_create(stage: Stage, collection: str) -> None:
    key, port = KINDS[collection](stage)
    stage.want(port, "pod1")
    neutron = stage.neutron("pod1")
    fault = neutron.fail(Kind.HELD, method="POST", path=f"/{collection}$", times=1)
    first = threading.Thread(target=lambda: _until(fault.go.is_set, lambda: stage.work("pod1")))
    first.start()
    assert fault.hit.wait(30)
    # It reaches the database no more: what it had is taken over as soon as its claim has run out.
    stage.cloud.journal.clear()
    _run_out(key)
    wait(lambda: _worked_on_by_another(stage, key))
    row = stage.row(*key, "pod1")
    assert row is not None
    assert row.pod_resource_id is None
    fault.go.set()
    first.join()
    wait(lambda: not stage.reconcile("pod1") and _is_realized(stage, key))
    assert len(stage.copies("pod1", collection.rpartition("/")[2], key.resource_id)) == 1
    assert len(stage.cloud.journal.find("pod1/network", "POST", f"/{collection}$")) == 0


@pytest.mark.parametrize("collection", ["networks", "routers"])
def test_a_pod_works_on_after_it_has_hung_up(stage: Stage, collection: str) -> None:
    key, port = KINDS[collection](stage)
    stage.want(port, "pod1")
    neutron = stage.neutron("pod1")
    fault = neutron.fail(Kind.LATE, method="POST", path=f"/{collection}$", times=1)
    wait(lambda: stage.work("pod1") or fault.hit.is_set())
    stage.cloud.journal.clear()
    wait(lambda: _worked_on_by_another(stage, key))
    fault.go.set()
    wait(lambda: not stage.reconcile("pod1") and _is_realized(stage, key))
    assert len(stage.copies("pod1", collection.rpartition("/")[2], key.resource_id)) == 1
    assert len(stage.cloud.journal.find("pod1/network", "POST", f"/{collection}$")) == 0


def test_what_was_surely_not_made_is_tried_again_at_once(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.port(network)
    stage.neutron("pod1").fail(Kind.QUOTA, method="POST", path="/networks$", times=1)
    stage.want(port, "pod1")
    wait(lambda: stage.work("pod1") and _is_realized(stage, Key("network", network["id"])), 4)
    stage.cloud.pods["pod2"].stop()
    with pytest.raises(PodUnreachable):
        stage.realize(port, "pod2")
    row = stage.row("network", network["id"], "pod2")
    assert row is not None
    assert row.making_until is None


def test_a_worker_that_was_cut_off_does_not_undo_a_later_change(stage: Stage) -> None:
    network, _ = stage.network()
    key = Key("network", network["id"])
    stage.bound(network, "pod1")
    stage.change("network", network["id"], name="first")
    with _cut_off(stage, key, "GET", "/networks/"):
        stage.change("network", network["id"], name="second")
        stage.reconcile("pod1")
        assert [one["name"] for one in _copies(stage, key)] == ["second"]
        stage.cloud.journal.clear()
    assert [one["name"] for one in _copies(stage, key)] == ["second"]
    assert not stage.cloud.journal.find("pod1/network", "PUT", "/networks/")


def test_a_worker_that_was_cut_off_does_not_delete_what_is_wanted_again(stage: Stage) -> None:
    network, subnet = stage.network()
    router = stage.make("router", name="r")
    key = Key("router", router["id"])
    inside = {"subnet_id": subnet["id"]}
    stage.l3.add_router_interface(stage.context, router["id"], inside)
    stage.bound(network, "pod1")
    stage.reconcile("pod1")
    (copy,) = _copies(stage, key)
    stage.l3.remove_router_interface(stage.context, router["id"], inside)
    with _cut_off(stage, key, "GET", "/ports$"):
        stage.l3.add_router_interface(stage.context, router["id"], inside)
        stage.reconcile("pod1")
        stage.cloud.journal.clear()
    assert [one["id"] for one in _copies(stage, key)] == [copy["id"]]
    for method in ("PUT", "DELETE"):
        assert not stage.cloud.journal.find("pod1/network", method)


def test_a_claim_outlasts_a_change_under_way(stage: Stage) -> None:
    CONF.set_override("lease_seconds", 0.5, group="reconciler")
    network, _ = stage.network()
    key = Key("network", network["id"])
    stage.bound(network, "pod1")
    stage.reconcile("pod1")
    stage.change("network", network["id"], name="first")
    queue = runtime.get().engine.queue
    fault = stage.neutron("pod1").fail(Kind.HELD, method="PUT", path="/networks/", times=1)
    worker = threading.Thread(target=lambda: _until(fault.go.is_set, lambda: stage.work("pod1")))
    worker.start()
    assert fault.hit.wait(30)
    row = stage.row(*key, "pod1")
    assert row is not None
    assert row.claimed_until is not None
    left = (row.claimed_until - now()).total_seconds()
    assert left > CONF.reconciler.call_deadline / 2
    # Its next renewal does not cut the claim short.
    queue._renew({str(row.claimed_by): row.id})
    renewed = stage.row(*key, "pod1")
    assert renewed is not None
    assert renewed.claimed_until == row.claimed_until
    fault.go.set()
    worker.join()


@contextlib.contextmanager
def _cut_off(stage: Stage, key: Key, method: str, path: str) -> Iterator[None]:
    """A worker stands still from the middle of its work on a resource until the end of this: the
    row is claimed no more from the beginning."""
    fault = stage.neutron("pod1").fail(Kind.HELD, method=method, path=path, times=1)
    row, running = stage.row(*key, "pod1"), runtime.get()
    pod = running.registry.fresh().by_region("pod1")
    assert row is not None
    assert pod is not None
    worker = threading.Thread(target=running.worker.work_on, args=(pod, row.id))
    worker.start()
    assert fault.hit.wait(30)
    _run_out(key)
    yield
    fault.go.set()
    worker.join()


def _copies(stage: Stage, key: Key) -> list[Object]:
    collection = {"network": "networks", "router": "routers"}[key.resource_type]
    return stage.copies("pod1", collection, key.resource_id)


def _until(done: Callable[[], bool], work: Callable[[], object]) -> None:
    while not done():
        work()


def _run_out(key: Key) -> None:
    """The claim on a resource's rows has run out; others wait for nothing, too."""
    table = models.Realization
    runtime.get().engine.queue.transact(
        lambda tx: tx.execute(
            sa.update(table)
            .where(table.resource_type == key.resource_type, table.resource_id == key.resource_id)
            .values(claimed_until=now(), next_try_at=now())
        )
    )


def _worked_on_by_another(stage: Stage, key: Key) -> bool:
    """Another worker has looked for it in the pod, and knows what to wait for."""
    row, running = stage.row(*key, "pod1"), runtime.get()
    pod = running.registry.fresh().by_region("pod1")
    assert row is not None
    assert pod is not None
    running.worker.work_on(pod, row.id)
    row = stage.row(*key, "pod1")
    return row is not None and "may still be making" in (row.last_error or "")


def _is_realized(stage: Stage, key: Key) -> bool:
    row = stage.row(*key, "pod1")
    return row is not None and row.next_try_at is None and row.pod_resource_id is not None
