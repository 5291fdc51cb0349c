# SPDX-License-Identifier: Apache-2.0
"""Networks joined by tunnels: each pod is told of the ports that are in the others."""

import pytest

from tests.functional.network.crash_injection import Killer
from tests.functional.network.routed_networks import router
from tests.functional.network.stage import Object
from tests.functional.network.tunnels import VXLAN, Tunnels
from tricircle.conf import CONF
from tricircle.network.observe import endpoint_watch
from tricircle.network.reconcile import shadow_agents


def test_each_pod_knows_the_ports_of_the_others(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, subnet = stage.network(**VXLAN)
    ports = {region: tunnels.boot(network, region) for region in ("pod1", "pod2")}
    tunnels.settle()
    copies = [stage.copy(region, "networks", network["id"]) for region in ports]
    for name in ("provider:network_type", "provider:segmentation_id"):
        assert {copy[name] for copy in copies} == {network[name]}
    for region, other, number in (("pod1", "pod2", 2), ("pod2", "pod1", 1)):
        shadow = tunnels.shadow(region, ports[other])
        address = ports[other]["fixed_ips"][0]["ip_address"]
        subnet_there = stage.copy(region, "subnets", subnet["id"])["id"]
        assert shadow["fixed_ips"] == [{"subnet_id": subnet_there, "ip_address": address}]
        assert shadow["network_id"] == stage.copy(region, "networks", network["id"])["id"]
        # It is where the port is, for this pod: on a host of that name nobody else has.
        host = f"{other}/host1/172.31.{number}.1"
        assert (shadow["binding:host_id"], shadow["status"]) == (host, "ACTIVE")
        assert tunnels.agents(region) == {host}
        # Neither the pod's DHCP server nor its security groups have to do with it.
        assert shadow["device_owner"] == "network:floatingip"
        assert (shadow["security_groups"], shadow["port_security_enabled"]) == ([], False)
        assert shadow["project_id"] not in (network["project_id"], "")
        calls = [method for method, _ in tunnels.buses[region].calls]
        # One word about the host, then the port.
        assert calls == ["report_state", "get_device_details", "update_device_up"]
    assert tunnels.shadows("pod3") == []
    before = [list(rpc.calls) for rpc in tunnels.buses.values()]
    tunnels.settle()
    assert [rpc.calls for rpc in tunnels.buses.values()] == before
    for port in ports.values():
        stage.delete("port", port["id"])
    tunnels.clean()


def test_a_pod_that_comes_later_learns_all_there_is(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    first, second = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2", "host2")
    tunnels.settle()
    third = tunnels.boot(network, "pod3")
    # Known at once: a row is there as soon as the port is.
    assert len([row for row in stage.rows() if row.resource_type == "shadow_port"]) == 4
    tunnels.settle()
    assert {one["mac_address"] for one in tunnels.shadows("pod3")} == {
        first["mac_address"],
        second["mac_address"],
    }
    for region in ("pod1", "pod2"):
        assert tunnels.shadow(region, third)["status"] == "ACTIVE"
    # And one whose last server leaves is forgotten, and forgets.
    stage.delete("port", third["id"])
    tunnels.settle()
    assert tunnels.shadows("pod3") == []
    assert len(tunnels.shadows("pod1")) == len(tunnels.shadows("pod2")) == 1


def test_a_server_that_moves_takes_its_shadows_along(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    before = tunnels.shadow("pod2", here)
    tunnels.move(here, "pod1", "host2")
    tunnels.settle()
    after = tunnels.shadow("pod2", here)
    assert after["id"] == before["id"]
    assert (after["binding:host_id"], after["status"]) == ("pod1/host2/172.31.1.2", "ACTIVE")
    assert tunnels.agents("pod2") == {"pod1/host1/172.31.1.1", "pod1/host2/172.31.1.2"}
    shadow_agents.keep(tunnels.session("pod2"))
    assert tunnels.agents("pod2") == {"pod1/host2/172.31.1.2"}
    # Into another pod: its shadow goes from there, and is in the one it has left.
    moved = stage.bind(here, "pod2")
    tunnels.move(moved, "pod2", "host2")
    other = tunnels.boot(network, "pod1")
    tunnels.settle()
    assert [one["mac_address"] for one in tunnels.shadows("pod2")] == [other["mac_address"]]
    assert len(tunnels.shadows("pod1")) == 2


def test_an_address_given_to_another_port_in_another_pod_at_once(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    gone, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    stage.delete("port", gone["id"])
    address = [{"ip_address": gone["fixed_ips"][0]["ip_address"]}]
    # Pod 2 has the shadow still.
    tunnels.move(stage.bound(network, "pod2", fixed_ips=address), "pod2", "host1")
    tunnels.settle()
    assert tunnels.shadows("pod2") == []


def test_a_host_whose_tunnels_end_elsewhere_now(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    stage.neutron("pod1").agent("host1", "172.31.9.9")
    monkeypatch.setattr(endpoint_watch, "_HOSTS_BELIEVED", 0)
    tunnels.settle()
    assert tunnels.shadow("pod2", here)["binding:host_id"] == "pod1/host1/172.31.9.9"


def test_new_addresses_and_a_new_mac(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.settle()
    before = tunnels.shadow("pod2", here)["id"]
    there = stage.copy("pod1", "ports", here["id"])
    subnet = there["fixed_ips"][0]["subnet_id"]
    there["fixed_ips"] = [{"subnet_id": subnet, "ip_address": "10.0.0.200"}]
    there["mac_address"] = here["mac_address"] = "fa:16:3e:00:00:99"
    tunnels.settle()
    after = tunnels.shadow("pod2", here)
    assert after["id"] == before
    assert [ip["ip_address"] for ip in after["fixed_ips"]] == ["10.0.0.200"]
    assert after["status"] == "ACTIVE"
    assert ("update_device_down", before) in tunnels.buses["pod2"].calls


def test_what_a_pod_has_for_itself_is_not_told(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    here, _there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    pod_network = stage.copy("pod1", "networks", network["id"])["id"]
    own = stage.neutron("pod1")
    own.make("ports", network_id=pod_network, device_owner="network:dhcp", **_on("host1"))
    # Not bound yet, and on a host without tunnels.
    stage.bound(network, "pod1")
    own.agent("host3", None)
    tunnels.move(stage.bound(network, "pod1"), "pod1", "host3")
    tunnels.settle()
    assert [one["mac_address"] for one in tunnels.shadows("pod2")] == [here["mac_address"]]


def _on(host: str) -> Object:
    return {"binding:host_id": host}


def test_a_router_of_two_pods(tunnels: Tunnels) -> None:
    """Its copies are joined by a tunnelled bridge network, and each pod knows the other's ports."""
    stage = tunnels.stage
    one, sub1 = stage.network("10.1.0.0/24", **VXLAN)
    two, sub2 = stage.network("10.2.0.0/24", **VXLAN)
    made = router(stage, sub1, sub2)
    ports = [tunnels.boot(one, "pod1"), tunnels.boot(two, "pod2")]
    stage.reconcile()
    for region in ("pod1", "pod2"):
        for port in stage.neutron(region).ports():
            if port["device_owner"].startswith("network:router"):
                # The pod's L3 agent has taken it.
                port |= {"binding:host_id": "host1", "binding:vif_type": "ovs"}
    tunnels.settle()
    (bridge,) = [
        item for item in stage.core.get_networks(stage.admin) if item["name"].startswith("east-")
    ]
    assert bridge["provider:network_type"] == "vxlan"
    for region, other in (("pod1", "pod2"), ("pod2", "pod1")):
        network = stage.copy(region, "networks", bridge["id"])
        (gateway,) = stage.neutron(other).ports(
            network_id=stage.copy(other, "networks", bridge["id"])["id"],
            device_owner="network:router_gateway",
        )
        shadow = tunnels.shadow(region, gateway)
        assert shadow["network_id"] == network["id"]
        addresses = [[ip["ip_address"] for ip in one["fixed_ips"]] for one in (shadow, gateway)]
        assert addresses[0] == addresses[1]
    stage.l3.remove_router_interface(stage.admin, made["id"], {"subnet_id": sub1["id"]})
    stage.l3.remove_router_interface(stage.admin, made["id"], {"subnet_id": sub2["id"]})
    stage.l3.delete_router(stage.admin, made["id"])
    for port in ports:
        stage.delete("port", port["id"])
    tunnels.clean()


@pytest.mark.parametrize("step", [0, 3, 5, 6, 7, 9])
def test_whoever_dies_leaves_no_second_shadow(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    stage, killer = tunnels.stage, Killer(monkeypatch)
    network, _ = stage.network(**VXLAN)
    here, there = tunnels.boot(network, "pod1"), tunnels.boot(network, "pod2")
    tunnels.look()
    killer.dies(step, lambda: stage.reconcile("pod2"))
    stage.forget_claims()
    tunnels.settle()
    assert len(tunnels.shadows("pod2")) == 1
    assert tunnels.shadow("pod2", here)["status"] == "ACTIVE"
    stage.delete("port", here["id"])
    stage.reconcile("pod1")
    tunnels.look()
    killer.dies(step, lambda: stage.reconcile("pod2"))
    stage.forget_claims()
    tunnels.settle()
    assert tunnels.shadows("pod2") == []
    stage.delete("port", there["id"])
    tunnels.clean()


def test_a_network_held_to_some_pods_gets_what_joins_them(
    tunnels: Tunnels, monkeypatch: pytest.MonkeyPatch
) -> None:
    CONF.set_override("joined_by", {"pod1/pod2": "vxlan"}, group="interconnect")
    stage = tunnels.stage
    monkeypatch.setattr(
        stage.core.type_manager, "project_network_types", ["vlan", "vxlan", "local"]
    )

    def given(*hints: str, **more: object) -> str:
        made = stage.make("network", name="net", availability_zone_hints=list(hints), **more)
        return str(stage.core.get_network(stage.admin, made["id"])["provider:network_type"])

    assert given() == "vlan"
    assert given("pod1", "pod2") == "vxlan"
    assert given("pod1", "pod3") == "vlan"
    assert given("pod2") == "vlan"
    # A zone stands for its pods: az1 is pods 1 and 3. Nothing joins all three: the first is taken.
    assert given("az1") == "vlan"
    assert given("az1", "az2") == "vlan"
    # What somebody asks for, they get.
    assert given("pod1", "pod2", **{"provider:network_type": "local"}) == "local"
