# SPDX-License-Identifier: Apache-2.0
"""Networks joined by tunnels: each pod is told of the ports that are in the others."""

import contextlib
import logging
from collections.abc import Iterator

import oslo_messaging
import pytest

from tests.functional.fakes.neutron_agents import AgentRpc, bus_url, listening
from tests.functional.network.stage import Object, Stage
from tests.functional.network.test_across_pods import clean, router
from tests.functional.network.test_audit import audit, no_grace, repaired, settled  # noqa: F401
from tests.functional.network.test_crashes import Killer
from tricircle.conf import CONF
from tricircle.network import bus, endpoints, runtime, shadow_agents
from tricircle.network.deadline import Deadline
from tricircle.network.site import Site

VXLAN = {"provider:network_type": "vxlan"}
SHADOW = "tricircle:shadow:"


class Tunnels:
    """Pods with agents, joined by VXLAN, each with a bus of its own."""

    def __init__(self, stage: Stage, buses: dict[str, AgentRpc]) -> None:
        self.stage, self.buses = stage, buses
        self.looks = {region: endpoints.Endpoints() for region in stage.pod_ids}
        for number, region in enumerate(stage.pod_ids, 1):
            neutron = stage.neutron(region)
            neutron.by_agents = True
            for host in (1, 2):
                neutron.agent(f"host{host}", f"172.31.{number}.{host}")

    def site(self, region: str) -> Site:
        running = runtime.get()
        pod = running.registry.fresh().by_region(region)
        assert pod is not None
        return running.engine.site(pod, Deadline(40))

    def look(self, *regions: str) -> int:
        """What xjob sees of the pods' ports."""
        return sum(self.looks[one].look(self.site(one)) for one in regions or self.looks)

    def settle(self) -> None:
        """Until every pod knows what the others have."""
        for _ in range(5):
            self.stage.reconcile()
            if not self.look() and not self.stage.pending():
                return
        raise AssertionError("the pods do not come to rest")

    def boot(self, network: Object, region: str, host: str = "host1") -> Object:
        """A server with a port on the network: the pod's Nova binds it to a host."""
        port = self.stage.bound(network, region)
        self.move(port, region, host)
        return port

    def move(self, port: Object, region: str, host: str) -> None:
        there = self.stage.copy(region, "ports", port["id"])
        there |= {
            "binding:host_id": host,
            "binding:vif_type": "ovs",
            "device_owner": "compute:nova",
            "device_id": "server",
            "status": "ACTIVE",
        }

    def shadows(self, region: str) -> list[Object]:
        ports = self.stage.neutron(region).ports()
        return [port for port in ports if port["description"].startswith(SHADOW)]

    def shadow(self, region: str, port: Object) -> Object:
        """The shadow a central port has in a pod."""
        (found,) = [
            one for one in self.shadows(region) if one["mac_address"] == port["mac_address"]
        ]
        return found

    def agents(self, region: str) -> set[str]:
        """Hosts of other pods that a pod knows."""
        agents = self.stage.neutron(region).tables["agents"].values()
        return {agent["host"] for agent in agents if "tricircle" in agent["configurations"]}

    def clean(self) -> None:
        """Nothing of ours is left anywhere."""
        self.settle()
        clean(self.stage)
        for region in self.looks:
            shadow_agents.keep(self.site(region))
            assert self.agents(region) == set()
            assert self.shadows(region) == []


@pytest.fixture
def tunnels(stage: Stage) -> Iterator[Tunnels]:
    urls = [f"{region}:{bus_url(region)}" for region in stage.pod_ids]
    values = {
        "joined_by": {"*/*": "vxlan"},
        "message_buses": urls,
        "rpc_deadline": 2,
        "agent_report_interval": 20,
    }
    for name, value in values.items():
        CONF.set_override(name, value, group="interconnect")
    bus._bus.cache_clear()
    with contextlib.ExitStack() as stack:
        buses = {
            region: stack.enter_context(listening(region, stage.neutron(region)))
            for region in stage.pod_ids
        }
        yield Tunnels(stage, buses)
    for name in values:
        CONF.clear_override(name, group="interconnect")


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
    shadow_agents.keep(tunnels.site("pod2"))
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
    monkeypatch.setattr(endpoints, "_HOSTS_BELIEVED", 0)
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


# -- what goes wrong -----------------------------------------------------------------------------


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


# -- drift ---------------------------------------------------------------------------------------


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
        stage.neutron("pod2").make(
            "ports",
            network_id=shadow["network_id"],
            device_owner="network:floatingip",
            description=f"{SHADOW}{one}",
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
    store = runtime.get().engine.store
    store.forget_pod(stage.pod_ids["pod1"])
    endpoints.forget_pod(store, stage.pod_ids["pod1"])
    stage.reconcile("pod2")
    assert tunnels.shadows("pod2") == []
    shadow_agents.keep(tunnels.site("pod2"))
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
    assert shadow_agents.keep(tunnels.site("pod2")) == 0
    assert tunnels.agents("pod2")
    stage.reconcile("pod2")
    assert shadow_agents.keep(tunnels.site("pod2")) == 1
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
        shadow_agents.keep(tunnels.site(region))
    assert not any(rpc.calls for rpc in tunnels.buses.values())
    CONF.set_override("agent_report_interval", 0.1, group="interconnect")
    for region in stage.pod_ids:
        shadow_agents.keep(tunnels.site(region))
    told = {region: [method for method, _ in rpc.calls] for region, rpc in tunnels.buses.items()}
    assert told == {"pod1": ["report_state"], "pod2": ["report_state"], "pod3": []}


def test_the_bus_keeps_its_password_to_itself(
    tunnels: Tunnels, caplog: pytest.LogCaptureFixture
) -> None:
    """No broker is there: what is told names the pod and not the URL."""
    url = "pod2:rabbit://neutron:hush@127.0.0.1:1/"
    CONF.set_override("message_buses", [url], group="interconnect")
    CONF.set_override("rpc_deadline", 0.3, group="interconnect")
    site = tunnels.site("pod2")
    with caplog.at_level(logging.DEBUG), pytest.raises(Exception, match="pod2") as caught:
        bus.of(site.pod).report(site.deadline, "host", "172.31.1.1")
    assert "hush" not in str(caught.value)
    assert "hush" not in caplog.text
    CONF.log_opt_values(logging.getLogger(), logging.INFO)
    assert "hush" not in caplog.text
