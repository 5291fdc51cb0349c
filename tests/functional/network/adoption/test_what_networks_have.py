# SPDX-License-Identifier: Apache-2.0
"""QoS policies, address groups, trunks and port forwardings that a pod had become the region's."""

import copy

import pytest

from tests.functional.fakes.http import new_id
from tests.functional.network.adoption import before as world
from tests.functional.network.adoption.before import Before, adopt, by_id, changed, plain, release
from tests.functional.network.audits import settled, writes
from tests.functional.network.routed_networks import external
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.adoption import address_groups, forwardings, making, qos, trunks
from tricircle.network.pod_api.pod_session import named

TABLES = (
    "networks",
    "subnets",
    "ports",
    "policies",
    "address-groups",
    "security-group-rules",
    "trunks",
    "routers",
    "floatingips",
)


class Rich(Before):
    """A network, a port, a gateway and a floating IP with policies; a group that names an address
    group; a server on two networks by a trunk; and a floating IP that forwards a port."""

    def __init__(self, stage: Stage, region: str = "pod1") -> None:
        super().__init__(stage, region)
        self.policy = self._policy("slow", "bandwidth_limit", max_kbps=900, max_burst_kbps=0)
        self.outer = self._policy("outer", "packet_rate_limit", max_kpps=7, max_burst_kpps=0)
        self.network["qos_policy_id"] = self.port["qos_policy_id"] = self.policy["id"]
        self.addresses = self.neutron.make(
            "address-groups", PROJECT, name="friends", addresses=["192.0.2.0/24", "198.51.100.7/32"]
        )
        self.neutron.make(
            "security-group-rules", PROJECT, security_group_id=self.group["id"],
            direction="ingress", remote_address_group_id=self.addresses["id"],
        )  # fmt: skip
        self.second = self.neutron.network(
            PROJECT, "second", "10.7.0.0/24", mtu=1442,
            **{"provider:network_type": "geneve", "provider:segmentation_id": 78},
        )  # fmt: skip
        self.subport = self.neutron.make(
            "ports", PROJECT, network_id=self.second["id"], security_groups=[self.group["id"]]
        )
        part = {"segmentation_type": "vlan", "segmentation_id": 5, "port_id": self.subport["id"]}
        self.parent = self.server("on a trunk")
        self.trunk = self.neutron.make(
            "trunks", PROJECT, name="t", port_id=self.parent["id"], sub_ports=[part]
        )
        bound = {"binding:host_id": "host-1", "binding:vif_type": "ovs", "status": "ACTIVE"}
        self.subport.update(bound)
        self.inside = self.public()
        self.router = self.routed(self.inside)
        self.router["external_gateway_info"]["qos_policy_id"] = self.outer["id"]
        self.led = self.floating(self.inside, "203.0.113.80", self.port)
        self.led["qos_policy_id"] = self.outer["id"]
        self.forwarding = self.floating(self.inside, "203.0.113.81", None)
        self.forwarding["router_id"] = self.router["id"]
        self.forwarding["port_forwardings"] = [
            {
                "id": f"00000000-0000-0000-0000-00000000000{last}", "protocol": "tcp",
                "external_port": 2000 + last, "internal_port": 20 + last, "description": "",
                "internal_port_id": self.parent["id"],
                "internal_ip_address": self.parent["fixed_ips"][0]["ip_address"],
            }
            for last in (1, 2)
        ]  # fmt: skip

    def _policy(self, name: str, kind: str, **values: int) -> Object:
        made = self.neutron.make("policies", PROJECT, name=name, description="of old")
        rule = {"id": new_id(), "type": kind, "direction": "egress", **values}
        made["rules"].append(rule)
        return made


@pytest.fixture
def before(stage: Stage) -> Rich:
    external(stage, "pod1")
    return Rich(stage)


def _ids(before: Before) -> dict[str, set[str]]:
    tables = before.neutron.tables
    return {
        name: {one for one, document in tables[name].items() if document["project_id"] == PROJECT}
        for name in TABLES
    }


