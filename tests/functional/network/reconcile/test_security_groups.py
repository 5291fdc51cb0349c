# SPDX-License-Identifier: Apache-2.0
"""Security groups of every kind, address groups, and what ports say of both."""

from typing import Any

import pytest
from neutron.db import address_group_db
from neutron_lib import exceptions as n_exc

from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters.security_rules import identity

RULES: list[Object] = [
    {},
    {"direction": "egress"},
    {"ethertype": "IPv6"},
    {"protocol": "any", "remote_ip_prefix": "198.51.100.0/24"},
    {"protocol": "tcp", "port_range_min": 22, "port_range_max": 22},
    {"protocol": "tcp", "port_range_min": 1, "port_range_max": 65535},
    {"protocol": "6", "port_range_min": 8000, "port_range_max": 8080},
    {"protocol": "udp", "remote_ip_prefix": "10.1.2.3"},
    {"protocol": "udp", "remote_ip_prefix": "10.1.2.3/8", "direction": "egress"},
    {"protocol": "udp", "remote_ip_prefix": "2001:DB8:0::1/64", "ethertype": "IPv6"},
    {"protocol": "icmp", "port_range_min": 8, "port_range_max": 0},
    {"protocol": "icmp", "port_range_min": 3},
    {"protocol": "icmp", "ethertype": "IPv6"},
    {"protocol": "icmpv6", "ethertype": "IPv6", "port_range_min": 128},
    {"protocol": "58", "ethertype": "IPv6", "port_range_min": 129, "port_range_max": 0},
    {"protocol": "sctp", "port_range_min": 5, "port_range_max": 6},
    {"protocol": "vrrp"},
    {"protocol": "132", "direction": "egress"},
    {"protocol": 50},
    {"protocol": "ipv6-frag", "ethertype": "IPv6"},
]


def group(stage: Stage, name: str = "web", **more: object) -> Object:
    return stage.make("security_group", name=name, description="", **more)


def rule(stage: Stage, of: Object, **values: Any) -> Object:
    values.setdefault("direction", "ingress")
    return stage.make("security_group_rule", security_group_id=of["id"], **values)


def kinds(rules: list[Object]) -> list[tuple[Any, ...]]:
    """What rules admit, without whom, which has another id in each pod."""
    return sorted((identity(one)[:5] for one in rules), key=str)


def central(stage: Stage, group_id: str) -> list[Object]:
    found: list[Object] = stage.core.get_security_group(stage.admin, group_id)[
        "security_group_rules"
    ]
    return found


def there(stage: Stage, region: str, group_id: str) -> list[Object]:
    found: list[Object] = stage.copy(region, "security-groups", group_id)["security_group_rules"]
    return found


def writes(stage: Stage, region: str) -> list[str]:
    calls = stage.cloud.journal.find(f"{region}/network")
    return [call.line() for call in calls if call.method != "GET"]


# -- rules -----------------------------------------------------------------------------------


def test_rules_of_all_kinds(stage: Stage) -> None:
    network, _ = stage.network()
    web = group(stage)
    for one in web["security_group_rules"]:
        stage.delete("security_group_rule", one["id"])
    for values in RULES:
        rule(stage, web, **values)
    stage.bound(network, "pod1", security_groups=[web["id"]])
    assert len(there(stage, "pod1", web["id"])) == len(RULES)
    assert kinds(there(stage, "pod1", web["id"])) == kinds(central(stage, web["id"]))

    stage.touch("security_group", web["id"])
    stage.cloud.journal.clear()
    stage.reconcile()
    assert writes(stage, "pod1") == []


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ({"protocol": "tcp"}, {"protocol": "6"}),
        ({"protocol": "icmpv6", "ethertype": "IPv6"}, {"protocol": "icmp"}),
        ({"protocol": "vrrp"}, {"protocol": "112"}),
        ({"protocol": "any"}, {"protocol": None}),
        ({"remote_ip_prefix": "0.0.0.0/0"}, {"remote_ip_prefix": None}),
        ({"remote_ip_prefix": "10.1.2.3/8"}, {"remote_ip_prefix": "10.0.0.0/8"}),
        ({"remote_ip_prefix": "10.1.2.3"}, {"remote_ip_prefix": "10.1.2.3/32"}),
        (
            {"protocol": "udp"},
            {"protocol": "udp", "port_range_min": 1, "port_range_max": 65535},
        ),
    ],
)
def test_another_spelling_is_no_difference(stage: Stage, ours: Object, theirs: Object) -> None:
    network, _ = stage.network()
    web = group(stage)
    made = rule(stage, web, **ours)
    stage.bound(network, "pod1", security_groups=[web["id"]])
    (copy,) = [one for one in there(stage, "pod1", web["id"]) if one["direction"] == "ingress"]
    assert identity(copy) == identity(made)
    copy.update(theirs)
    stage.touch("security_group", web["id"])
    stage.cloud.journal.clear()
    stage.reconcile()
    assert writes(stage, "pod1") == []


