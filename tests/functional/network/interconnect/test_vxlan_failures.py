# SPDX-License-Identifier: Apache-2.0
"""What goes wrong where pods are joined by tunnels is told, and holds up nobody else."""

import logging

import oslo_messaging
import pytest

from tests.functional.fakes.neutron_agents import bus_url
from tests.functional.network.routed_networks import router
from tests.functional.network.stage import Object
from tests.functional.network.tunnels import VXLAN, Tunnels
from tricircle.conf import CONF
from tricircle.network.pod_api import message_bus


def test_a_pod_whose_bus_is_not_known_refuses_the_port(tunnels: Tunnels) -> None:
    CONF.set_override("message_buses", [f"pod1:{bus_url('pod1')}"], group="interconnect")
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    tunnels.boot(network, "pod1")
    port = stage.bind(stage.port(network), "pod2")
    assert port["binding:vif_type"] == "binding_failed"
    reason = str(port["binding:vif_details"])
    assert "pod2" in reason
    assert "[interconnect] message_buses" in reason


def test_pods_that_are_not_joined_so_refuse_each_others_networks(tunnels: Tunnels) -> None:
    pairs = {"*/*": "vxlan", "pod1/pod3": "vlan"}
    CONF.set_override("joined_by", pairs, group="interconnect")
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    tunnels.boot(network, "pod1")
    tunnels.boot(network, "pod2")
    port = stage.bind(stage.port(network), "pod3")
    assert port["binding:vif_type"] == "binding_failed"
    reason = str(port["binding:vif_details"])
    assert all(word in reason for word in ("pod1", "pod3", "vlan", "[interconnect] joined_by"))
    # The other way round, too: a VLAN does not join the pods it could not reach.
    vlan, _ = stage.network("10.9.0.0/24", **{"provider:network_type": "vlan"})
    stage.bound(vlan, "pod1")
    stage.bound(vlan, "pod3")
    refused = stage.bind(stage.port(vlan), "pod2")
    assert "pods pod2 and pod1 are joined by vxlan" in str(refused["binding:vif_details"])


def test_a_router_whose_pods_nothing_joins_says_so(tunnels: Tunnels) -> None:
    pairs = {"pod1/pod2": "vxlan", "pod2/pod3": "vlan"}
    CONF.set_override("joined_by", pairs, group="interconnect")
    stage = tunnels.stage
    nets = [
        stage.network(f"10.{n}.0.0/24", **{"provider:network_type": "local"}) for n in (1, 2, 3)
    ]
    made = router(stage, *(subnet for _, subnet in nets))
    for (network, _), region in zip(nets, stage.pod_ids, strict=True):
        stage.bound(network, region)
    stage.reconcile()
    rows = [row for row in stage.rows() if row.resource_id == made["id"]]
    errors = [str(row.last_error) for row in rows]
    assert all("pod1, pod2, pod3" in error and "joined_by" in error for error in errors)


def test_a_bus_that_is_silent_holds_up_nobody_else(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    CONF.set_override("rpc_deadline", 0.2, group="interconnect")
    urls = [f"pod1:{bus_url('pod1')}", f"pod2:{bus_url('nobody')}&password=hush"]
    CONF.set_override("message_buses", urls, group="interconnect")
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    for _ in range(6):
        tunnels.look()
        stage.forget_claims()
        for region in ("pod1", "pod2"):
            stage.work(region)
    assert tunnels.shadow("pod1", there)["status"] == "ACTIVE"
    assert tunnels.shadows("pod2") == []
    (row,) = [row for row in stage.rows() if row.resource_type == "shadow_port" and row.last_error]
    assert row.pod_id == stage.pod_ids["pod2"]
    assert "message bus" in str(row.last_error)
    # It answers again: all is made up for.
    CONF.set_override(
        "message_buses", [f"{one}:{bus_url(one)}" for one in stage.pod_ids], group="interconnect"
    )
    stage.forget_claims()
    tunnels.settle()
    assert tunnels.shadow("pod2", here)["status"] == "ACTIVE"


def test_what_a_pod_answers_with_an_error_is_told(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    # What a real driver makes of any error of the other side.
    error = oslo_messaging.RemoteError("DBError", "its database is locked", "Traceback")
    tunnels.buses["pod2"].fails["update_device_up"] = error
    tunnels.look()
    stage.work("pod2")
    (row,) = [row for row in stage.rows() if row.resource_type == "shadow_port" and row.last_error]
    assert "its database is locked" in str(row.last_error)
    assert "Traceback" not in str(row.last_error)
    stage.forget_claims()
    tunnels.settle()
    assert len(tunnels.shadows("pod2")) == 1
    assert tunnels.shadow("pod2", here)["status"] == "ACTIVE"


def test_a_pod_that_cannot_bind_shadows_says_what_it_lacks(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    neutron = stage.neutron("pod2")
    # It takes the agent's word and has no mechanism driver to make use of it.
    monkeypatch.setattr(neutron, "_bind_by_agent", lambda item, before: item.update(
        {"binding:vif_type": "binding_failed" if item["binding:host_id"] else "unbound"}
    ))  # fmt: skip
    tunnels.look()
    stage.reconcile(sweep=False)
    (row,) = [row for row in stage.rows() if row.resource_type == "shadow_port" and row.last_error]
    assert "l2population" in str(row.last_error)
    monkeypatch.undo()
    stage.forget_claims()
    tunnels.settle()
    assert tunnels.shadow("pod2", here)["status"] == "ACTIVE"


def test_a_network_that_does_not_fit_a_pods_tunnels_is_refused_there(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    tunnels.boot(network, "pod1")
    made = stage.neutron("pod2")._create

    def smaller(collection: str, values: Object, token: object) -> Object:
        item: Object = made(collection, values, token)
        if collection == "networks":
            item["mtu"] = 1400
        return item

    stage.neutron("pod2")._create = smaller  # type: ignore[method-assign]
    port = stage.bind(stage.port(network), "pod2")
    reason = str(port["binding:vif_details"])
    assert "1400" in reason
    assert "pod2" in reason
    stage.change("network", network["id"], mtu=1400)
    stage.forget_claims()
    assert stage.bind(stage.port(network), "pod2")["binding:vif_type"] == "other"


def test_the_bus_keeps_its_password_to_itself(
    tunnels: Tunnels, caplog: pytest.LogCaptureFixture
) -> None:
    """No broker is there: what is told names the pod and not the URL."""
    url = "pod2:rabbit://neutron:hush@127.0.0.1:1/"
    CONF.set_override("message_buses", [url], group="interconnect")
    CONF.set_override("rpc_deadline", 0.3, group="interconnect")
    session = tunnels.session("pod2")
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match="pod2") as caught:
        message_bus.of(session.pod).report(session.deadline, "host", "172.31.1.1")
    assert "hush" not in str(caught.value)
    assert "hush" not in caplog.text
    CONF.log_opt_values(logging.getLogger(), logging.INFO)
    assert "hush" not in caplog.text