def test_all_of_it(stage: Stage, before: Rich) -> None:
    there, forwarded = _ids(before), copy.deepcopy(before.forwarding["port_forwardings"])
    told = by_id(adopt(stage, "pod1", dry_run=True))
    left = {one["id"]: one["reason"] for one in told.values() if one["action"] == "leave"}
    assert left == {}
    assert told[before.trunk["id"]]["resource_type"] == "trunk"

    adopt(stage, "pod1")
    stage.reconcile()

    policy = stage.plugin("policy").get_policy(stage.admin, before.policy["id"])
    (rule,) = policy["rules"]
    assert (policy["name"], policy["description"]) == ("slow", "of old")
    assert (rule["id"], rule["max_kbps"]) == (before.policy["rules"][0]["id"], 900)
    network = stage.core.get_network(stage.admin, before.network["id"])
    port = stage.core.get_port(stage.admin, before.port["id"])
    assert network["qos_policy_id"] == port["qos_policy_id"] == policy["id"]
    group = stage.core.get_address_group(stage.admin, before.addresses["id"])
    assert sorted(group["addresses"]) == ["192.0.2.0/24", "198.51.100.7/32"]
    rules = stage.core.get_security_group(stage.admin, before.group["id"])["security_group_rules"]
    assert before.addresses["id"] in {one["remote_address_group_id"] for one in rules}

    trunk = stage.plugin("trunk").get_trunk(stage.admin, before.trunk["id"])
    assert trunk["port_id"] == before.parent["id"]
    (part,) = trunk["sub_ports"]
    assert (part["port_id"], part["segmentation_id"]) == (before.subport["id"], 5)
    subport = stage.core.get_port(stage.admin, before.subport["id"])
    assert (subport["binding:host_id"], subport["device_owner"]) == ("pod1", "trunk:subport")

    router = stage.l3.get_router(stage.admin, before.router["id"])
    assert router["external_gateway_info"]["qos_policy_id"] == before.outer["id"]
    led = stage.l3.get_floatingip(stage.admin, before.led["id"])
    assert (led["port_id"], led["qos_policy_id"]) == (before.port["id"], before.outer["id"])
    found = stage.l3.get_floatingip(stage.admin, before.forwarding["id"])["port_forwardings"]
    assert {one["external_port"] for one in found} == {2001, 2002}

    # Nothing came or went in the pod: it bears our marks, and that is all.
    assert _ids(before) == there
    assert before.forwarding["port_forwardings"] == forwarded
    assert {line.split()[1] for line in writes(stage, "pod1")} == {"PUT"}
    for one in (before.policy, before.addresses, before.trunk, before.subport):
        assert named(one) == one["id"]
    settled(stage, "pod1")


def test_it_is_the_region_s_from_then_on(stage: Stage, before: Rich) -> None:
    """What is changed here changes there, and what is deleted here goes there."""
    adopt(stage, "pod1")
    stage.reconcile()
    stage.core.add_addresses(stage.admin, before.addresses["id"], {"addresses": ["10.9.9.9/32"]})
    plugin = stage.plugin("trunk")
    part = {"sub_ports": [{"port_id": before.subport["id"]}]}
    plugin.remove_subports(stage.admin, before.trunk["id"], part)
    stage.change("policy", before.policy["id"], name="slower")
    stage.reconcile()
    assert "10.9.9.9/32" in before.addresses["addresses"]
    assert before.trunk["sub_ports"] == []
    assert before.policy["name"] == "slower"
    plugin.delete_trunk(stage.admin, before.trunk["id"])
    stage.reconcile()
    assert before.trunk["id"] not in before.neutron.tables["trunks"]
    settled(stage, "pod1")


def test_all_is_given_back(stage: Stage, before: Rich) -> None:
    adopt(stage, "pod1", dry_run=True)  # the pod has been asked for all by then
    there, ids = plain(before), _ids(before)
    forwarded = copy.deepcopy(before.forwarding["port_forwardings"])
    adopt(stage, "pod1")
    stage.reconcile()
    told = release(stage, "pod1")
    assert {one["action"] for one in told} == {"release"}, told
    stage.reconcile()
    assert (changed(there, plain(before)), _ids(before)) == ([], ids)
    assert before.forwarding["port_forwardings"] == forwarded
    assert stage.plugin("policy").get_policies(stage.admin) == []
    assert stage.plugin("trunk").get_trunks(stage.admin) == []
    assert stage.core.get_address_groups(stage.admin) == []
    settled(stage, "pod1")


