# SPDX-License-Identifier: Apache-2.0
"""QoS policies with their rules, which are compared as one set."""

from collections.abc import Collection, Iterable
from typing import Any

from neutron_lib.plugins import constants, directory

from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.pods.errors import PodRefused

EXTENSION = "qos"
#: Attributes by kind of rule; a policy has one rule of a kind and direction.
VALUES = {
    "bandwidth_limit": ("max_kbps", "max_burst_kbps"),
    "dscp_marking": ("dscp_mark",),
    "minimum_bandwidth": ("min_kbps",),
    "packet_rate_limit": ("max_kpps", "max_burst_kpps"),
    "minimum_packet_rate": ("min_kpps",),
}


class QosPolicyAdapter(Adapter):
    """The copy is no default policy: which resource has which policy is decided centrally."""

    resource_type = "qos_policy"
    member = "policy"
    collection = "qos/policies"
    order = 5
    strict = True

    def central(self, resource_id: str) -> Resource | None:
        plugin = directory.get_plugin(constants.QOS)
        return None if plugin is None else central_neutron.found(plugin.get_policy, resource_id)

    def body(self, session: PodSession, central: Resource) -> Resource:
        if not session.neutron.has(EXTENSION):
            raise PodRefused(
                session.pod.region_name,
                501,
                f"its Neutron lacks the extension {EXTENSION}, so nothing there can have the "
                f"QoS policy {central['id']}",
            )
        return {
            "name": central["name"],
            "shared": central["shared"],
            "project_id": central["project_id"],
        }

    def drift(self, session: PodSession, listed: Resource, central: Resource) -> Collection[str]:
        wanted, there = _rules(central), _rules(listed)
        same = wanted.keys() == there.keys() and not any(
            _changes(rule, there[key]) for key, rule in wanted.items()
        )
        return [*self.differs(session, listed, central), *([] if same else ["rules"])]

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        path = f"/{self.collection}/{current['id']}"
        wanted, there = _rules(central), _rules(current)
        for key, rule in there.items():
            if key not in wanted:
                session.neutron.delete(f"{path}/{rule['type']}_rules/{rule['id']}")
        for key, rule in _in_order(wanted, there):
            kind = rule["type"]
            direction = {"direction": rule["direction"]} if "direction" in rule else {}
            if key not in there:
                body = {**{name: rule[name] for name in VALUES[kind]}, **direction}
                session.neutron.post(f"{path}/{kind}_rules", {f"{kind}_rule": body})
            elif changes := _changes(rule, there[key]):
                # Neutron holds a new value against rules of the direction that it is told.
                body = {f"{kind}_rule": {**changes, **direction}}
                session.neutron.put(f"{path}/{kind}_rules/{there[key]['id']}", body)


def told(session: PodSession, policy_id: str | None, extension: str, what: str) -> Resource:
    """The attribute by which an object in the pod has a policy, or none; nothing where the pod
    lacks the ``extension`` for it.

    Raises PodRefused when ``what``, the object in words, is to have one there, NotYet when the
    policy is not in the pod.
    """
    if session.neutron.has(extension):
        return {"qos_policy_id": session.id("qos_policy", policy_id) if policy_id else None}
    if policy_id:
        raise PodRefused(
            session.pod.region_name,
            501,
            f"its Neutron lacks the extension {extension}, so {what} cannot have the QoS policy "
            f"{policy_id}",
        )
    return {}


def _rules(policy: Resource) -> dict[tuple[str, str], Resource]:
    """{kind and direction: rule}"""
    return {(rule["type"], rule.get("direction") or ""): rule for rule in policy.get("rules") or ()}


def _changes(rule: Resource, there: Resource) -> Resource:
    names = VALUES[rule["type"]]
    return {name: rule[name] for name in names if rule[name] != there.get(name)}


def _in_order(
    wanted: dict[tuple[str, str], Resource], there: dict[tuple[str, str], Resource]
) -> Iterable[tuple[tuple[str, str], Resource]]:
    """The rules so that at no moment a guaranteed bandwidth is above the limit.

    A limit is raised before, and lowered after, what is guaranteed.
    """

    def turn(item: tuple[tuple[str, str], Resource]) -> tuple[int, Any]:
        key, rule = item
        if rule["type"] != "bandwidth_limit":
            return 1, key
        grows = key in there and rule["max_kbps"] > there[key]["max_kbps"]
        return (0 if grows else 2), key

    return sorted(wanted.items(), key=turn)
