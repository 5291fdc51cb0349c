# SPDX-License-Identifier: Apache-2.0
"""Ports that one request makes with a pod for their host are made in that pod by one call."""

import pytest
from neutron.ipam.exceptions import IpAddressAlreadyAllocated

from tests.functional.fakes.faults import Kind
from tests.functional.network.stage import Object, Stage
from tricircle.conf import CONF


def _posts(stage: Stage, region: str = "pod1") -> list[int]:
    """How many ports each POST to the pod was about."""
    calls = stage.cloud.journal.find(f"{region}/network", "POST", "/ports$")
    return [len(call.json.get("ports", [None])) for call in calls]


def _wish(network: Object, host: str = "pod1", **more: object) -> Object:
    return {"network_id": network["id"], "binding:host_id": host, **more}


def _right(stage: Stage, port: Object, region: str = "pod1") -> None:
    """It is bound, is in the pod once as it should be, and nothing is left to do about it."""
    shown = stage.core.get_port(stage.admin, port["id"])
    there = stage.copy(region, "ports", port["id"])
    for told in (port, shown):
        assert told["binding:vif_type"] == "other", told["binding:vif_details"]
        details = told["binding:vif_details"]
        assert (details["pod"], details["pod_port_id"]) == (region, there["id"])
        assert details["pod_network_id"] == there["network_id"]
    assert there["mac_address"] == port["mac_address"]
    row = stage.row("port", port["id"], region)
    assert row is not None
    assert (row.next_try_at, row.claimed_by, row.last_error) == (None, None, None)


def test_they_are_made_by_one_call(stage: Stage) -> None:
    network, _ = stage.network()
    ports = stage.ports(*[_wish(network) for _ in range(8)])
    for port in ports:
        _right(stage, port)
    assert _posts(stage) == [8]
    stage.reconcile()
    assert _posts(stage) == [8]
    for port in ports:
        stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")


def test_each_pod_and_network_has_a_call(stage: Stage) -> None:
    one, other = stage.network()[0], stage.network("10.1.0.0/24")[0]
    bodies = [_wish(one), _wish(other), _wish(one, "pod2"), _wish(one), _wish(other)]
    ports = stage.ports(*bodies, _wish(one, "pod2"), _wish(one, "compute-1"), _wish(one, ""))
    for port, body in zip(ports, bodies, strict=False):
        _right(stage, port, body["binding:host_id"])
    assert [port["binding:vif_type"] for port in ports[6:]] == ["binding_failed", "unbound"]
    assert (_posts(stage), _posts(stage, "pod2")) == ([2, 2], [2])


def test_one_that_the_pod_refuses_holds_up_no_other(stage: Stage) -> None:
    network = stage.make("network", name="net")
    # No other port is given the address by chance.
    stage.subnet(
        network, "10.0.0.0/24", allocation_pools=[{"start": "10.0.0.2", "end": "10.0.0.50"}]
    )
    stage.bound(network, "pod1")
    inside = stage.copy("pod1", "networks", network["id"])
    stage.neutron("pod1").make(
        "ports", "other", network_id=inside["id"], fixed_ips=[{"ip_address": "10.0.0.177"}]
    )
    taken = {"fixed_ips": [{"ip_address": "10.0.0.177"}]}
    good, bad, *more = stage.ports(_wish(network), _wish(network, **taken), _wish(network))
    for port in (good, *more):
        _right(stage, port)
    assert bad["binding:vif_type"] == "binding_failed"
    assert "already allocated" in bad["binding:vif_details"]["reason"]


def test_a_silent_pod_is_waited_for_once(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    stage.cloud.journal.clear()
    CONF.set_override("call_deadline", 0.6, group="reconciler")
    CONF.set_override("bind_deadline", 1, group="reconciler")
    stage.neutron("pod1").fail(Kind.HANG, method="POST", path="/ports$")
    ports = stage.ports(*[_wish(network) for _ in range(8)])
    for port in ports:
        assert port["binding:vif_type"] == "binding_failed"
        assert port["binding:vif_details"]["reason"]
    assert len(_posts(stage)) < 4
    stage.cloud.heal()
    CONF.set_override("call_deadline", 5, group="reconciler")
    CONF.set_override("bind_deadline", 40, group="reconciler")
    stage.forget_claims()
    stage.reconcile()
    for port in ports:
        _right(stage, stage.bind(port, "pod1"))


def test_a_slow_pod_has_time_for_the_last_of_many(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    neutron = stage.neutron("pod1")
    neutron.allow_bulk = False
    CONF.set_override("port_deadline", 40, group="reconciler")
    CONF.set_override("bind_deadline", 2, group="reconciler")
    neutron.fail(Kind.SLOW, method="POST", path="/ports$", seconds=0.4)
    ports = stage.ports(*[_wish(network) for _ in range(7)])
    CONF.clear_override("port_deadline", group="reconciler")
    CONF.set_override("bind_deadline", 40, group="reconciler")
    for port in ports:
        _right(stage, port)


def test_what_central_neutron_refuses_leaves_nothing(stage: Stage) -> None:
    network, _ = stage.network()
    same = {"fixed_ips": [{"ip_address": "10.0.0.9"}]}
    with pytest.raises(IpAddressAlreadyAllocated):
        stage.ports(_wish(network), _wish(network, **same), _wish(network, **same))
    assert stage.rows() == []
    assert stage.empty("pod1")


def test_one_is_bound_by_itself(stage: Stage) -> None:
    network, _ = stage.network()
    (port,) = stage.ports(_wish(network))
    _right(stage, port)
    assert _posts(stage) == [1]