def test_what_a_pod_has_too_much_goes(stage: Stage) -> None:
    network, _ = stage.network()
    web = group(stage)
    rule(stage, web, protocol="tcp", port_range_min=22, port_range_max=22)
    stage.bound(network, "pod1", security_groups=[web["id"]])
    copy = stage.copy("pod1", "security-groups", web["id"])
    make = stage.neutron("pod1").make
    values = {"security_group_id": copy["id"], "direction": "ingress"}
    make("security-group-rules", PROJECT, protocol="tcp", **values)
    make("security-group-rules", PROJECT, remote_ip_prefix="10.0.0.1/8", **values)
    make("security-group-rules", PROJECT, remote_ip_prefix="10.0.0.2/8", **values)
    stage.touch("security_group", web["id"])
    stage.reconcile()
    assert kinds(there(stage, "pod1", web["id"])) == kinds(central(stage, web["id"]))


def test_rules_change_while_in_use(stage: Stage) -> None:
    network, _ = stage.network()
    web = group(stage)
    port = stage.bound(network, "pod1", security_groups=[web["id"]])
    stage.bound(network, "pod2", security_groups=[web["id"]])
    old = rule(stage, web, protocol="tcp", port_range_min=80, port_range_max=80)
    stage.reconcile()
    stage.delete("security_group_rule", old["id"])
    rule(stage, web, protocol="tcp", port_range_min=443, port_range_max=443)
    stage.change("security_group", web["id"], name="front", description="new words")
    stage.reconcile()
    for region in ("pod1", "pod2"):
        assert kinds(there(stage, region, web["id"])) == kinds(central(stage, web["id"]))
        assert stage.copy(region, "security-groups", web["id"])["name"] == "front"
    assert stage.copy("pod1", "ports", port["id"])["security_groups"]


def test_a_group_is_made_of_the_regions_template(stage: Stage) -> None:
    """Whatever a pod's own template says."""
    template = {
        "direction": "ingress",
        "ethertype": "IPv4",
        "protocol": "tcp",
        "port_range_min": 22,
        "port_range_max": 22,
        "remote_ip_prefix": None,
        "remote_address_group_id": None,
        "description": "",
        "used_in_default_sg": True,
        "used_in_non_default_sg": True,
    }
    itself = {**template, "protocol": "udp", "port_range_min": None, "port_range_max": None}
    for values in ({**template, "remote_group_id": None}, {**itself, "remote_group_id": "PARENT"}):
        stage.core.create_default_security_group_rule(
            stage.admin, {"default_security_group_rule": values}
        )
    for one in stage.core.get_default_security_group_rules(stage.admin):
        if one["direction"] == "egress":
            stage.core.delete_default_security_group_rule(stage.admin, one["id"])
    network, _ = stage.network()
    web = group(stage)
    port = stage.bound(network, "pod1", security_groups=[web["id"]])
    plain = stage.bound(network, "pod1")
    assert port["security_groups"] != plain["security_groups"]
    for group_id, many in ((web["id"], 2), (plain["security_groups"][0], 4)):
        found = there(stage, "pod1", group_id)
        assert len(found) == many
        assert kinds(found) == kinds(central(stage, group_id))
        copy = stage.copy("pod1", "security-groups", group_id)
        assert {one["remote_group_id"] for one in found} == {None, copy["id"]}


# -- stateless groups ------------------------------------------------------------------------


