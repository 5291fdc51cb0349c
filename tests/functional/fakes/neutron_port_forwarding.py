# SPDX-License-Identifier: Apache-2.0
"""Port forwardings of a fake Neutron's floating IPs, with the rules stock Neutron has for them."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route

Object = dict[str, Any]
ALIAS = "floating-ip-port-forwarding"
_KEY = ("external_port", "protocol")


class PortForwarding:
    """Mixed into ``Neutron``."""

    @route("GET", "/v2.0/floatingips/{floating_ip_id}/port_forwardings")
    def list_forwardings(self: Any, exchange: Exchange, floating_ip_id: str) -> web.Response:
        return reply({"port_forwardings": self._forwardings(exchange, floating_ip_id)})

    @route("POST", "/v2.0/floatingips/{floating_ip_id}/port_forwardings")
    def create_forwarding(self: Any, exchange: Exchange, floating_ip_id: str) -> web.Response:
        known = self._forwardings(exchange, floating_ip_id)
        wanted = {**exchange.json("port_forwarding"), "id": new_id()}
        floating_ip = self._get("floatingips", floating_ip_id, exchange.token)
        if floating_ip["port_id"]:
            raise Refusal(409, "The floating IP is associated.", "FloatingIPPortAlreadyAssociated")
        port = self._get("ports", wanted["internal_port_id"], exchange.token)
        if wanted["internal_ip_address"] not in [ip["ip_address"] for ip in port["fixed_ips"]]:
            raise Refusal(400, "The address is not the port's.", "BadRequest")
        if any(all(one[name] == wanted[name] for name in _KEY) for one in known):
            raise Refusal(400, "A duplicate port forwarding entry exists.", "BadRequest")
        known.append(wanted)
        return reply({"port_forwarding": wanted}, 201)

    @route("DELETE", "/v2.0/floatingips/{floating_ip_id}/port_forwardings/{forwarding_id}")
    def delete_forwarding(
        self: Any, exchange: Exchange, floating_ip_id: str, forwarding_id: str
    ) -> web.Response:
        known = self._forwardings(exchange, floating_ip_id)
        kept = [one for one in known if one["id"] != forwarding_id]
        if len(kept) == len(known):
            raise Refusal(404, "Port forwarding could not be found.", "PortForwardingNotFound")
        known[:] = kept
        return reply(None, 204)

    def _forwardings(self: Any, exchange: Exchange, floating_ip_id: str) -> list[Object]:
        if ALIAS not in self.aliases:
            raise Refusal(404, "The resource could not be found.", "HTTPNotFound")
        floating_ip = self._get("floatingips", floating_ip_id, exchange.token)
        found: list[Object] = floating_ip.setdefault("port_forwardings", [])
        return found

    def _check_no_forwarding(self, floating_ip: Object) -> None:
        if floating_ip.get("port_forwardings"):
            message = f"Floating IP {floating_ip['id']} in use by Port Forwarding resources."
            raise Refusal(409, message, "FipInUseByPortForwarding")