def test_what_the_region_uses_is_not_given_back(stage: Stage, before: Rich) -> None:
    adopt(stage, "pod1")
    stage.reconcile()
    ours, _ = stage.network("10.20.0.0/24", mtu=1442, qos_policy_id=before.policy["id"])
    group = stage.make("security_group", name="ours")
    stage.make(
        "security_group_rule", security_group_id=group["id"], direction="ingress",
        ethertype="IPv4", remote_address_group_id=before.addresses["id"],
    )  # fmt: skip
    port = stage.port(ours)
    part = {"segmentation_type": "vlan", "segmentation_id": 6, "port_id": port["id"]}
    stage.plugin("trunk").add_subports(stage.admin, before.trunk["id"], {"sub_ports": [part]})
    told = by_id(release(stage, "pod1"))
    for one, cause in (
        (before.policy, ours["id"]),
        (before.addresses, group["id"]),
        (before.trunk, port["id"]),
    ):
        assert told[one["id"]]["action"] == "keep"
        assert cause in told[one["id"]]["reason"]


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (qos, "give_rules"),
        (address_groups, "give_addresses"),
        (trunks, "make"),
        (making, "join"),
        (forwardings, "make"),
    ],
)
def test_who_dies_on_the_way_is_followed(
    stage: Stage, before: Rich, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    ids = _ids(before)
    with monkeypatch.context() as patch:
        patch.setattr(owner, step, _dies)
        with pytest.raises(ZeroDivisionError):
            adopt(stage, "pod1")
    stage.reconcile("pod1")
    world.audited(stage, "pod1")
    stage.reconcile("pod1")
    assert _ids(before) == ids
    adopt(stage, "pod1")
    stage.reconcile()
    assert _ids(before) == ids
    assert len(stage.plugin("policy").get_policies(stage.admin)) == 2
    found = stage.l3.get_floatingip(stage.admin, before.forwarding["id"])["port_forwardings"]
    assert len(found) == 2
    settled(stage, "pod1")


def test_a_trunk_comes_whole_or_not_at_all(stage: Stage, before: Rich) -> None:
    before.second["router:external"] = True  # which is never taken over
    told = by_id(adopt(stage, "pod1"))
    for one in (before.trunk, before.parent, before.subport):
        assert told[one["id"]]["action"] == "leave"
    assert before.trunk["id"] in told[before.parent["id"]]["reason"]
    assert before.parent["id"] in told[before.forwarding["id"]]["reason"]
    assert told[before.port["id"]]["action"] == "adopt"
    stage.reconcile()
    settled(stage, "pod1")


def test_a_policy_that_is_the_default_stays(stage: Stage, before: Rich) -> None:
    before.policy["is_default"] = True
    told = by_id(adopt(stage, "pod1"))
    assert "--no-default" in told[before.policy["id"]]["reason"]
    for one in (before.network, before.port):
        assert told[one["id"]]["action"] == "leave"
    assert told[before.outer["id"]]["action"] == "adopt"
    stage.reconcile()
    settled(stage, "pod1")


def test_a_policy_of_others_comes_first(stage: Stage, before: Rich) -> None:
    others = "f" * 32
    before.policy["project_id"] = before.policy["tenant_id"] = others
    before.policy["shared"] = True
    told = by_id(adopt(stage, "pod1", dry_run=True))
    assert "another project's" in told[before.network["id"]]["reason"]
    world.work.adopt(world.session(stage, "pod1"), others, False)
    told = by_id(adopt(stage, "pod1"))
    assert told[before.network["id"]]["action"] == "adopt"
    network = stage.core.get_network(stage.admin, before.network["id"])
    assert network["qos_policy_id"] == before.policy["id"]
    stage.reconcile()
    settled(stage, "pod1")


def _dies(*_: object, **__: object) -> None:
    raise ZeroDivisionError
