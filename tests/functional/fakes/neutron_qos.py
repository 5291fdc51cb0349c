# SPDX-License-Identifier: Apache-2.0
"""QoS policies of a fake Neutron, with the rules stock Neutron has for them."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route

Object = dict[str, Any]

#: kind of rule: attributes with their defaults
RULES: dict[str, Object] = {
    "bandwidth_limit": {"max_kbps": None, "max_burst_kbps": 0, "direction": "egress"},
    "dscp_marking": {"dscp_mark": None},
    "minimum_bandwidth": {"min_kbps": None, "direction": "egress"},
    "packet_rate_limit": {"max_kpps": None, "max_burst_kpps": 0, "direction": "egress"},
    "minimum_packet_rate": {"min_kpps": None, "direction": "egress"},
}
POLICIES: dict[str, tuple[str, Object]] = {
    "policies": ("policy", {"name": "", "shared": False, "is_default": False})
}

#: What policies of what is no port or network come with; of gateways, inside of another attribute.
EXTENSIONS = {"floatingips": "qos-fip", "gateways": "qos-gateway-ip"}


def _policy_of(router: Object) -> str | None:
    found: str | None = (router["external_gateway_info"] or {}).get("qos_policy_id")
    return found


class Qos:
    """Mixed into ``Neutron``. ``rule_types``: what the pod can enforce, as a test sets it."""

    rule_types = frozenset(RULES)

    @route("GET", "/v2.0/qos/policies")
    def list_policies(self: Any, exchange: Exchange) -> web.Response:
        return self.index(exchange, "policies")

    @route("POST", "/v2.0/qos/policies")
    async def create_policy(self: Any, exchange: Exchange) -> web.Response:
        return await self.create(exchange, "policies")

    @route("GET", "/v2.0/qos/policies/{policy_id}")
    def show_policy(self: Any, exchange: Exchange, policy_id: str) -> web.Response:
        return self.show(exchange, "policies", policy_id)

    @route("PUT", "/v2.0/qos/policies/{policy_id}")
    async def update_policy(self: Any, exchange: Exchange, policy_id: str) -> web.Response:
        return await self.update(exchange, "policies", policy_id)

    @route("DELETE", "/v2.0/qos/policies/{policy_id}")
    async def delete_policy(self: Any, exchange: Exchange, policy_id: str) -> web.Response:
        return await self.delete(exchange, "policies", policy_id)

    @route("POST", "/v2.0/qos/policies/{policy_id}/{kind}_rules")
    def create_rule(self: Any, exchange: Exchange, policy_id: str, kind: str) -> web.Response:
        policy = self._get("policies", policy_id, exchange.token)
        rule = {**RULES[kind], **exchange.json(f"{kind}_rule"), "id": new_id(), "type": kind}
        for other in policy["rules"]:
            if (other["type"], other.get("direction")) == (kind, rule.get("direction")):
                raise Refusal(409, f"Rule {kind} conflicts with {other['id']}", "QoSRulesConflict")
        self._check_rule(policy, rule, rule)
        policy["rules"].append(rule)
        return reply({f"{kind}_rule": rule}, 201)

    @route("PUT", "/v2.0/qos/policies/{policy_id}/{kind}_rules/{rule_id}")
    def update_rule(
        self: Any, exchange: Exchange, policy_id: str, kind: str, rule_id: str
    ) -> web.Response:
        policy = self._get("policies", policy_id, exchange.token)
        rule = self._rule(policy, rule_id)
        values = exchange.json(f"{kind}_rule")
        self._check_rule(policy, {**rule, **values}, values)
        rule.update(values)
        return reply({f"{kind}_rule": rule})

    @route("DELETE", "/v2.0/qos/policies/{policy_id}/{kind}_rules/{rule_id}")
    def delete_rule(
        self: Any, exchange: Exchange, policy_id: str, kind: str, rule_id: str
    ) -> web.Response:
        policy = self._get("policies", policy_id, exchange.token)
        policy["rules"].remove(self._rule(policy, rule_id))
        return reply(None, 204)

    def _rule(self, policy: Object, rule_id: str) -> Object:
        for rule in policy["rules"]:
            if rule["id"] == rule_id:
                found: Object = rule
                return found
        raise Refusal(404, f"QoS rule {rule_id} could not be found.", "QosRuleNotFound")

    def _prepare_policy(self, item: Object, token: Any) -> None:
        item["rules"] = []

    def _users(self: Any, policy: Object) -> list[Object]:
        """Ports and networks that have the policy: what its rules must suit."""
        return [
            item
            for collection in ("ports", "networks")
            for item in self.tables[collection].values()
            if item["qos_policy_id"] == policy["id"]
        ]

    def _outside(self: Any, policy: Object) -> list[Object]:
        """Floating IPs, and routers by their gateways, that have the policy."""
        routers = self.tables["routers"].values()
        gateways = [one for one in routers if _policy_of(one) == policy["id"]]
        floating = self.tables["floatingips"].values()
        return [*gateways, *(one for one in floating if one["qos_policy_id"] == policy["id"])]

    def _check_rule(self: Any, policy: Object, rule: Object, given: Object) -> None:
        if rule["type"] not in self.rule_types and self._users(policy):
            raise self._unsupported(rule)
        for other in policy["rules"]:
            # Neutron compares directions only when it is told one.
            if given.get("direction") not in (None, other.get("direction")):
                continue
            pairs = ((other.get("min_kbps"), given.get("max_kbps")),
                     (given.get("min_kbps"), other.get("max_kbps")))  # fmt: skip
            if any(low and high and low > high for low, high in pairs):
                raise Refusal(409, "The rules' values conflict.", "QoSRuleParameterConflict")

    def _check_policy(self: Any, collection: str, values: Object) -> None:
        """An object may have the policy it is given."""
        if "qos_policy_id" not in values:
            return
        if EXTENSIONS.get(collection, "qos") not in self.aliases:
            raise Refusal(400, "Unrecognized attribute(s) 'qos_policy_id'", "HTTPBadRequest")
        if values["qos_policy_id"] and collection in EXTENSIONS:
            self._get("policies", values["qos_policy_id"], None)
        elif values["qos_policy_id"]:
            for rule in self._get("policies", values["qos_policy_id"], None)["rules"]:
                if rule["type"] not in self.rule_types:
                    raise self._unsupported(rule)

    @staticmethod
    def _unsupported(rule: Object) -> Refusal:
        return Refusal(409, f"Rule {rule['type']} is not supported by port", "QosRuleNotSupported")

    def _check_policy_unused(self: Any, policy: Object) -> None:
        if users := [*self._users(policy), *self._outside(policy)]:
            message = f"QoS Policy {policy['id']} is used by {users[0]['id']}."
            raise Refusal(409, message, "QosPolicyInUse")
