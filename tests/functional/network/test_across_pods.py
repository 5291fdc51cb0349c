# SPDX-License-Identifier: Apache-2.0
"""Networks stretched over pods, routers with a copy in each, external networks, floating IPs."""

import datetime
import itertools
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.fakes.faults import Kind
from tests.functional.network.stage import PROJECT, Object, Stage
from tests.functional.network.test_crashes import Killer
from tricircle.conf import CONF
from tricircle.db.models import now
from tricircle.network import bridges, routers, runtime
from tricircle.network.deadline import Deadline
from tricircle.network.models import Realization
from tricircle.network.site import Site

VLAN = {"provider:network_type": "vlan"}
SEGMENT = ("network_type", "physical_network", "segmentation_id")
EXTERN = {"provider:network_type": "flat", "provider:physical_network": "extern"}


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)


def router(stage: Stage, *subnets: Object, **more: Any) -> Object:
    made = stage.make("router", name="r", **more)
    for subnet in subnets:
        join(stage, made, subnet)
    return made


def join(stage: Stage, router: Object, subnet: Object) -> None:
    stage.l3.add_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})


def leave(stage: Stage, router: Object, subnet: Object) -> None:
    stage.l3.remove_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})


def external(stage: Stage, *regions: str) -> Object:
    network = stage.make(
        "network",
        name="public",
        availability_zone_hints=list(regions),
        **EXTERN,
        **{"router:external": True},
    )
    stage.subnet(network, "203.0.113.0/24", enable_dhcp=False)
    return network


def open_to(stage: Stage, router: Object, network: Object, **more: Any) -> Object:
    info = {"network_id": network["id"], **more}
    changed: Object = stage.l3.update_router(
        stage.admin, router["id"], {"router": {"external_gateway_info": info}}
    )
    return changed


def floating(stage: Stage, network: Object, port: Object) -> Object:
    body = {
        "floating_network_id": network["id"],
        "port_id": port["id"],
        "project_id": PROJECT,
        "tenant_id": PROJECT,
    }
    made: Object = stage.l3.create_floatingip(stage.admin, {"floatingip": body})
    return made


def point(stage: Stage, floating_ip: Object, port: Object | None) -> None:
    body = {"floatingip": {"port_id": port["id"] if port else None}}
    stage.l3.update_floatingip(stage.admin, floating_ip["id"], body)


def routes(stage: Stage, region: str, router: Object) -> set[tuple[str, str]]:
    there = stage.copy(region, "routers", router["id"])
    return {(route["destination"], route["nexthop"]) for route in there["routes"]}


def gateway(stage: Stage, region: str, router: Object) -> tuple[str, list[str]]:
    """The network a copy is open to, and its addresses there."""
    info = stage.copy(region, "routers", router["id"])["external_gateway_info"]
    network = stage.neutron(region).tables["networks"][info["network_id"]]
    return network["name"].split()[0], [ip["ip_address"] for ip in info["external_fixed_ips"]]


def joined(stage: Stage, region: str, router: Object) -> set[str]:
    """Addresses of a copy's interfaces."""
    there = stage.copy(region, "routers", router["id"])
    ports = stage.neutron(region).ports(
        device_id=there["id"], device_owner="network:router_interface"
    )
    return {ip["ip_address"] for port in ports for ip in port["fixed_ips"]}


def clean(stage: Stage) -> None:
    """Nothing of ours is left anywhere."""
    stage.reconcile()
    bridges.sweep(runtime.get().engine.store)
    for region in stage.pod_ids:
        assert stage.empty(region), region
    assert stage.rows() == []
    networks = stage.core.get_networks(stage.admin)
    assert not [network for network in networks if bridges.is_bridge(network)]


