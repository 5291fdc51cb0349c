# SPDX-License-Identifier: Apache-2.0
"""Security groups and their rules, which are compared as one set."""

from collections.abc import Collection
from typing import Any

from tricircle.db.realizations import Key
from tricircle.network import central as central_neutron
from tricircle.network.adapters.base import Adapter
from tricircle.network.central import Resource
from tricircle.network.site import Site, marker
from tricircle.pods.errors import PodRefused

DEFAULT = "default"
# Other names Neutron knows a protocol by, so that two releases agree.
_PROTOCOLS = {"icmpv6": "ipv6-icmp", "58": "ipv6-icmp", "1": "icmp", "6": "tcp", "17": "udp"}
_PLAIN = ("direction", "ethertype", "port_range_min", "port_range_max", "remote_ip_prefix")


class SecurityGroupAdapter(Adapter):
    """A project's ``default`` group is the pod's own default group of that project."""

    resource_type = "security_group"
    member = "security_group"
    collection = "security-groups"
    order = 10
    strict = True
    fixed = frozenset({"stateful"})

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_security_group, resource_id)

    def refers(self, site: Site, central: Resource) -> list[Key]:
        remote = {rule["remote_group_id"] for rule in central["security_group_rules"]}
        return [Key("security_group", group) for group in sorted(remote - {None, central["id"]})]

    def body(self, site: Site, central: Resource) -> Resource:
        body = {"name": central["name"], "project_id": central["project_id"]}
        if central.get("stateful") is False:
            body["stateful"] = False
        return body

    def adopts(self, central: Resource) -> bool:
        return bool(central["name"] == DEFAULT)

    def find(self, site: Site, central: Resource | None, resource_id: str) -> Resource | None:
        if central is None or central["name"] != DEFAULT:
            return super().find(site, central, resource_id)
        # Asking for a project's groups makes Neutron create the default one if need be.
        found = site.neutron.list(self.collection, project_id=central["project_id"], name=DEFAULT)
        return found[0] if found else None

    def differs(self, site: Site, current: Resource, central: Resource) -> Resource:
        changes = super().differs(site, current, central)
        if current.get("description") != marker(central["id"]):
            changes["description"] = marker(central["id"])
        return changes

    def drift(self, site: Site, listed: Resource, central: Resource) -> Collection[str]:
        wanted = _wanted(central, _groups(site, listed, central))
        there = [
            _identity(rule, rule.get("remote_group_id"))
            for rule in listed.get("security_group_rules", ())
        ]
        rules = [] if wanted.keys() == set(there) else ["security_group_rules"]
        return [*self.differs(site, listed, central), *rules]

    def settle(self, site: Site, current: Resource, central: Resource) -> None:
        groups = _groups(site, current, central)
        wanted = _wanted(central, groups)
        there = {
            _identity(rule, rule.get("remote_group_id")): rule["id"]
            for rule in self._rules(site, current["id"])
        }
        # First what is missing, then what is too much: no traffic is cut that may flow.
        self._add(
            site,
            [
                _rule(rule, current["id"], groups)
                for key, rule in wanted.items()
                if key not in there
            ],
        )
        for key, rule_id in there.items():
            if key not in wanted:
                site.neutron.delete(f"/security-group-rules/{rule_id}")

    def delete(self, site: Site, pod_resource_id: str) -> None:
        document = site.neutron.find(f"/{self.collection}/{pod_resource_id}")
        if document is None:
            return
        if document[self.member]["name"] == DEFAULT:
            # The pod's own: it stays, and is no longer ours.
            path = f"/{self.collection}/{pod_resource_id}"
            site.neutron.put(path, {self.member: {"description": "Default security group"}})
            return
        super().delete(site, pod_resource_id)

    def _rules(self, site: Site, group_id: str) -> list[Resource]:
        return site.neutron.list("security-group-rules", security_group_id=group_id)

    def _add(self, site: Site, rules: list[Resource]) -> None:
        path = "/security-group-rules"
        if not rules:
            return
        try:
            site.neutron.post(path, {"security_group_rules": rules})
            return
        except PodRefused as error:
            if error.status != 409 or "exist" not in error.message:
                raise
        # One of them is there under another spelling: the others must not miss out.
        for rule in rules:
            try:
                site.neutron.post(path, {"security_group_rule": rule})
            except PodRefused as error:
                if error.status != 409 or "exist" not in error.message:
                    raise


def _groups(site: Site, current: Resource, central: Resource) -> dict[str, str]:
    """{central id: id in the pod} of the group and those its rules name."""
    remote = {rule["remote_group_id"] for rule in central["security_group_rules"]} - {None}
    return {
        **site.ids("security_group", remote - {central["id"]}),
        central["id"]: current["id"],
    }


def _wanted(central: Resource, groups: dict[str, str]) -> dict[tuple[Any, ...], Resource]:
    return {
        _identity(rule, groups.get(rule["remote_group_id"])): rule
        for rule in central["security_group_rules"]
    }


def _identity(rule: Resource, remote_group: str | None) -> tuple[Any, ...]:
    protocol = None if rule["protocol"] is None else str(rule["protocol"]).lower()
    if rule["ethertype"] == "IPv6" and protocol in ("icmp", "1"):
        protocol = "ipv6-icmp"
    return (
        _PROTOCOLS.get(protocol or "", protocol),
        remote_group,
        rule.get("remote_address_group_id"),
        *(rule[name] for name in _PLAIN),
    )


def _rule(rule: Resource, group_id: str, groups: dict[str, str]) -> Resource:
    if rule.get("remote_address_group_id"):
        raise NotImplementedError("Remote address groups are not realized in pods yet")
    return {
        **{name: rule[name] for name in (*_PLAIN, "protocol")},
        "security_group_id": group_id,
        "remote_group_id": groups.get(rule["remote_group_id"]),
        "project_id": rule["project_id"],
        "description": rule.get("description") or "",
    }
