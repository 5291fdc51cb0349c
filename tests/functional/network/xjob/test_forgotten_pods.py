# SPDX-License-Identifier: Apache-2.0
"""A pod that is deleted by force leaves nothing behind in central Neutron."""

import pytest

from tests.functional.network.audits import audit, settled
from tests.functional.network.routed_networks import (
    VLAN,
    external,
    floating,
    open_to,
    router,
)
from tests.functional.network.stage import Stage
from tricircle.db import pods
from tricircle.db.realizations import Key
from tricircle.db.work_queue import Busy
from tricircle.network.central import address_reservations
from tricircle.network.reconcile import runtime
from tricircle.network.wanted import group_members
from tricircle.xjob.service import Service


def set_aside(stage: Stage, region: str) -> int:
    """How many addresses are set aside for a pod."""
    ports = stage.core.get_ports(stage.admin)
    device = f"tricircle-{stage.pod_ids[region]}"
    return sum(address_reservations.is_reservation(port) for port in ports
               if port["device_id"] == device)  # fmt: skip


def test_addresses_come_back_and_ports_are_unbound(stage: Stage) -> None:
    public = external(stage, "pod1")
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    kept, lost = stage.bound(network, "pod1"), stage.bound(network, "pod2")
    open_to(stage, router(stage, subnet), public)
    ip = floating(stage, public, lost)
    stage.reconcile()
    stage.core.update_port_status(stage.admin, lost["id"], "ACTIVE", "pod2")
    assert set_aside(stage, "pod2") > 2
    before = set_aside(stage, "pod1")

    pods.delete(stage.pod_ids["pod2"], force=True)
    service = Service(runtime.get())
    service._forget_pods()

    assert set_aside(stage, "pod2") == 0
    assert set_aside(stage, "pod1") <= before
    port = stage.core.get_port(stage.admin, lost["id"])
    assert (port["binding:host_id"], port["binding:vif_type"]) == ("", "unbound")
    assert port["status"] == "DOWN"
    assert stage.core.get_port(stage.admin, kept["id"])["binding:host_id"] == "pod1"
    assert not [row for row in stage.rows() if row.pod_id == stage.pod_ids["pod2"]]
    stage.reconcile("pod1")
    assert stage.copies("pod1", "floatingips", ip["id"]) == []
    # What is unbound may be used again.
    assert stage.bind(port, "pod3")["binding:vif_type"] == "other"


def test_it_is_begun_anew_after_a_death_on_the_way(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, _ = stage.network("10.1.0.0/24", **VLAN)
    port = stage.bound(network, "pod2")
    pods.delete(stage.pod_ids["pod2"], force=True)
    service = Service(runtime.get())
    release = address_reservations.release
    with monkeypatch.context() as patch:
        patch.setattr(address_reservations, "release", _dies)
        with pytest.raises(ZeroDivisionError):
            service._forget_pods()
    assert address_reservations.release is release
    service._forget_pods()
    assert set_aside(stage, "pod2") == 0
    assert stage.core.get_port(stage.admin, port["id"])["binding:host_id"] == ""


@pytest.mark.usefixtures("no_grace")
def test_a_pod_that_is_registered_again_has_what_runs_in_it(stage: Stage) -> None:
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    stage.bound(network, "pod1")
    router(stage, subnet)
    port = stage.make("port", network_id=network["id"], name="port", device_id="a server",
                      device_owner="compute:az2")  # fmt: skip
    port = stage.bind(port, "pod2")
    inside = stage.copy("pod2", "ports", port["id"])
    inside["device_id"], inside["device_owner"] = "a server", "compute:nova"
    stage.reconcile()
    there = {name: set(table) for name, table in stage.neutron("pod2").tables.items()}
    pool = stage.copy("pod2", "subnets", subnet["id"])["allocation_pools"]

    pods.delete(stage.pod_ids["pod2"], force=True)
    Service(runtime.get())._forget_pods()
    # Somebody else is given an address meanwhile.
    stage.bound(network, "pod1")
    stage.register("pod2")
    audit(stage, "pod2")
    stage.reconcile()

    assert stage.core.get_port(stage.admin, port["id"])["binding:host_id"] == "pod2"
    now = {name: set(table) for name, table in stage.neutron("pod2").tables.items()}
    for name in ("networks", "subnets", "ports", "routers"):
        assert now[name] == there[name], name
    assert stage.copy("pod2", "subnets", subnet["id"])["allocation_pools"] == pool
    settled(stage, "pod2")


def test_nothing_is_forgotten_while_all_pods_are_there(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is alone with something stays so, and no group's members are looked at anew."""
    monkeypatch.setattr(group_members, "look_again", _dies)
    queue, key = runtime.get().engine.queue, Key("bridge", "a router")
    with queue.exclusive(key):
        Service(runtime.get())._forget_pods()
        with pytest.raises(Busy), queue.exclusive(key):
            pass


def _dies(*_: object, **__: object) -> None:
    raise ZeroDivisionError
