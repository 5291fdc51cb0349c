# SPDX-License-Identifier: Apache-2.0
"""Changes and deletes in central Neutron reach the pods; what nothing needs goes."""

from typing import Any

import pytest
from neutron_lib.exceptions import availability_zone as az_exc

from tests.functional.fakes.http import Refusal
from tests.functional.fakes.neutron import Neutron
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.plugins import availability_zones


def rules(stage: Stage, region: str, group: Object) -> list[Object]:
    there = stage.copy(region, "security-groups", group["id"])
    return [
        rule
        for rule in stage.neutron(region).tables["security-group-rules"].values()
        if rule["security_group_id"] == there["id"]
    ]


def rule(stage: Stage, group: Object, **values: object) -> Object:
    return stage.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress", **values
    )


def test_network_and_subnet(stage: Stage) -> None:
    network, subnet = stage.network()
    stage.bound(network, "pod1")
    stage.bound(network, "pod2")

    stage.change("network", network["id"], name="renamed", admin_state_up=False)
    stage.change("subnet", subnet["id"], dns_nameservers=["9.9.9.9", "1.1.1.1"], enable_dhcp=False)
    stage.reconcile()

    for region in ("pod1", "pod2"):
        there = stage.copy(region, "networks", network["id"])
        assert (there["name"], there["admin_state_up"]) == ("renamed", False)
        there = stage.copy(region, "subnets", subnet["id"])
        assert there["dns_nameservers"] == ["9.9.9.9", "1.1.1.1"]
        assert there["enable_dhcp"] is False