def test_a_stateless_group(stage: Stage) -> None:
    network, _ = stage.network()
    fast = group(stage, stateful=False)
    port = stage.bound(network, "pod1", security_groups=[fast["id"]])
    assert stage.copy("pod1", "security-groups", fast["id"])["stateful"] is False
    with pytest.raises(n_exc.InUse):
        stage.change("security_group", fast["id"], stateful=True)

    # In the region no port is in it for a moment, of which the pod does not hear in time.
    stage.change("port", port["id"], security_groups=[])
    stage.change("security_group", fast["id"], stateful=True)
    stage.change("port", port["id"], security_groups=[fast["id"]])
    stage.reconcile()
    copy = stage.copy("pod1", "security-groups", fast["id"])
    assert copy["stateful"] is True
    assert stage.copy("pod1", "ports", port["id"])["security_groups"] == [copy["id"]]


def test_a_pod_without_stateless_groups(stage: Stage) -> None:
    stage.neutron("pod1").aliases.discard("stateful-security-group")
    network, _ = stage.network()
    fast = group(stage, stateful=False)
    refused = stage.bind(stage.port(network, security_groups=[fast["id"]]), "pod1")
    assert refused["binding:vif_type"] == "binding_failed"
    reason = refused["binding:vif_details"]["reason"]
    for word in ("pod1", fast["id"], "stateful-security-group"):
        assert word in reason
    stage.bound(network, "pod2", security_groups=[fast["id"]])
    stage.bound(network, "pod1", security_groups=[group(stage, "slow")["id"]])


# -- address groups --------------------------------------------------------------------------


