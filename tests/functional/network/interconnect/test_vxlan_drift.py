# SPDX-License-Identifier: Apache-2.0
"""What pods know of each other's ports and hosts, kept though somebody removes or adds to it."""

import pytest

from tests.functional.network.audits import audit, repaired, settled
from tests.functional.network.tunnels import VXLAN, Tunnels
from tricircle.conf import CONF
from tricircle.network.reconcile import runtime, shadow_agents
from tricircle.network.wanted import tunnel_endpoints


def test_a_shadow_deleted_or_put_down_behind_our_back_comes_back(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    settled(stage, "pod2")
    tunnels.shadow("pod2", here)["status"] = "DOWN"
    assert [key.resource_type for key in audit(stage, "pod2").changed] == ["shadow_port"]
    tunnels.settle()
    assert tunnels.shadow("pod2", here)["status"] == "ACTIVE"
    stage.neutron("pod2").tables["ports"].pop(tunnels.shadow("pod2", here)["id"])
    assert [key.resource_type for key in audit(stage, "pod2").gone] == ["shadow_port"]
    tunnels.settle()
    assert tunnels.shadow("pod2", here)["status"] == "ACTIVE"
    assert len(repaired("shadow_port")) == 1


@pytest.mark.usefixtures("no_grace")
def test_a_shadow_nobody_wants_goes_and_is_nothing_else(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    shadow = tunnels.shadow("pod2", here)
    # A leftover of somebody who died, with the id of a port that is no more; and another with
    # that of the central port, which must not be taken for the port's copy.
    for one, address in (("aa", "10.0.0.250"), (here["id"], "10.0.0.251")):
        mark = stage.mark("pod2", "ports", f"shadow:{one}", stage.own_project)
        stage.neutron("pod2").make(
            "ports",
            stage.own_project,
            network_id=shadow["network_id"],
            device_owner="network:floatingip",
            description=mark,
            fixed_ips=[{"ip_address": address}],
        )
    assert audit(stage, "pod2").orphans == 2
    stage.reconcile()
    tunnels.settle()
    assert tunnels.shadows("pod2") == [shadow]
    assert stage.core.get_port(stage.admin, here["id"])["binding:host_id"] == "pod1"


def test_a_pod_that_is_no_pod_any_more(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    tunnels.boot(network, "pod1")
    tunnels.boot(network, "pod2")
    tunnels.settle()
    queue = runtime.get().engine.queue
    queue.forget_pod(stage.pod_ids["pod1"])
    tunnel_endpoints.forget_pod(queue, stage.pod_ids["pod1"])
    stage.reconcile("pod2")
    assert tunnels.shadows("pod2") == []
    shadow_agents.keep(tunnels.session("pod2"))
    assert tunnels.agents("pod2") == set()


def test_an_agent_stays_while_a_port_is_on_its_host(tunnels: Tunnels) -> None:
    """l2population learns from the agent where a port was that goes."""
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    stage.delete("port", here["id"])
    stage.reconcile("pod1")
    tunnels.look("pod1")
    assert shadow_agents.keep(tunnels.session("pod2")) == 0
    assert tunnels.agents("pod2")
    stage.reconcile("pod2")
    assert shadow_agents.keep(tunnels.session("pod2")) == 1
    # The pod's own are never touched.
    assert len(stage.neutron("pod2").tables["agents"]) == 2


def test_an_agent_that_somebody_removed_is_reported_again(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    tunnels.boot(network, "pod1")
    tunnels.boot(network, "pod2")
    tunnels.settle()
    agents = stage.neutron("pod2").tables["agents"]
    (gone,) = [key for key, one in agents.items() if "tricircle" in one["configurations"]]
    del agents[gone]
    # Another one on that host, while we believe that its agent is known.
    second = tunnels.boot(network, "pod1")
    for _ in range(4):
        tunnels.look()
        stage.forget_claims()
        stage.work("pod2")
    assert tunnels.shadow("pod2", second)["status"] == "ACTIVE"


def test_signs_of_life_go_to_pods_that_need_them(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    tunnels.boot(network, "pod1")
    tunnels.boot(network, "pod2")
    tunnels.settle()
    for rpc in tunnels.buses.values():
        rpc.calls.clear()
    # They have just been heard of.
    for region in stage.pod_ids:
        shadow_agents.keep(tunnels.session(region))
    assert not any(rpc.calls for rpc in tunnels.buses.values())
    CONF.set_override("agent_report_interval", 0.1, group="interconnect")
    for region in stage.pod_ids:
        shadow_agents.keep(tunnels.session(region))
    told = {region: [method for method, _ in rpc.calls] for region, rpc in tunnels.buses.items()}
    assert told == {"pod1": ["report_state"], "pod2": ["report_state"], "pod3": []}