def test_an_unchanged_resource_costs_no_write(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    stage.change("network", network["id"], name="net")
    stage.cloud.journal.clear()
    stage.reconcile()
    writes = [e.line() for e in stage.cloud.journal.find("pod1/network") if e.method != "GET"]
    assert writes == []


def test_subnets_come_and_go(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    late = stage.subnet(network, "10.9.0.0/24")
    stage.reconcile()
    assert stage.copy("pod1", "subnets", late["id"])["cidr"] == "10.9.0.0/24"

    stage.delete("subnet", late["id"])
    stage.reconcile()
    assert stage.copies("pod1", "subnets", late["id"]) == []


def test_port(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    group = stage.make("security_group", name="web", description="")
    stage.change(
        "port", port["id"], name="new", admin_state_up=False, security_groups=[group["id"]]
    )
    stage.reconcile()
    there = stage.copy("pod1", "ports", port["id"])
    assert (there["name"], there["admin_state_up"]) == ("new", False)
    assert there["security_groups"] == [stage.copy("pod1", "security-groups", group["id"])["id"]]


def test_what_is_the_pods_own_is_left_alone(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    there = stage.copy("pod1", "ports", port["id"])
    there.update({"device_id": "server", "device_owner": "compute:nova", "binding:host_id": "h1"})
    stage.change("port", port["id"], device_id="server", device_owner="compute:az1", name="n")
    stage.reconcile()
    assert there["name"] == "n"
    assert (there["device_id"], there["device_owner"]) == ("server", "compute:nova")


def test_all_goes_with_the_last_port(stage: Stage) -> None:
    network, _ = stage.network()
    first, second = (stage.bound(network, "pod1") for _ in range(2))
    stage.bound(network, "pod2")
    stage.delete("port", first["id"])
    stage.reconcile()
    assert stage.copies("pod1", "networks") != []

    stage.delete("port", second["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert stage.copies("pod2", "networks") != []
    assert {row.pod_id for row in stage.rows()} == {stage.pod_ids["pod2"]}


def test_a_port_moves(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    moved = stage.bind(port, "pod2")
    stage.reconcile()
    assert moved["binding:vif_details"]["pod"] == "pod2"
    assert stage.empty("pod1")
    assert stage.copy("pod2", "ports", port["id"])["mac_address"] == port["mac_address"]

    stage.bind(port, "")
    stage.reconcile()
    assert stage.empty("pod2")
    assert stage.rows() == []


def test_not_found_may_mean_something_else(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neutron says so when a subnet of the network is deleted by somebody else meanwhile."""
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    remove, refusals = Neutron.remove, [True]

    def race(self: Neutron, collection: str, *rest: Any) -> None:
        if collection == "networks" and refusals:
            refusals.pop()
            raise Refusal(404, "Subnet could not be found.", "SubnetNotFound")
        remove(self, collection, *rest)

    monkeypatch.setattr(Neutron, "remove", race)
    stage.delete("port", port["id"])
    stage.reconcile()
    stage.forget_claims()
    stage.reconcile()
    assert refusals == []
    assert stage.empty("pod1")


def test_a_network_is_deleted_at_once(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    stage.delete("port", port["id"])
    stage.delete("network", network["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert stage.rows() == []


def test_the_default_group_is_the_pods_own(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    (group_id,) = port["security_groups"]
    there = stage.copy("pod1", "security-groups", group_id)
    assert there["name"] == "default"
    assert [
        item["id"]
        for item in stage.neutron("pod1").tables["security-groups"].values()
        if item["project_id"] == PROJECT
    ] == [there["id"]]
    itself = [r for r in rules(stage, "pod1", {"id": group_id}) if r["remote_group_id"]]
    assert {r["remote_group_id"] for r in itself} == {there["id"]}
    assert {r["ethertype"] for r in itself} == {"IPv4", "IPv6"}

    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert there["id"] in stage.neutron("pod1").tables["security-groups"]


def test_rules_are_made_equal(stage: Stage) -> None:
    network, _ = stage.network()
    group = stage.make("security_group", name="web", description="")
    port = stage.bound(network, "pod1", security_groups=[group["id"]])
    ssh = rule(stage, group, protocol="tcp", port_range_min=22, port_range_max=22)
    rule(stage, group, protocol="udp", remote_ip_prefix="10.0.0.0/8")
    stage.reconcile()
    found = {(r["protocol"], r["remote_ip_prefix"]) for r in rules(stage, "pod1", group)}
    assert found == {(None, None), ("tcp", None), ("udp", "10.0.0.0/8")}

    stage.delete("security_group_rule", ssh["id"])
    stage.reconcile()
    found = {(r["protocol"], r["remote_ip_prefix"]) for r in rules(stage, "pod1", group)}
    assert found == {(None, None), ("udp", "10.0.0.0/8")}
    assert stage.copy("pod1", "ports", port["id"])


def test_groups_that_name_each_other(stage: Stage) -> None:
    network, _ = stage.network()
    one = stage.make("security_group", name="one", description="")
    two = stage.make("security_group", name="two", description="")
    rule(stage, one, remote_group_id=two["id"])
    rule(stage, two, remote_group_id=one["id"])
    port = stage.bound(network, "pod1", security_groups=[one["id"]])
    stage.reconcile()
    for group, other in ((one, two), (two, one)):
        remote = {r["remote_group_id"] for r in rules(stage, "pod1", group)} - {None}
        assert remote == {stage.copy("pod1", "security-groups", other["id"])["id"]}

    stage.change("port", port["id"], security_groups=[])
    stage.reconcile()
    assert stage.copies("pod1", "security-groups") == []


def test_a_router_follows_its_networks(stage: Stage) -> None:
    network, subnet = stage.network()
    other, other_subnet = stage.network("10.1.0.0/24")
    stage.bound(network, "pod1")
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": other_subnet["id"]})
    stage.reconcile()

    there = stage.copy("pod1", "routers", router["id"])
    joined = stage.neutron("pod1").ports(device_id=there["id"])
    assert [ip["ip_address"] for port in joined for ip in port["fixed_ips"]] == ["10.0.0.1"]
    assert stage.empty("pod2")

    last = stage.bound(other, "pod1")
    stage.reconcile()
    assert len(stage.neutron("pod1").ports(device_id=there["id"])) == 2

    stage.delete("port", last["id"])
    stage.reconcile()
    assert len(stage.neutron("pod1").ports(device_id=there["id"])) == 1
    assert stage.copies("pod1", "networks", other["id"]) == []

    stage.l3.remove_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    stage.reconcile()
    assert stage.copies("pod1", "routers") == []
    assert stage.copies("pod1", "networks", network["id"]) != []


def test_a_router_changes(stage: Stage) -> None:
    network, subnet = stage.network()
    stage.bound(network, "pod1")
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    stage.reconcile()
    routes = [{"destination": "172.16.0.0/24", "nexthop": "10.0.0.9"}]
    stage.change("router", router["id"], name="new", routes=routes)
    stage.reconcile()
    there = stage.copy("pod1", "routers", router["id"])
    assert (there["name"], there["routes"]) == ("new", routes)


def test_zones_and_hints(stage: Stage) -> None:
    availability_zones.install(stage.core)
    found = stage.core.get_availability_zones(stage.admin)
    assert {(zone["name"], zone["resource"], zone["state"]) for zone in found} == {
        (zone, kind, "available") for zone in ("az1", "az2") for kind in ("network", "router")
    }
    by_zone, _ = stage.network(availability_zone_hints=["az1"])
    by_pod, _ = stage.network("10.1.0.0/24", availability_zone_hints=["pod2"])
    with pytest.raises(az_exc.AvailabilityZoneNotFound):
        stage.network("10.2.0.0/24", availability_zone_hints=["az9"])

    refused = stage.bind(stage.port(by_zone), "pod2")
    assert refused["binding:vif_type"] == "binding_failed"
    assert "az1" in refused["binding:vif_details"]["reason"]
    assert stage.empty("pod2")
    stage.bound(by_zone, "pod1")
    stage.bound(by_zone, "pod3")
    stage.bound(by_pod, "pod2")
    assert stage.core.get_network(stage.admin, by_zone["id"])["availability_zones"] == ["az1"]
