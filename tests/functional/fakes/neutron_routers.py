# SPDX-License-Identifier: Apache-2.0
"""Routers and floating IPs, with the rules stock Neutron has."""

import ipaddress
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, reply, route

Object = dict[str, Any]

ROUTERS: dict[str, tuple[str, Object]] = {
    "routers": (
        "router",
        {
            "name": "",
            "admin_state_up": True,
            "external_gateway_info": None,
            "routes": [],
            "distributed": False,
            "ha": None,
            "availability_zone_hints": [],
        },
    ),
    "floatingips": (
        "floatingip",
        {
            "floating_network_id": None,
            "floating_ip_address": None,
            "port_id": None,
            "fixed_ip_address": None,
            "qos_policy_id": None,
        },
    ),
}
GATEWAY, INTERFACE = "network:router_gateway", "network:router_interface"


class Routers:
    """Mixed into ``Neutron``."""

    @route("PUT", "/v2.0/routers/{router_id}/add_router_interface")
    def add_interface(self: Any, exchange: Exchange, router_id: str) -> web.Response:
        router = self._get("routers", router_id, exchange.token)
        body = exchange.json()
        if "subnet_id" in body:
            subnet = self._get("subnets", body["subnet_id"], exchange.token)
            port = self._create(
                "ports",
                {
                    "network_id": subnet["network_id"],
                    "fixed_ips": [{"subnet_id": subnet["id"], "ip_address": subnet["gateway_ip"]}],
                    "device_id": router_id,
                    "device_owner": INTERFACE,
                    "project_id": router["project_id"],
                },
                None,
            )
        else:
            port = self._get("ports", body["port_id"], exchange.token)
            if port["device_id"]:
                raise Refusal(409, f"Port {port['id']} is in use.", "PortInUse")
            self._check_overlap(router_id, port)
            port.update(device_id=router_id, device_owner=INTERFACE)
        return reply({"id": router_id, "port_id": port["id"],
                      "subnet_id": port["fixed_ips"][0]["subnet_id"]})  # fmt: skip

    @route("PUT", "/v2.0/routers/{router_id}/remove_router_interface")
    def remove_interface(self: Any, exchange: Exchange, router_id: str) -> web.Response:
        router = self._get("routers", router_id, exchange.token)
        body = exchange.json()
        for port in self.ports(device_id=router_id):
            subnets = [ip["subnet_id"] for ip in port["fixed_ips"]]
            if body.get("port_id") == port["id"] or body.get("subnet_id") in subnets:
                cidrs = [self.tables["subnets"][one]["cidr"] for one in subnets]
                if any(_in(hop["nexthop"], cidr) for hop in router["routes"] for cidr in cidrs):
                    raise Refusal(
                        409, "Router interface is required by one or more routes.",
                        "RouterInterfaceInUseByRoute",
                    )  # fmt: skip
                del self.tables["ports"][port["id"]]
                return reply({"id": router_id, "port_id": port["id"], "subnet_id": subnets[0]})
        raise Refusal(404, "Router has no interface there", "RouterInterfaceNotFound")

    def _prepare_router(self: Any, item: Object, token: Any) -> None:
        item["status"] = "ACTIVE"
        item["availability_zones"] = []

    def _prepare_router(self: Any, item: Object, token: Any) -> None:
        if item["ha"] is False and self.always_ha:
            raise Refusal(400, "Provider ovn does not support ha=False.", "BadRequest")
        item["ha"] = bool(item["ha"]) or self.always_ha
        info, item["external_gateway_info"] = item["external_gateway_info"], None
        item["external_gateway_info"] = self._regate(item, info)

    def _change_router(self: Any, item: Object, values: Object) -> None:
        """Hold a router's new gateway and routes against what it is joined to."""
        for mode in ("distributed", "ha"):
            up = values.get("admin_state_up") or item["admin_state_up"]
            if up and values.get(mode, item[mode]) != item[mode]:
                raise Refusal(400, f"Cannot change the '{mode}' of active routers.", "BadRequest")
        if "external_gateway_info" in values:
            values["external_gateway_info"] = self._regate(item, values["external_gateway_info"])
        if len(values.get("routes", ())) > self.max_routes:
            raise Refusal(409, "Quota exceeded for resources: ['router_route'].", "OverQuota")
        if "routes" in values or "external_gateway_info" in values:
            cidrs = [
                self.tables["subnets"][ip["subnet_id"]]["cidr"]
                for port in self.ports(device_id=item["id"])
                for ip in port["fixed_ips"]
            ]
            for hop in values.get("routes", item["routes"]):
                if not any(_in(hop["nexthop"], cidr) for cidr in cidrs):
                    raise Refusal(
                        400, "Invalid format for routes, the nexthop is not connected with router",
                        "InvalidRoutes",
                    )  # fmt: skip

    def _regate(self: Any, router: Object, info: Object | None) -> Object | None:
        """A new gateway; on the network of the old one only what is otherwise than before."""
        old = router["external_gateway_info"]
        stays = old and info and old["network_id"] == info["network_id"]
        if old and not stays and any(fip["router_id"] == router["id"] for fip in self._floating()):
            raise Refusal(409, "Gateway is required by floating IPs", "RouterExternalGatewayInUse")
        for port in self.ports(device_id=router["id"], device_owner=GATEWAY):
            del self.tables["ports"][port["id"]]
        if not info:
            return None
        self._check_policy("gateways", info)
        network = self._get("networks", info["network_id"], None)
        if not network["router:external"]:
            raise Refusal(400, f"Network {network['id']} is not an external network", "BadRequest")
        body = {"network_id": network["id"], "device_id": router["id"], "device_owner": GATEWAY}
        port = self._create(
            "ports", {**body, "fixed_ips": info.get("external_fixed_ips"), "project_id": ""}, None
        )
        known = {**(old if stays else {}), "enable_snat": True, **info}
        if not known.get("qos_policy_id"):
            known.pop("qos_policy_id", None)  # Neutron tells of none that is not there.
        return {**known, "external_fixed_ips": port["fixed_ips"]}

    def _check_overlap(self: Any, router_id: str, port: Object) -> None:
        def cidrs(ports: list[Object]) -> list[Any]:
            ids = [ip["subnet_id"] for one in ports for ip in one["fixed_ips"]]
            return [ipaddress.ip_network(self.tables["subnets"][one]["cidr"]) for one in ids]

        for mine in cidrs([port]):
            for other in cidrs(self.ports(device_id=router_id)):
                if mine.version == other.version and mine.overlaps(other):
                    raise Refusal(400, f"Cidr {mine} overlaps with cidr {other}", "BadRequest")

    def _floating(self: Any) -> list[Object]:
        return list(self.tables["floatingips"].values())

    def _prepare_floatingip(self: Any, item: Object, token: Any) -> None:
        item["status"] = "DOWN"
        taken = {fip["floating_ip_address"] for fip in self._floating()}
        if item["floating_ip_address"] in taken:
            raise Refusal(409, "The address is in use.", "IpAddressAlreadyAllocated")
        item["floating_ip_address"] = item["floating_ip_address"] or next(
            address for n in range(2, 250) if (address := f"203.0.113.{n}") not in taken
        )
        self._associate(item, item)

    def _associate(self: Any, item: Object, values: Object) -> None:
        """A floating IP needs a router between its network and the port's."""
        if not values.get("port_id"):
            values["router_id"] = values["fixed_ip_address"] = None
            return
        port = self._get("ports", values["port_id"], None)
        values["fixed_ip_address"] = (
            values.get("fixed_ip_address") or port["fixed_ips"][0]["ip_address"]
        )
        for router in self.tables["routers"].values():
            info = router["external_gateway_info"] or {}
            joined = {one["network_id"] for one in self.ports(device_id=router["id"])}
            if (
                info.get("network_id") == item["floating_network_id"]
                and port["network_id"] in joined
            ):
                values["router_id"] = router["id"]
                item["status"] = "ACTIVE"
                return
        raise Refusal(
            404, f"External network is not reachable from the subnet of port {port['id']}",
            "ExternalGatewayForFloatingIPNotFound",
        )  # fmt: skip

    def _reassociate(self: Any, item: Object, values: Object) -> None:
        """An update that names no port leaves it."""
        if values.get("fixed_ip_address") and not values.get("port_id"):
            raise Refusal(
                400, "Bad floatingip request: fixed_ip_address cannot be specified without a "
                "port_id", "BadRequest",
            )  # fmt: skip
        if "port_id" in values:
            self._associate(item, values)


def _in(address: str, cidr: str) -> bool:
    return ipaddress.ip_address(address) in ipaddress.ip_network(cidr)
