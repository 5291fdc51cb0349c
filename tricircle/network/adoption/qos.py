# SPDX-License-Identifier: Apache-2.0
"""QoS policies that a project has in a pod, with their rules."""

from typing import Any

from neutron.objects.qos import rule as rules
from neutron_lib.plugins import constants, directory

from tricircle.network.adoption import bodies
from tricircle.network.adoption.items import Item, Plan
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.reconcile.adapters.qos_policy import VALUES

_CLASSES: dict[str, Any] = {
    cls.rule_type: cls
    for cls in (
        rules.QosBandwidthLimitRule,
        rules.QosDscpMarkingRule,
        rules.QosMinimumBandwidthRule,
        rules.QosPacketRateLimitRule,
        rules.QosMinimumPacketRateRule,
    )
}


def plan_all(plan: Plan) -> None:
    for policy in plan.found.policies:
        item = plan.add("qos_policy", policy)
        if item is not None and not item.reason:
            item.reason = _refused(policy)


def unknown(plan: Plan, document: Resource) -> str:
    """Why what has a policy cannot be taken over for that; empty if it can, or has none."""
    policy_id = document.get("qos_policy_id")
    if not policy_id or plan.outside("qos_policy", policy_id) is not None:
        return ""
    ours = {one["id"] for one in plan.found.policies}
    hint = "is left alone" if policy_id in ours else "is another project's: take that over first"
    return f"it has the QoS policy {policy_id}, which is not the region's and {hint}"


def make(plan: Plan, item: Item) -> None:
    body = bodies.body(plan, item)
    _plugin().create_policy(central_neutron.admin(), {"policy": body})


def give_rules(item: Item) -> None:
    """Give a policy the rules that it has in the pod."""
    plugin, admin = _plugin(), central_neutron.admin()
    known = {_identity(rule) for rule in plugin.get_policy(admin, item.outside)["rules"]}
    for rule in item.document.get("rules") or ():
        if _identity(rule) in known:
            continue
        kind, cls = rule["type"], _CLASSES[rule["type"]]
        body = {name: rule[name] for name in (*VALUES[kind], "direction") if name in rule}
        if cls.get_object(admin, id=rule["id"]) is None:
            body["id"] = rule["id"]
        plugin.create_policy_rule(admin, cls, item.outside, {f"{kind}_rule": body})


def _refused(policy: Resource) -> str:
    """Why a policy cannot be taken over; empty if it can."""
    if _plugin() is None:
        return "central Neutron has no QoS policies (service_plugins)"
    if policy.get("is_default"):
        return (
            "it is what the project's new networks get by themselves in the pod, which the region "
            "decides: have it be no default there (openstack network qos policy set --no-default)"
        )
    for rule in policy.get("rules") or ():
        if rule["type"] not in _CLASSES:
            return f"the region knows no rules of type {rule['type']}"
    return ""


def _identity(rule: Resource) -> tuple[str, str]:
    return rule["type"], rule.get("direction") or ""


def _plugin() -> Any:
    return directory.get_plugin(constants.QOS)