def test_a_network_is_the_same_segment_in_each_pod(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    ports = [stage.bound(network, region) for region in ("pod1", "pod2", "pod1")]
    segments, gateways, used = [], [], [port["fixed_ips"][0]["ip_address"] for port in ports]
    for region in ("pod1", "pod2"):
        there = stage.copy(region, "networks", network["id"])
        segments.append(
            [
                there[f"provider:{x}"]
                for x in ("network_type", "physical_network", "segmentation_id")
            ]
        )
        copy = stage.copy(region, "subnets", subnet["id"])
        gateways.append(copy["gateway_ip"])
        used += [copy["gateway_ip"], copy["allocation_pools"][0]["start"]]
    assert segments[0] == segments[1]
    assert segments[0][:2] == ["vlan", "physnet1"]
    assert subnet["gateway_ip"] not in gateways
    assert len(set(used)) == len(used)
    for port in ports:
        stage.delete("port", port["id"])
    clean(stage)


def test_a_pod_calls_the_physical_network_otherwise(stage: Stage) -> None:
    CONF.set_override("physical_networks", {"pod2/physnet1": "wan"}, "interconnect")
    network, _ = stage.network(**VLAN)
    for region in ("pod1", "pod2"):
        stage.bound(network, region)
    names = {
        region: stage.copy(region, "networks", network["id"])["provider:physical_network"]
        for region in ("pod1", "pod2")
    }
    CONF.clear_override("physical_networks", "interconnect")
    assert names == {"pod1": "physnet1", "pod2": "wan"}


def test_the_gateway_of_an_administrators_segment_is_theirs(stage: Stage) -> None:
    segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": 77}
    network, subnet = stage.network(**VLAN, **segment)
    stage.bound(network, "pod1")
    assert stage.copy("pod1", "subnets", subnet["id"])["gateway_ip"] == subnet["gateway_ip"]


@pytest.fixture
def waiting(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was waited for; meanwhile what is due in pod1 is worked on, as xjob does."""
    waited: list[str] = []
    running = runtime.get()
    pod = running.registry.fresh().by_region("pod1")
    assert pod is not None

    def sleep(self: Deadline, seconds: float, waiting_for: str) -> None:
        waited.append(waiting_for)
        due = running.engine.store.due(pod.id, 100)
        for row in sorted(due, key=running.engine.order):
            if row.absent:
                running.engine.work(pod, row.id)

    monkeypatch.setattr(Deadline, "sleep", sleep)
    return waited


@pytest.mark.parametrize(("state", "vlan"), [("going", 1250), ("stuck", 1252), ("orphan", 1253)])
def test_a_segment_is_used_again_at_once(
    stage: Stage, waiting: list[str], state: str, vlan: int
) -> None:
    """The pod still has the copy of the network that had it before: nobody has got to it yet, its
    removal has failed for long, or it came to be when the network had been given up."""
    segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": vlan}
    old, _ = stage.network(**VLAN, **segment)
    port = stage.bound(old, "pod1")
    stage.delete("port", port["id"])
    stage.delete("network", old["id"])
    if state == "stuck":
        table = Realization
        later = now() + datetime.timedelta(hours=1)
        runtime.get().engine.store.transact(
            lambda tx: tx.execute(
                sa.update(table).where(table.resource_id == old["id"]).values(next_try_at=later)
            )
        )
    elif state == "orphan":
        stage.reconcile()
        copy = {"description": f"tricircle:{old['id']}", **VLAN, **segment}
        stage.neutron("pod1").make("networks", "operator", **copy)

    new, _ = stage.network(**VLAN, **segment)
    another = stage.port(new)
    stage.realize(another, "pod1")
    assert set(waiting) == {"a deleted network to leave its segment"}
    assert stage.copies("pod1", "networks", old["id"]) == []
    there = stage.copy("pod1", "networks", new["id"])
    assert there["provider:segmentation_id"] == vlan


def test_a_segment_of_somebody_elses_is_not_waited_for(stage: Stage) -> None:
    segment = {"provider:physical_network": "physnet1", "provider:segmentation_id": 1251}
    stage.neutron("pod1").make("networks", "operator", name="theirs", **VLAN, **segment)
    network, _ = stage.network(**VLAN, **segment)
    port = stage.bind(stage.port(network), "pod1")
    assert port["binding:vif_type"] == "binding_failed"
    assert "in use" in port["binding:vif_details"]["reason"]


@pytest.mark.parametrize("later", ["change", "removal"])
def test_what_was_to_join_a_router_goes_too(stage: Stage, later: str) -> None:
    """The pod made the port when nobody waited for it any more."""
    network, subnet = stage.network()
    stage.bound(network, "pod1")
    made = router(stage, subnet)
    stage.reconcile()
    (copy,) = stage.copies("pod1", "routers", made["id"])
    there = stage.copy("pod1", "networks", network["id"])
    loose = stage.neutron("pod1").make(
        "ports", name=copy["description"], description="tricircle:gone", network_id=there["id"]
    )
    if later == "change":
        stage.change("router", made["id"], name="renamed")
    else:
        leave(stage, made, subnet)
        stage.delete("router", made["id"])
    stage.reconcile()
    assert loose["id"] not in stage.neutron("pod1").tables["ports"]


def test_a_router_of_networks_whose_servers_make_their_addresses(stage: Stage) -> None:
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    nets = [stage.network(f"10.{n}.0.0/24") for n in (1, 2)]
    six = [stage.subnet(net[0], f"fd00:{n}::/64", **mode) for n, net in enumerate(nets, 1)]
    stage.bound(nets[0][0], "pod1")
    stage.bound(nets[1][0], "pod2")
    made = router(stage, nets[0][1])
    stage.reconcile()
    for subnet in (six[0], six[1], nets[1][1]):
        join(stage, made, subnet)
    for _ in range(2):
        stage.reconcile()
        for region, number in (("pod1", 0), ("pod2", 1)):
            subnets = nets[number][1], six[number]
            assert joined(stage, region, made) == {subnet["gateway_ip"] for subnet in subnets}
            assert len(routes(stage, region, made)) == 2
        assert stage.pending() == []
        stage.touch("router", made["id"])


def test_a_router_over_two_pods_and_a_third_later(stage: Stage) -> None:
    nets = [stage.network(f"10.{n}.0.0/24") for n in (1, 2, 3)]
    ports = [stage.bound(nets[0][0], "pod1"), stage.bound(nets[1][0], "pod2")]
    made = router(stage, nets[0][1], nets[1][1])
    stage.reconcile()
    assert {gateway(stage, region, made)[0] for region in ("pod1", "pod2")} == {"east-west"}
    addresses = {region: gateway(stage, region, made)[1][0] for region in ("pod1", "pod2")}
    assert routes(stage, "pod1", made) == {("10.2.0.0/24", addresses["pod2"])}
    assert routes(stage, "pod2", made) == {("10.1.0.0/24", addresses["pod1"])}
    assert joined(stage, "pod1", made) == {"10.1.0.1"}
    # Only the router's project may use the bridge.
    for region in ("pod1", "pod2"):
        policies = stage.neutron(region).tables["rbac-policies"].values()
        assert {policy["target_tenant"] for policy in policies} == {PROJECT}

    join(stage, made, nets[2][1])
    ports.append(stage.bound(nets[2][0], "pod3"))
    stage.reconcile()
    third = gateway(stage, "pod3", made)[1][0]
    assert ("10.3.0.0/24", third) in routes(stage, "pod1", made)
    assert routes(stage, "pod3", made) == {
        ("10.1.0.0/24", addresses["pod1"]),
        ("10.2.0.0/24", addresses["pod2"]),
    }
    # A second server of the first network, in the second pod: found by its own address.
    ports.append(stage.bound(nets[0][0], "pod2"))
    stage.reconcile()
    single = ports[-1]["fixed_ips"][0]["ip_address"] + "/32"
    assert (single, addresses["pod2"]) in routes(stage, "pod1", made)
    assert (single, addresses["pod2"]) in routes(stage, "pod3", made)

    stage.delete("port", ports[2]["id"])
    stage.reconcile()
    assert stage.copies("pod3", "routers") == []
    assert not any(to == "10.3.0.0/24" for to, _ in routes(stage, "pod1", made))
    # What the user sees is what the user set.
    assert stage.l3.get_router(stage.admin, made["id"])["routes"] == []

    for port in (ports[0], ports[1], ports[3]):
        stage.delete("port", port["id"])
    for _, subnet in nets:
        leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)


def test_a_bridge_keeps_clear_of_the_routers_subnets(stage: Stage) -> None:
    one, two = stage.network("100.64.0.0/24"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    stage.reconcile()
    assert gateway(stage, "pod1", made)[1][0].startswith("100.64.1.")


def test_no_range_is_left_for_a_bridge(stage: Stage) -> None:
    CONF.set_override("bridge_cidrs", ["10.1.0.0/16"], "interconnect")
    one, two = stage.network("10.1.0.0/16"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    stage.reconcile()
    row = stage.row("router", made["id"], "pod1")
    CONF.clear_override("bridge_cidrs", "interconnect")
    assert row is not None
    assert "name another range" in (row.last_error or "")


def test_out_through_another_pod(stage: Stage) -> None:
    public = external(stage, "pod1")
    near, far = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    ports = [stage.bound(near[0], "pod1"), stage.bound(far[0], "pod2")]
    made = router(stage, near[1], far[1])
    stage.reconcile()
    made = open_to(stage, made, public)
    stage.reconcile()
    (shown,) = made["external_gateway_info"]["external_fixed_ips"]
    assert gateway(stage, "pod1", made) == ("public", [shown["ip_address"]])
    name, (address,) = gateway(stage, "pod2", made)
    assert name == "north-south"
    outward = {by for to, by in routes(stage, "pod2", made) if to in ("0.0.0.0/1", "128.0.0.0/1")}
    assert len(outward) == 1
    assert outward < joined(stage, "pod1", made)
    assert address not in outward
    # East-west goes on, as an interface now.
    assert {to for to, _ in routes(stage, "pod1", made)} == {"10.2.0.0/24"}
    assert not stage.copies("pod3", "networks")

    # A floating IP in two steps.
    ip = floating(stage, public, ports[1])
    assert ip["status"] == "DOWN"
    stage.reconcile()
    outer, inner = (
        stage.copy("pod1", "floatingips", ip["id"]),
        stage.copy("pod2", "floatingips", ip["id"]),
    )
    assert outer["floating_ip_address"] == ip["floating_ip_address"]
    assert outer["fixed_ip_address"] == inner["floating_ip_address"]
    assert inner["fixed_ip_address"] == ports[1]["fixed_ips"][0]["ip_address"]
    assert stage.neutron("pod1").tables["ports"][outer["port_id"]]["device_owner"] == (
        "network:floatingip"
    )
    assert stage.l3.get_floatingip(stage.admin, ip["id"])["status"] == "ACTIVE"

    # It moves to a server in the pod with the external network: one step.
    point(stage, ip, ports[0])
    stage.reconcile()
    assert stage.copies("pod2", "floatingips") == []
    outer = stage.copy("pod1", "floatingips", ip["id"])
    assert outer["fixed_ip_address"] == ports[0]["fixed_ips"][0]["ip_address"]
    point(stage, ip, None)
    stage.reconcile()
    assert stage.copies("pod1", "floatingips") == []
    assert stage.l3.get_floatingip(stage.admin, ip["id"])["status"] == "DOWN"
    point(stage, ip, ports[1])
    stage.reconcile()
    assert stage.copies("pod2", "floatingips")

    stage.l3.delete_floatingip(stage.admin, ip["id"])
    stage.l3.update_router(stage.admin, made["id"], {"router": {"external_gateway_info": {}}})
    stage.reconcile()
    assert gateway(stage, "pod2", made)[0] == "east-west"
    for port in ports:
        stage.delete("port", port["id"])
    for _, subnet in (near, far):
        leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)


def test_out_by_a_pod_that_has_no_server(stage: Stage) -> None:
    public = external(stage, "pod3")
    network, subnet = stage.network()
    port = stage.bound(network, "pod1")
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    assert gateway(stage, "pod3", made)[0] == "public"
    assert gateway(stage, "pod1", made)[0] == "north-south"
    assert {to for to, _ in routes(stage, "pod3", made)} == {"10.0.0.0/24"}
    stage.delete("port", port["id"])
    stage.reconcile()
    assert all(stage.empty(region) for region in stage.pod_ids)


def test_every_pod_with_the_external_network_goes_out_itself(stage: Stage) -> None:
    public = external(stage, "pod1", "pod2")
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    ports = [stage.bound(one[0], "pod1"), stage.bound(two[0], "pod2")]
    made = open_to(stage, router(stage, one[1], two[1]), public)
    ip = floating(stage, public, ports[1])
    stage.reconcile()
    (first,), (second,) = (gateway(stage, region, made)[1] for region in ("pod1", "pod2"))
    shown = [one["ip_address"] for one in made["external_gateway_info"]["external_fixed_ips"]]
    assert [first] == shown
    assert second not in (*shown, ip["floating_ip_address"])
    assert stage.copies("pod1", "floatingips") == []
    there = stage.copy("pod2", "floatingips", ip["id"])
    assert there["floating_ip_address"] == ip["floating_ip_address"]


def test_an_external_network_of_the_pods_own_is_used_and_left_alone(stage: Stage) -> None:
    own = stage.neutron("pod1").make(
        "networks", "operator", name="the-pods-own", **EXTERN, **{"router:external": True}
    )
    stage.neutron("pod1").make(
        "subnets", "operator", network_id=own["id"], cidr="203.0.113.0/24", enable_dhcp=False
    )
    public = external(stage, "pod1")
    network, subnet = stage.network()
    port = stage.bound(network, "pod1")
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    info = stage.copy("pod1", "routers", made["id"])["external_gateway_info"]
    assert info["network_id"] == own["id"]
    stage.change("network", public["id"], name="renamed")
    stage.reconcile()
    assert own["name"] == "the-pods-own"
    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert own["id"] in stage.neutron("pod1").tables["networks"]


def test_a_router_held_to_a_pod_and_the_way_to_it(stage: Stage) -> None:
    wide, side = stage.network("10.1.0.0/24", **VLAN), stage.network("10.2.0.0/24")
    made = router(stage, side[1], availability_zone_hints=["pod1"])
    port = stage.make(
        "port",
        network_id=wide[0]["id"],
        fixed_ips=[{"subnet_id": wide[1]["id"], "ip_address": "10.1.0.200"}],
        name="",
    )
    stage.l3.add_router_interface(stage.admin, made["id"], {"port_id": port["id"]})
    stage.bound(side[0], "pod1")
    stage.bound(wide[0], "pod2")
    stage.reconcile()
    assert stage.copies("pod2", "routers") == []
    assert joined(stage, "pod1", made) == {"10.1.0.200", "10.2.0.1"}
    told = stage.copy("pod2", "subnets", wide[1]["id"])["host_routes"]
    assert told == [{"destination": "10.2.0.0/24", "nexthop": "10.1.0.200"}]


def test_the_users_routes_stay_the_users(stage: Stage) -> None:
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    extra = [{"destination": "192.0.2.0/24", "nexthop": "10.1.0.9"}]
    stage.l3.update_router(stage.admin, made["id"], {"router": {"routes": extra}})
    stage.reconcile()
    assert ("192.0.2.0/24", "10.1.0.9") in routes(stage, "pod1", made)
    assert ("192.0.2.0/24", gateway(stage, "pod1", made)[1][0]) in routes(stage, "pod2", made)
    assert stage.l3.get_router(stage.admin, made["id"])["routes"] == extra
    stage.l3.update_router(stage.admin, made["id"], {"router": {"routes": []}})
    stage.reconcile()
    for region in ("pod1", "pod2"):
        assert not any(to == "192.0.2.0/24" for to, _ in routes(stage, region, made))


def test_whoever_works_on_a_router_dies(stage: Stage, killer: Killer) -> None:
    """At every nineteenth call; a full round would take minutes."""
    public = external(stage, "pod1")
    near, far = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    ports = [stage.bound(near[0], "pod1"), stage.bound(far[0], "pod2")]
    made = open_to(stage, router(stage, near[1], far[1]), public)
    ip = floating(stage, public, ports[1])
    step, died = 0, True
    while died:
        died = killer.dies(step, stage.reconcile)
        stage.forget_claims()
        stage.reconcile()
        for region in ("pod1", "pod2"):
            marks = [
                item["description"]
                for name in ("networks", "subnets", "routers", "floatingips")
                for item in stage.copies(region, name)
            ]
            assert len(marks) == len(set(marks)), (step, region)
            assert len(stage.copies(region, "floatingips", ip["id"])) == 1
        assert len(joined(stage, "pod1", made)) == 3
        assert len(joined(stage, "pod2", made)) == 2
        for port in ports:
            stage.withdraw(port, "pod1")
            stage.withdraw(port, "pod2")
        stage.reconcile()
        assert stage.empty("pod1")
        assert stage.empty("pod2")
        for port, region in zip(ports, ("pod1", "pod2"), strict=True):
            stage.realize(port, region)
        step += 19
    assert step > 60


def test_whoever_joins_a_router_by_a_subnet_dies(stage: Stage, killer: Killer) -> None:
    """At every step: the pod makes the port, so that it has no marker in the making."""
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    network, four = stage.network("10.1.0.0/24")
    six = stage.subnet(network, "fd00:1::/64", **mode)
    stage.bound(network, "pod1")
    made = router(stage)
    for step in itertools.count():
        for subnet in (six, four):
            join(stage, made, subnet)
        died = killer.dies(step, lambda: stage.reconcile("pod1"))
        stage.forget_claims()
        stage.reconcile("pod1")
        assert joined(stage, "pod1", made) == {six["gateway_ip"], four["gateway_ip"]}, step
        there = stage.copy("pod1", "routers", made["id"])
        ports = stage.neutron("pod1").ports(device_id=there["id"])
        assert len(ports) == len({port["description"] for port in ports}) == 2, step
        assert all(port["description"].startswith("tricircle:") for port in ports), step
        for subnet in (six, four):
            leave(stage, made, subnet)
        stage.reconcile("pod1")
        assert stage.copies("pod1", "routers") == []
        assert not stage.neutron("pod1").ports(device_id=there["id"])
        if not died:
            assert step > 12
            return


@pytest.mark.parametrize("goes", ["router", "interface"])
def test_a_join_nobody_knows_of_goes_with_what_it_was_for(stage: Stage, goes: str) -> None:
    """The pod made the port of its own and nobody heard of it, and then it was not wanted."""
    mode = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    network, four = stage.network("10.1.0.0/24")
    six = stage.subnet(network, "fd00:1::/64", **mode)
    stage.bound(network, "pod1")
    made = router(stage)
    join(stage, made, four)
    stage.reconcile("pod1")
    pod = stage.neutron("pod1")
    fault = pod.fail(Kind.CUT_AFTER, method="PUT", path="add_router_interface", times=1)
    join(stage, made, six)
    stage.work("pod1")
    assert fault.struck == 1
    leave(stage, made, six)
    if goes == "router":
        leave(stage, made, four)
        stage.delete("router", made["id"])
    stage.reconcile("pod1")
    assert stage.pending() == []
    owners = [port["device_owner"] for port in pod.ports()]
    assert owners.count("network:router_interface") == (goes == "interface")


def test_what_a_router_must_be_is_worked_out_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    network, subnet = stage.network()
    stage.bound(network, "pod1")
    made = router(stage, subnet)
    stage.reconcile()
    asked, copy = [], routers.copy

    def counted(site: Site, central: Object) -> routers.Copy:
        asked.append(central["id"])
        return copy(site, central)

    monkeypatch.setattr(routers, "copy", counted)
    stage.change("router", made["id"], name="new")
    assert stage.work("pod1") == 1
    assert asked == [made["id"]]
    assert stage.copy("pod1", "routers", made["id"])["name"] == "new"


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.GARBAGE_AFTER])
def test_a_pods_answer_about_a_router_is_lost(stage: Stage, kind: Kind) -> None:
    one, two = stage.network("10.1.0.0/24"), stage.network("10.2.0.0/24")
    stage.bound(one[0], "pod1")
    stage.bound(two[0], "pod2")
    made = router(stage, one[1], two[1])
    for path in ("/routers$", "/routers/[^/]+$", "/add_router_interface$"):
        stage.neutron("pod1").fail(kind, method="(POST|PUT)", path=path, times=1)
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    assert joined(stage, "pod1", made) == {"10.1.0.1"}
    assert len(stage.copies("pod1", "routers")) == 1
    assert {to for to, _ in routes(stage, "pod1", made)} == {"10.2.0.0/24"}
