# SPDX-License-Identifier: Apache-2.0
"""What cannot be taken over is told, and left alone with all that leans on it; and what can be done
with what was."""

import pytest

from tests.functional.network.adoption.before import Before, adopt, by_id
from tests.functional.network.audits import settled
from tests.functional.network.stage import PROJECT, Stage

VLAN = {
    "provider:network_type": "vlan",
    "provider:physical_network": "physnet1",
    "provider:segmentation_id": 222,
    "mtu": 1500,
}


def test_a_vlan_can_be_stretched(stage: Stage) -> None:
    before = Before(stage, "pod1", **VLAN)
    adopt(stage, "pod1")
    network = stage.core.get_network(stage.admin, before.network["id"])
    assert network["provider:segmentation_id"] == 222
    stage.bound(network, "pod2")
    stage.reconcile()
    there = stage.copy("pod2", "networks", network["id"])
    assert there["provider:segmentation_id"] == 222
    gateways = {
        stage.copy(region, "subnets", before.subnet["id"])["gateway_ip"]
        for region in ("pod1", "pod2")
    }
    assert before.subnet["gateway_ip"] == "10.5.0.1"
    assert len(gateways) == 2
    settled(stage, "pod1")


def test_a_segment_of_the_region(stage: Stage) -> None:
    ours = stage.make("network", name="ours", **{**VLAN, "mtu": 0})
    before = Before(stage, "pod1", **VLAN)
    told = by_id(adopt(stage, "pod1"))
    assert ours["id"] in told[before.network["id"]]["reason"]
    for one in (before.subnet, before.port):
        assert told[one["id"]]["action"] == "leave"
    # What does not lean on it is taken over.
    assert told[before.group["id"]]["action"] == "adopt"
    settled(stage, "pod1")


def test_an_id_that_the_region_has_already(stage: Stage) -> None:
    first = Before(stage, "pod1")
    second = Before(stage, "pod2")
    table = second.neutron.tables["networks"]
    twin = table.pop(second.network["id"])
    twin["id"] = first.network["id"]
    table[twin["id"]] = twin
    for collection in ("subnets", "ports"):
        for one in second.neutron.tables[collection].values():
            one["network_id"] = twin["id"]
    adopt(stage, "pod1")
    told = by_id(adopt(stage, "pod2"))
    other = told[twin["id"]]["region_id"]
    assert other != twin["id"]
    assert stage.core.get_port(stage.admin, second.port["id"])["network_id"] == other
    settled(stage, "pod2")


def test_two_default_groups_that_differ(stage: Stage) -> None:
    network, _ = stage.network("10.8.0.0/24")
    stage.bound(network, "pod2")  # in the region's default group
    before = Before(stage, "pod1")
    before.neutron.make(
        "security-group-rules", PROJECT, security_group_id=before.default["id"],
        direction="ingress", protocol="icmp",
    )  # fmt: skip
    plain = before.server("another", security_groups=[before.default["id"]])
    told = by_id(adopt(stage, "pod1"))
    assert "other rules" in told[before.default["id"]]["reason"]
    assert told[plain["id"]]["action"] == "leave"
    assert told[before.port["id"]]["action"] == "adopt"
    taken = {
        ip["ip_address"] for port in stage.core.get_ports(stage.admin) for ip in port["fixed_ips"]
    }
    assert plain["fixed_ips"][0]["ip_address"] in taken


@pytest.mark.parametrize("made_by_nova", [True, False])
def test_a_server_of_old_is_deleted(stage: Stage, made_by_nova: bool) -> None:
    """A port that the pod's Nova had made goes with it; one that the user gave it stays."""
    before = Before(stage, "pod1")
    adopt(stage, "pod1")
    table = before.neutron.tables["ports"]
    if made_by_nova:
        del table[before.port["id"]]
    else:
        table[before.port["id"]].update(
            {"device_id": "", "device_owner": "", "binding:host_id": ""}
        )
    away = {"port": {"binding:host_id": "", "device_id": "", "device_owner": ""}}
    stage.core.update_port(stage.admin, before.port["id"], away)
    stage.reconcile()
    left = stage.core.get_ports(stage.admin, {"id": [before.port["id"]]})
    assert len(left) == (0 if made_by_nova else 1)
    if left:
        assert before.port["id"] in table
        again = stage.bind(left[0], "pod1")
        assert again["binding:vif_details"]["pod_port_id"] == before.port["id"]
    settled(stage, "pod1")