class Hosts:
    """``web`` admits an address group; a port in ``web`` is in pod1."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self.hosts = stage.make(
            "address_group", name="hosts", addresses=["10.5.0.0/16", "2001:DB8:0::1/128"]
        )
        self.web = group(stage)
        self.rule = rule(stage, self.web, remote_address_group_id=self.hosts["id"])
        self.network, _ = stage.network()

    def bind(self, region: str) -> Object:
        port = self.stage.port(self.network, security_groups=[self.web["id"]])
        return self.stage.bind(port, region)

    def change(self, action: str, *addresses: str) -> None:
        call = getattr(self.stage.core, f"{action}_addresses")
        call(self.stage.context, self.hosts["id"], {"addresses": list(addresses)})

    def there(self, region: str = "pod1") -> Object:
        return self.stage.copy(region, "address-groups", self.hosts["id"])


@pytest.fixture
def hosts(stage: Stage) -> Hosts:
    return Hosts(stage)


def test_an_address_group(hosts: Hosts, stage: Stage) -> None:
    assert hosts.bind("pod1")["binding:vif_type"] == "other"
    copy = hosts.there()
    assert copy["addresses"] == ["10.5.0.0/16", "2001:db8::1/128"]
    assert (copy["name"], copy["project_id"]) == ("hosts", PROJECT)
    named = [one["remote_address_group_id"] for one in there(stage, "pod1", hosts.web["id"])]
    assert copy["id"] in named
    assert stage.copies("pod2", "address-groups") == []

    hosts.change("add", "10.6.0.1/32", "10.6.0.2/32")
    hosts.change("remove", "10.5.0.0/16")
    stage.change("address_group", hosts.hosts["id"], name="renamed")
    stage.reconcile()
    assert hosts.there()["addresses"] == ["10.6.0.1/32", "10.6.0.2/32", "2001:db8::1/128"]
    assert hosts.there()["name"] == "renamed"

    stage.touch("address_group", hosts.hosts["id"])
    stage.cloud.journal.clear()
    stage.reconcile()
    assert writes(stage, "pod1") == []


def test_an_address_group_goes_with_the_rule(hosts: Hosts, stage: Stage) -> None:
    hosts.bind("pod1")
    stage.delete("security_group_rule", hosts.rule["id"])
    stage.reconcile()
    assert stage.copies("pod1", "address-groups") == []
    assert stage.copies("pod1", "security-groups", hosts.web["id"]) != []


def test_an_address_group_is_deleted(hosts: Hosts, stage: Stage) -> None:
    hosts.bind("pod1")
    with pytest.raises(n_exc.InUse):
        stage.delete("address_group", hosts.hosts["id"])
    stage.delete("security_group_rule", hosts.rule["id"])
    stage.delete("address_group", hosts.hosts["id"])
    stage.reconcile(sweep=False)
    assert stage.copies("pod1", "address-groups") == []
    assert stage.pending() == []


def test_an_address_group_goes_with_the_last_port(hosts: Hosts, stage: Stage) -> None:
    port = hosts.bind("pod1")
    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")
    assert stage.rows() == []


def test_central_neutron_dies_right_after_the_change(
    hosts: Hosts, stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Dies(BaseException):
        pass

    def die(*_: object, **__: object) -> None:
        raise Dies

    hosts.bind("pod1")
    stage.reconcile()
    with monkeypatch.context() as patch:
        patch.setattr(address_group_db.registry, "publish", die)
        with pytest.raises(Dies):
            hosts.change("add", "10.6.0.1/32")
    stage.reconcile(sweep=False)
    assert "10.6.0.1/32" in hosts.there()["addresses"]


def test_a_change_that_fails_is_none(hosts: Hosts, stage: Stage) -> None:
    hosts.bind("pod1")
    stage.reconcile()
    with pytest.raises(n_exc.NeutronException):
        hosts.change("add", "10.6.0.1/32", "10.5.0.0/16")
    assert stage.pending() == []


def test_a_pod_without_the_users_address_groups(hosts: Hosts, stage: Stage) -> None:
    stage.neutron("pod1").aliases.discard("address-group")
    rule(stage, hosts.web, protocol="tcp")
    refused = hosts.bind("pod1")
    assert refused["binding:vif_type"] == "binding_failed"
    reason = refused["binding:vif_details"]["reason"]
    for word in ("pod1", hosts.web["id"], hosts.hosts["id"], "address-group"):
        assert word in reason
    # What the pod can do, it does.
    assert "tcp" in [one["protocol"] for one in there(stage, "pod1", hosts.web["id"])]
    assert hosts.bind("pod2")["binding:vif_type"] == "other"

    stage.neutron("pod1").aliases.add("address-group")
    runtime.use(None)
    stage.forget_claims()
    stage.reconcile()
    assert hosts.there("pod1")["addresses"] == hosts.there("pod2")["addresses"]


# -- ports -----------------------------------------------------------------------------------


def test_allowed_address_pairs(stage: Stage) -> None:
    network, _ = stage.network()
    pairs = [
        {"ip_address": "10.0.0.9"},
        {"ip_address": "10.9.0.0/16", "mac_address": "fa:16:3e:00:00:09"},
    ]
    port = stage.bound(network, "pod1", allowed_address_pairs=pairs)
    copy = stage.copy("pod1", "ports", port["id"])
    found = [(pair["ip_address"], pair["mac_address"]) for pair in copy["allowed_address_pairs"]]
    assert sorted(found) == [
        ("10.0.0.9", port["mac_address"]),
        ("10.9.0.0/16", "fa:16:3e:00:00:09"),
    ]
    stage.change("port", port["id"], allowed_address_pairs=[{"ip_address": "10.0.0.8"}])
    stage.reconcile()
    assert [pair["ip_address"] for pair in copy["allowed_address_pairs"]] == ["10.0.0.8"]
    stage.change("port", port["id"], allowed_address_pairs=[])
    stage.reconcile()
    assert copy["allowed_address_pairs"] == []


def test_port_security_off_and_on(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1", allowed_address_pairs=[{"ip_address": "10.0.0.9"}])
    groups = port["security_groups"]
    copy = stage.copy("pod1", "ports", port["id"])
    off = {"port_security_enabled": False, "security_groups": [], "allowed_address_pairs": []}
    stage.change("port", port["id"], **off)
    stage.reconcile()
    assert {name: copy[name] for name in off} == off

    stage.change("port", port["id"], port_security_enabled=True, security_groups=groups)
    stage.reconcile()
    assert copy["port_security_enabled"] is True
    assert copy["security_groups"] == [stage.copy("pod1", "security-groups", groups[0])["id"]]


def test_port_security_of_a_network(stage: Stage) -> None:
    network, _ = stage.network(port_security_enabled=False)
    port = stage.bound(network, "pod1")
    assert stage.copy("pod1", "networks", network["id"])["port_security_enabled"] is False
    copy = stage.copy("pod1", "ports", port["id"])
    assert (copy["port_security_enabled"], copy["security_groups"]) == (False, [])
    assert stage.copies("pod1", "security-groups") == []

    stage.change("network", network["id"], port_security_enabled=True)
    stage.reconcile()
    assert stage.copy("pod1", "networks", network["id"])["port_security_enabled"] is True
    later = stage.bound(network, "pod1")
    assert stage.copy("pod1", "ports", later["id"])["port_security_enabled"] is True
    assert copy["port_security_enabled"] is False
