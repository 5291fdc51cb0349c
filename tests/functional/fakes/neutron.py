# SPDX-License-Identifier: Apache-2.0
"""A Neutron: the core resources with their rules, as a pod has it."""

import ipaddress
import random
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import (
    Exchange,
    FakeService,
    Journal,
    LoopThread,
    Refusal,
    new_id,
    reply,
    route,
    utc_now,
)
from tests.functional.fakes.keystone import Keystone, Token
from tests.functional.fakes.neutron_agents import Agents
from tests.functional.fakes.neutron_filters import FILTERS
from tests.functional.fakes.neutron_port_forwarding import PortForwarding
from tests.functional.fakes.neutron_qos import POLICIES, Qos
from tests.functional.fakes.neutron_rbac import EXTERNAL, RBAC, TYPES, Rbac
from tests.functional.fakes.neutron_routers import GATEWAY, INTERFACE, ROUTERS, Routers
from tests.functional.fakes.neutron_trunks import TRUNKS, Trunks

Object = dict[str, Any]

#: collection: (name of one, attributes a client may give with their defaults)
RESOURCES: dict[str, tuple[str, Object]] = {
    "networks": (
        "network",
        {
            "name": "",
            "admin_state_up": True,
            "shared": False,
            "router:external": False,
            "mtu": 0,
            "vlan_transparent": None,
            "qinq": None,
            "port_security_enabled": True,
            "availability_zone_hints": [],
            "is_default": False,
            "dns_domain": "",
            "provider:network_type": None,
            "provider:physical_network": None,
            "provider:segmentation_id": None,
            "qos_policy_id": None,
        },
    ),
    "subnets": (
        "subnet",
        {
            "name": "",
            "network_id": None,
            "cidr": None,
            "ip_version": 4,
            "gateway_ip": "",
            "enable_dhcp": True,
            "allocation_pools": None,
            "dns_nameservers": [],
            "host_routes": [],
            "ipv6_address_mode": None,
            "ipv6_ra_mode": None,
            "service_types": [],
            "subnetpool_id": None,
            "dns_publish_fixed_ip": False,
        },
    ),
    "ports": (
        "port",
        {
            "name": "",
            "network_id": None,
            "admin_state_up": True,
            "mac_address": None,
            "fixed_ips": None,
            "device_id": "",
            "device_owner": "",
            "security_groups": None,
            "allowed_address_pairs": [],
            "extra_dhcp_opts": [],
            "port_security_enabled": True,
            "qos_policy_id": None,
            "dns_name": "",
            "dns_domain": "",
            "binding:host_id": "",
            "binding:vnic_type": "normal",
            "binding:profile": {},
        },
    ),
    "security-groups": ("security_group", {"name": "", "stateful": True}),
    "security-group-rules": (
        "security_group_rule",
        {
            "security_group_id": None,
            "direction": None,
            "ethertype": "IPv4",
            "protocol": None,
            "port_range_min": None,
            "port_range_max": None,
            "remote_ip_prefix": None,
            "remote_group_id": None,
            "remote_address_group_id": None,
        },
    ),
    **ROUTERS,
    **RBAC,
    "address-groups": ("address_group", {"name": "", "addresses": []}),
    **POLICIES,
    **TRUNKS,
    "agents": ("agent", {}),
    "availability_zones": ("availability_zone", {}),
}
SEGMENT = ("network_type", "physical_network", "segmentation_id")
READ_ONLY = {"id", "status", "created_at", "updated_at", "revision_number", "tags"}
ADMIN_ONLY = ("binding:", "provider:")
#: {collection: attributes that only an administrator may set}; what of routers has no default may
#: not even be said to be off.
OF_ADMINS = {
    "networks": ("shared", "router:external"),
    "routers": ("distributed", "ha"),
    "floatingips": ("floating_ip_address",),
}
BINDING = ("binding:host_id", "binding:vif_type", "binding:vif_details", "binding:profile")
DHCP = "network:dhcp"
OWN_ADDRESSES = ("slaac", "dhcpv6-stateless")
NOT_FILTERS = {"fields", "limit", "marker", "sort_key", "sort_dir", "page_reverse"}
ALIASES = {
    "address-group",
    "agent",
    "allowed-address-pairs",
    "auto-allocated-topology",
    "availability_zone",
    "binding",
    "dns-integration",
    "dvr",
    "external-net",
    "floating-ip-port-forwarding",
    "l3-ha",
    "port-security",
    "provider",
    "qos",
    "qos-fip",
    "qos-gateway-ip",
    "quotas",
    "rbac-policies",
    "router",
    "security-group",
    "security-groups-remote-address-group",
    "standard-attr-description",
    "stateful-security-group",
    "subnet-dns-publish-fixed-ip",
    "trunk",
    "vlan-transparent",
}
#: Attributes and collections that are there with an extension only.
OF_EXTENSION = {
    "address-groups": "address-group",
    "remote_address_group_id": "security-groups-remote-address-group",
    "stateful": "stateful-security-group",
    "vlan_transparent": "vlan-transparent",
    "qinq": "qinq",
    "dns_publish_fixed_ip": "subnet-dns-publish-fixed-ip",
}
REMOTES = {
    "remote_ip_prefix": "",
    "remote_group_id": "security-groups",
    "remote_address_group_id": "address-groups",
}
PROTOCOLS = {"icmp": "1", "tcp": "6", "udp": "17", "ipv6-icmp": "58", "icmpv6": "58"}
DEFAULT_QUOTA = {
    "port": 500,
    "network": 100,
    "subnet": 100,
    "security_group": 10,
    "rbac_policy": 10,
}


def no_port(kind: str, object_id: str) -> Refusal:
    name = kind.title().replace("_", "")
    return Refusal(404, f"{name} {object_id} could not be found.", f"{name}NotFound")


class Neutron(Agents, PortForwarding, Qos, Rbac, Routers, Trunks, FakeService):
    """State is ``tables``: {collection: {id: object}}, tests may look and change."""

    def __init__(self, thread: LoopThread, name: str, journal: Journal, keystone: Keystone) -> None:
        super().__init__(thread, name, journal)
        self.keystone = keystone
        self.tables: dict[str, dict[str, Object]] = {name: {} for name in RESOURCES}
        self.quota: dict[str, int] = dict(DEFAULT_QUOTA)
        self.aliases = set(ALIASES)
        #: Whether it refuses routers that are not highly available.
        self.always_ha = False
        #: Its option of that name.
        self.allow_bulk = True
        #: how many routes a router may have, how many a subnet may tell: Neutron's own defaults
        self.max_routes, self.max_host_routes = 30, 20
        #: the largest packet its networks carry
        self.max_mtu = 1500

    # -- what tests say ----------------------------------------------------------------------

    def make(self, collection: str, project_id: str = "", **values: Any) -> Object:
        """Make an object without a request, with the same rules."""
        return self._create(collection, {**values, "project_id": project_id}, None)

    def network(
        self, project_id: str, name: str = "net", cidr: str = "10.0.0.0/24", **more: Any
    ) -> Object:
        """A network with one subnet."""
        network = self.make("networks", project_id, name=name, **more)
        self.make("subnets", project_id, name=name, network_id=network["id"], cidr=cidr)
        return network

    def ports(self, **wanted: Any) -> list[Object]:
        return [
            port
            for port in self.tables["ports"].values()
            if all(port.get(key) == value for key, value in wanted.items())
        ]

    # -- the API -----------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> web.Response:
        if refusal.status == 401:
            headers = {"WWW-Authenticate": f'Keystone uri="{self.keystone.url}/v3"'}
            return web.json_response(
                {"error": {"code": 401, "message": refusal.message}}, status=401, headers=headers
            )
        kind = refusal.kind or "HTTPError"
        status = 409 if refusal.kind == "OverQuota" else refusal.status
        error = {"type": kind, "message": refusal.message, "detail": ""}
        return web.json_response({"NeutronError": error}, status=status)

    async def answer(self, exchange: Exchange) -> web.Response:
        if exchange.path in ("/", "/v2.0", "/v2.0/"):
            return self._discovery(exchange)
        exchange.token = self.keystone.admit(exchange.http, "network")
        response = await self.dispatch(exchange)
        response.headers["X-Openstack-Request-Id"] = f"req-{new_id()}"
        return response

    def _discovery(self, exchange: Exchange) -> web.Response:
        if exchange.path == "/":
            links = [{"rel": "self", "href": f"{self.url}/v2.0/"}]
            return reply({"versions": [{"id": "v2.0", "status": "CURRENT", "links": links}]})
        return reply({"resources": []})

    @route("GET", "/v2.0/extensions")
    def extensions(self, exchange: Exchange) -> web.Response:
        named = [{"alias": name, "name": name} for name in sorted(self.aliases)]
        return reply({"extensions": named})

    @route("GET", "/v2.0/quotas/{project_id}")
    def show_quota(self, exchange: Exchange, project_id: str) -> web.Response:
        return reply({"quota": self.quota})

    @route("GET", "/v2.0/quotas/{project_id}/default")
    def show_default_quota(self, exchange: Exchange, project_id: str) -> web.Response:
        return reply({"quota": self.quota})

    @route("GET", "/v2.0/auto-allocated-topology/{project_id}")
    def topology(self, exchange: Exchange, project_id: str) -> web.Response:
        """The network ``auto`` means; made once a project."""
        project_id = exchange.token.project_id if project_id == "null" else project_id
        if "dry-run" in exchange.query.getall("fields", []):
            return reply({"auto_allocated_topology": {"id": "dry-run=pass"}})
        for network in self.tables["networks"].values():
            if network["name"] == "auto_allocated_network" and network["project_id"] == project_id:
                break
        else:
            network = self.network(project_id, "auto_allocated_network", "10.99.0.0/24")
        return reply({"auto_allocated_topology": {"id": network["id"], "tenant_id": project_id}})

    @route("GET", "/v2.0/{collection}")
    def index(self, exchange: Exchange, collection: str) -> web.Response:
        table = self._table(collection)
        if collection.startswith("security"):
            named = exchange.query.get("project_id") or exchange.query.get("tenant_id")
            self._default_group(named or exchange.token.project_id)
        found = [o for o in table.values() if self._visible(collection, o, exchange.token)]
        asked = [key for key in dict.fromkeys(exchange.query) if key not in NOT_FILTERS]
        if unknown := [key for key in asked if key not in FILTERS[collection]]:
            text = f"{unknown} is invalid attribute for filtering"
            raise Refusal(400, text, "HTTPBadRequest")
        for key in asked:
            wanted = exchange.query.getall(key)
            found = [item for item in found if self._matches(item, key, wanted)]
        orders = zip(
            exchange.query.getall("sort_key", []),
            exchange.query.getall("sort_dir", []),
            strict=False,
        )
        for key, direction in reversed(list(orders)):
            found.sort(key=lambda o: str(o.get(key)), reverse=direction == "desc")
        links: Object = {}
        plural = collection.replace("-", "_")
        if "limit" in exchange.query:
            if "sort_key" not in exchange.query:
                found.sort(key=lambda item: item["id"])
            ids = [item["id"] for item in found]
            if "marker" in exchange.query:
                if exchange.query["marker"] not in ids:
                    raise Refusal(400, "Invalid marker", "InvalidInput")
                found = found[ids.index(exchange.query["marker"]) + 1 :]
            limit = int(exchange.query["limit"])
            if len(found) > limit > 0:
                found = found[:limit]
                following = exchange.http.url.update_query(marker=found[-1]["id"])
                href = self.url + str(following.relative())
                links[f"{plural}_links"] = [{"rel": "next", "href": href}]
        shown = [self._show(collection, item, exchange) for item in found]
        return reply({plural: shown, **links})

    @route("POST", "/v2.0/{collection}")
    async def create(self, exchange: Exchange, collection: str) -> web.Response:
        self._table(collection)
        single = RESOURCES[collection][0]
        plural = collection.replace("-", "_")
        body = exchange.json()
        if plural in body and not self.allow_bulk:
            raise Refusal(400, "Bulk operation not supported", "HTTPBadRequest")
        wanted = body.get(plural) or [exchange.json(single)]
        made: list[Object] = []
        try:
            for values in wanted:
                self._check_rights(collection, values, exchange.token)
                made.append(self._create(collection, dict(values), exchange.token))
        except Refusal:
            for item in made:
                del self.tables[collection][item["id"]]
            raise
        await self.after_creates(collection, made, exchange.token)
        shown = [self._show(collection, item, exchange) for item in made]
        return reply({plural: shown} if plural in body else {single: shown[0]}, 201)

    @route("GET", "/v2.0/{collection}/{object_id}")
    def show(self, exchange: Exchange, collection: str, object_id: str) -> web.Response:
        item = self._get(collection, object_id, exchange.token)
        return reply({RESOURCES[collection][0]: self._show(collection, item, exchange)})

    @route("PUT", "/v2.0/{collection}/{object_id}")
    async def update(self, exchange: Exchange, collection: str, object_id: str) -> web.Response:
        item = self._get(collection, object_id, exchange.token)
        single = RESOURCES[collection][0]
        values = exchange.json(single)
        self._check_rights(collection, values, exchange.token, item)
        match = exchange.http.headers.get("If-Match")
        if match not in (None, f"revision_number={item['revision_number']}"):
            raise Refusal(
                412,
                f"Constrained to {match.removeprefix('revision_number=')}, but current revision "
                f"is {item['revision_number']}",
                "RevisionNumberConstraintFailed",
            )
        unknown = set(values) - self._attributes(collection)
        if unknown:
            raise Refusal(400, f"Unrecognized attribute(s) '{', '.join(sorted(unknown))}'")
        before = dict(item)
        values = dict(values)
        self._check_policy(collection, values)
        if collection == "ports":
            self._check_port({**item, **values}, values, item)
        if collection == "subnets":
            self._check_pools({**item, **values})
        if collection == "rbac-policies":
            self._check_retarget(item, values.get("target_tenant"))
            values["target_project"] = values.get("target_tenant", item["target_tenant"])
        if collection == "networks":
            if item["shared"] and not values.get("shared", True):
                self._check_unshared(item)
            external = values.get("router:external", item["router:external"])
            if external and not item["router:external"]:
                self._open_to_all(item)
            if not external:
                self._forget_policies(object_id, EXTERNAL)
        if collection == "floatingips" and values.get("port_id"):
            self._check_no_forwarding(item)
        if collection == "address-groups" and "addresses" in values:
            raise Refusal(400, "Cannot update read-only attribute addresses", "HTTPBadRequest")
        if values.get("stateful", item.get("stateful")) != item.get("stateful") and any(
            object_id in port["security_groups"] for port in self.ports()
        ):
            raise Refusal(409, f"Security Group {object_id} in use.", "SecurityGroupInUse")
        if collection == "routers":
            self._change_router(item, values)
        if collection == "floatingips":
            self._reassociate(item, values)
        if collection == "subnets":
            self._check_host_routes(values)
        if collection == "networks" and "mtu" in values:
            values["mtu"] = self._mtu(values["mtu"])
        item.update(values)
        item["revision_number"] += 1
        item["updated_at"] = timestamp()
        await self.after_change(collection, item, before, exchange.token)
        return reply({single: self._show(collection, item, exchange)})

    @route("DELETE", "/v2.0/{collection}/{object_id}")
    async def delete(self, exchange: Exchange, collection: str, object_id: str) -> web.Response:
        item = self._get(collection, object_id, exchange.token)
        self.remove(collection, item, exchange.token)
        await self.after_change(collection, None, item, exchange.token)
        return reply(None, 204)

    @route("PUT", "/v2.0/{collection}/{object_id}/tags/{tag}")
    def add_tag(
        self, exchange: Exchange, collection: str, object_id: str, tag: str
    ) -> web.Response:
        tags = self._get(collection, object_id, exchange.token)["tags"]
        if tag not in tags:
            tags.append(tag)
        return reply(None, 201)

    @route("PUT", "/v2.0/address-groups/{group_id}/{action}_addresses")
    def change_addresses(self, exchange: Exchange, group_id: str, action: str) -> web.Response:
        group = self._get("address-groups", group_id, exchange.token)
        given = {cidr(address) for address in exchange.json()["addresses"]}
        there = set(group["addresses"])
        wrong = given & there if action == "add" else given - there
        if wrong:
            kind = "AddressesAlreadyExist" if action == "add" else "AddressesNotFound"
            raise Refusal(400 if action == "add" else 404, f"Addresses {sorted(wrong)}", kind)
        group["addresses"] = sorted(there | given if action == "add" else there - given)
        return reply({"address_group": self._show("address-groups", group, exchange)})

    # -- the rules ---------------------------------------------------------------------------

    def _lacks(self, name: str) -> bool:
        return name in OF_EXTENSION and OF_EXTENSION[name] not in self.aliases

    def _attributes(self, collection: str) -> set[str]:
        names = {*RESOURCES[collection][1], "description"}
        if collection == "rbac-policies":
            names.remove("description")
        return {name for name in names if not self._lacks(name)}

    def _table(self, collection: str) -> dict[str, Object]:
        if collection not in self.tables or self._lacks(collection):
            raise Refusal(404, "The resource could not be found.")
        return self.tables[collection]

    def _visible(self, collection: str, item: Object, token: Token | None) -> bool:
        if token is None or token.is_admin or item["project_id"] == token.project_id:
            return True
        if collection in [kind for kind, _ in TYPES.values()] and self.shared_with(
            item, token.project_id
        ):
            return True
        if collection in ("networks", "policies"):
            return bool(item["shared"])
        if collection == "subnets":
            return self._visible("networks", self.tables["networks"][item["network_id"]], token)
        return collection in ("agents", "availability_zones")

    def sees_network(self, network_id: str, token: Token) -> bool:
        return self._visible("networks", self.tables["networks"][network_id], token)

    def _get(self, collection: str, object_id: str, token: Token | None) -> Object:
        item = self._table(collection).get(object_id)
        if item is None or not self._visible(collection, item, token):
            raise no_port(RESOURCES[collection][0], object_id)
        return item

    @staticmethod
    def _matches(item: Object, key: str, wanted: list[str]) -> bool:
        if key == "tenant_id":
            key = "project_id"
        if key == "fixed_ips":
            pairs = [one.split("=", 1) for one in wanted]
            return any(all(ip.get(k) == v for k, v in pairs) for ip in item["fixed_ips"])
        if key not in item:
            raise Refusal(400, f"['{key}'] is invalid attribute for filtering", "HTTPBadRequest")
        value = item[key]
        if isinstance(value, list):
            return any(one in value for one in wanted)
        if isinstance(value, bool):
            return str(value).lower() in [one.lower() for one in wanted]
        return str("" if value is None else value) in wanted

    def _check_rights(
        self, collection: str, values: Object, token: Token, item: Object | None = None
    ) -> None:
        if token.is_admin:
            return
        owner = values.get("project_id", values.get("tenant_id"))
        if owner not in (None, token.project_id):
            raise Refusal(
                400, "Specifying 'project_id' other than the authenticated project in request is "
                "not allowed for the current user.", "HTTPBadRequest",
            )  # fmt: skip
        foreign = item is not None and item["project_id"] != token.project_id
        hidden = [name for name in values if name.startswith(ADMIN_ONLY) and "vnic" not in name]
        for name in OF_ADMINS.get(collection, ()):
            told = values.get(name)
            if told or (told is not None and (item is not None or collection == "routers")):
                hidden.append(name)
        if hidden or foreign or collection == "policies":
            raise Refusal(
                403, f"rule:create_{collection} is disallowed by policy", "PolicyNotAuthorized"
            )
        if "reader" in token.roles and "member" not in token.roles:
            raise Refusal(403, "disallowed by policy", "PolicyNotAuthorized")
        if str(values.get("device_owner", "")).startswith("network:"):
            raise Refusal(403, "device_owner is disallowed by policy", "PolicyNotAuthorized")

    def _create(self, collection: str, values: Object, token: Token | None) -> Object:
        single, defaults = RESOURCES[collection]
        project = values.pop("project_id", None) or values.pop("tenant_id", None)
        values.pop("tenant_id", None)
        project = project or (token.project_id if token else "")
        unknown = set(values) - self._attributes(collection)
        if unknown and token is not None:
            raise Refusal(400, f"Unrecognized attribute(s) '{', '.join(sorted(unknown))}'")
        if token is not None and not collection.endswith("rules"):
            used = [o for o in self.tables[collection].values() if o["project_id"] == project]
            if len(used) >= self.quota.get(single, 1000):
                raise Refusal(409, f"Quota exceeded for resources: ['{single}'].", "OverQuota")
        item: Object = {
            "id": new_id(),
            "project_id": project,
            "tenant_id": project,
            "description": "",
            **{k: list(v) if isinstance(v, list) else v for k, v in defaults.items()},
            **values,
            "revision_number": 0,
            "created_at": timestamp(),
            "updated_at": timestamp(),
            "tags": [],
        }
        item["description"] = item["description"] or ""
        self._check_policy(collection, values)
        check = getattr(self, f"_prepare_{single}", None)
        if check is not None:
            check(item, token)
        self.tables[collection][item["id"]] = item
        return item

    def _mtu(self, wanted: int) -> int:
        """Neutron takes none for the largest there is."""
        if wanted > self.max_mtu:
            raise Refusal(400, "Invalid input for operation: Requested MTU is too big, maximum is "
                               f"{self.max_mtu}.", "InvalidInput")  # fmt: skip
        return wanted or self.max_mtu

    def _prepare_network(self, item: Object, token: Token | None) -> None:
        item["status"] = "ACTIVE"
        item["subnets"] = []
        item["mtu"] = self._mtu(item["mtu"])
        item["availability_zones"] = []
        item["provider:network_type"] = item["provider:network_type"] or "local"
        segment = [item[f"provider:{name}"] for name in SEGMENT]
        for other in self.tables["networks"].values():
            if segment[1] and segment == [other[f"provider:{name}"] for name in SEGMENT]:
                raise Refusal(
                    409, f"Unable to create the network. {segment} is in use.", "VlanIdInUse"
                )
        if item["router:external"]:
            self._open_to_all(item)

    def _prepare_subnet(self, item: Object, token: Token | None) -> None:
        network = self._get("networks", item["network_id"], token)
        if network["project_id"] != item["project_id"] and token and not token.is_admin:
            raise Refusal(403, "disallowed by policy", "PolicyNotAuthorized")
        self._check_host_routes(item)
        span = ipaddress.ip_network(item["cidr"])
        item["ip_version"] = span.version
        for other in self.tables["subnets"].values():
            beside = ipaddress.ip_network(other["cidr"])
            if (
                other["network_id"] == network["id"]
                and beside.version == span.version
                and beside.overlaps(span)
            ):
                raise Refusal(
                    400, f"Invalid input for operation: Requested subnet with cidr: {span} for "
                    f"network: {network['id']} overlaps with another subnet.", "InvalidInput",
                )  # fmt: skip
        if item["gateway_ip"] == "":  # Not named: None is a subnet without one.
            item["gateway_ip"] = str(span[1])
        most = min(span.num_addresses - 1, 4096)
        last = span[-2] if span.version == 4 and span.prefixlen < 31 else span[most]
        # That there is to be none is only heard when the subnet is there.
        item["allocation_pools"] = item["allocation_pools"] or [
            {"start": str(span[min(2, most)]), "end": str(last)}
        ]
        self._check_pools(item)
        network["subnets"].append(item["id"])

    def _check_host_routes(self, values: Object) -> None:
        if len(values.get("host_routes") or ()) > self.max_host_routes:
            raise Refusal(
                400,
                f"Unable to complete operation for {values.get('id', 'new subnet')}. The number of "
                f"host routes exceeds the limit {self.max_host_routes}.",
                "HostRoutesExhausted",
            )

    def _check_pools(self, subnet: Object) -> None:
        gateway = ipaddress.ip_address(subnet["gateway_ip"]) if subnet["gateway_ip"] else None
        for pool in subnet["allocation_pools"]:
            low, high = (ipaddress.ip_address(pool[end]) for end in ("start", "end"))
            if gateway is not None and gateway.version == low.version and low <= gateway <= high:
                raise Refusal(
                    409, f"Gateway ip {gateway} conflicts with allocation pool {low}-{high}.",
                    "GatewayConflictWithAllocationPools",
                )  # fmt: skip

    def _prepare_port(self, item: Object, token: Token | None) -> None:
        self._get("networks", item["network_id"] or "", token)
        item["status"] = "DOWN"
        item["binding:vif_type"] = "unbound"
        item["binding:vif_details"] = {}
        if item["mac_address"] is None:
            item["mac_address"] = "fa:16:3e:" + ":".join(
                f"{random.randrange(256):02x}" for _ in range(3)
            )
        if item["security_groups"] is None:
            plain = item["device_owner"].startswith("network:")
            item["security_groups"] = (
                []
                if plain or not item["project_id"]
                else [self._default_group(item["project_id"])["id"]]
            )
        self._check_port(item, item, None)

    def _check_port(self, whole: Object, given: Object, before: Object | None) -> None:
        """Hold a port's new state against the others on its network and fill in addresses."""
        others = [
            port
            for port in self.ports(network_id=whole["network_id"])
            if before is None or port["id"] != before["id"]
        ]
        if any(port["mac_address"] == whole["mac_address"] for port in others):
            raise Refusal(
                409,
                f"Unable to complete operation for network {whole['network_id']}. "
                f"The mac address {whole['mac_address']} is in use.",
                "MacAddressInUse",
            )
        for group in whole["security_groups"] or []:
            if group not in self.tables["security-groups"]:
                raise no_port("security_group", group)
        if "fixed_ips" in given:
            taken = {ip["ip_address"] for port in others for ip in port["fixed_ips"]}
            routed = whole["device_owner"] in (INTERFACE, DHCP)
            if not routed:
                self._check_own_addresses(given["fixed_ips"] or [])
            fixed = self._addresses(whole["network_id"], given["fixed_ips"], taken)
            given["fixed_ips"] = fixed if routed else self._with_own(whole, fixed)

    def _with_own(self, port: Object, fixed: list[Object]) -> list[Object]:
        """The addresses, with those that the port makes itself on other subnets."""
        has = {ip["subnet_id"] for ip in fixed}
        mac = port["mac_address"].replace(":", "")
        own = int(mac[:6] + "fffe" + mac[6:], 16) ^ (2 << 56)
        return fixed + [
            {"subnet_id": subnet["id"],
             "ip_address": str(ipaddress.ip_network(subnet["cidr"])[own])}
            for subnet in self.tables["subnets"].values()
            if subnet["network_id"] == port["network_id"] and subnet["id"] not in has
            and fixed and subnet["ipv6_address_mode"] in OWN_ADDRESSES
        ]  # fmt: skip

    def _check_own_addresses(self, wanted: list[Object]) -> None:
        """Where a port makes its address from its MAC, only routers may name theirs."""
        for want in wanted:
            subnet = self.tables["subnets"].get(want.get("subnet_id", ""), {})
            if subnet.get("ipv6_address_mode") in OWN_ADDRESSES and (
                address := want.get("ip_address")
            ):
                raise Refusal(
                    400, f"Invalid input for operation: IPv6 address {address} cannot be directly "
                    f"assigned to a port on subnet {subnet['id']} as the subnet is configured for "
                    "automatic addresses.", "InvalidInput",
                )  # fmt: skip

    def _addresses(self, network_id: str, wanted: Any, taken: set[str]) -> list[Object]:
        subnets = [s for s in self.tables["subnets"].values() if s["network_id"] == network_id]
        if wanted is None:
            first = {s["ip_version"]: s for s in reversed(subnets)}
            wanted = [{"subnet_id": s["id"]} for _, s in sorted(first.items())]
        result = []
        for want in wanted:
            address, subnet_id = want.get("ip_address"), want.get("subnet_id")
            if subnet_id is None:
                fits = [
                    s
                    for s in subnets
                    if ipaddress.ip_address(address) in ipaddress.ip_network(s["cidr"])
                ]
                if not fits:
                    raise Refusal(
                        400, f"IP address {address} is not a valid IP for any of the subnets on "
                        "the specified network.", "InvalidIpForNetwork",
                    )  # fmt: skip
                subnet = fits[0]
            else:
                subnet = self._get("subnets", subnet_id, None)
                cidr = ipaddress.ip_network(subnet["cidr"])
                if address is not None and ipaddress.ip_address(address) not in cidr:
                    raise Refusal(
                        400, f"IP address {address} is not a valid IP for the specified subnet.",
                        "InvalidIpForSubnet",
                    )  # fmt: skip
            if address is None:
                if not subnet["allocation_pools"]:
                    raise Refusal(
                        409, f"No more IP addresses available on network {network_id}.",
                        "IpAddressGenerationFailure",
                    )  # fmt: skip
                pool = subnet["allocation_pools"][0]
                low = ipaddress.ip_address(pool["start"])
                high = ipaddress.ip_address(pool["end"])
                while str(low) in taken or str(low) == subnet["gateway_ip"]:
                    low += 1
                    if low > high:
                        raise Refusal(
                            409, f"No more IP addresses available on network {network_id}.",
                            "IpAddressGenerationFailure",
                        )  # fmt: skip
                address = str(low)
            elif address in taken:
                raise Refusal(
                    409, f"IP address {address} already allocated in subnet {subnet['id']}",
                    "IpAddressAlreadyAllocated",
                )  # fmt: skip
            taken.add(address)
            result.append({"subnet_id": subnet["id"], "ip_address": address})
        return result

    def _default_group(self, project_id: str) -> Object:
        for group in self.tables["security-groups"].values():
            if group["project_id"] == project_id and group["name"] == "default":
                return group
        return self._create("security-groups", {"name": "default", "project_id": project_id}, None)

    def _prepare_security_group(self, item: Object, token: Token | None) -> None:
        if token is not None:
            self._default_group(item["project_id"])
            if item["name"] == "default":
                raise Refusal(
                    409,
                    "Default security group already exists.",
                    "SecurityGroupDefaultAlreadyExists",
                )
        item["security_group_rules"] = []
        self.tables["security-groups"][item["id"]] = item
        for ethertype in ("IPv4", "IPv6"):
            for direction in ("egress", *(["ingress"] if item["name"] == "default" else [])):
                self._create(
                    "security-group-rules",
                    {
                        "security_group_id": item["id"],
                        "direction": direction,
                        "ethertype": ethertype,
                        "remote_group_id": item["id"] if direction == "ingress" else None,
                        "project_id": item["project_id"],
                    },
                    None,
                )

    def _prepare_security_group_rule(self, item: Object, token: Token | None) -> None:
        group = self._get("security-groups", item["security_group_id"], token)
        remotes = [item[name] for name in REMOTES if item[name]]
        if len(remotes) > 1:
            raise Refusal(
                400, "Only one remote may be provided.", "SecurityGroupMultipleRemoteEntites"
            )
        for name, collection in REMOTES.items():
            if collection and item[name]:
                self._get(collection, item[name], None)
        for other in group["security_group_rules"]:
            if rule_key(other) == rule_key(item):
                raise Refusal(409, "Security group rule already exists.", "SecurityGroupRuleExists")
        group["security_group_rules"].append(item)

    def _prepare_address_group(self, item: Object, token: Token | None) -> None:
        item["addresses"] = sorted({cidr(address) for address in item["addresses"]})

    def remove(self, collection: str, item: Object, token: Token | None) -> None:
        joined = item.get("device_id") in self.tables["routers"]
        if collection == "ports" and item["device_owner"] == INTERFACE and joined:
            raise Refusal(409, f"Port {item['id']} cannot be deleted.", "ServicePortInUse")
        if collection == "ports":
            self._check_trunkless(item)
        if collection == "floatingips":
            self._check_no_forwarding(item)
        if collection == "trunks":
            self._release_subports(item)
        if collection == "policies":
            self._check_policy_unused(item)
        if collection == "rbac-policies":
            self._check_retarget(item, None)
            self._close_external(item)
        if collection == "routers":
            if any(port["device_owner"] != GATEWAY for port in self.ports(device_id=item["id"])):
                raise Refusal(409, f"Router {item['id']} still has ports", "RouterInUse")
            self._regate(item, None)
        if collection == "networks":
            users = [
                p for p in self.ports(network_id=item["id"]) if p["device_owner"] != "network:dhcp"
            ]
            if users:
                raise Refusal(409, f"Network {item['id']} has ports in use.", "NetworkInUse")
            for subnet_id in item["subnets"]:
                self.tables["subnets"].pop(subnet_id, None)
        if collection == "subnets":
            automatic = item["ipv6_address_mode"] in OWN_ADDRESSES
            if any(
                ip["subnet_id"] == item["id"]
                for port in self.ports(network_id=item["network_id"])
                if port["device_owner"] == INTERFACE
                or (port["device_owner"] != DHCP and not automatic)
                for ip in port["fixed_ips"]
            ):
                raise Refusal(409, f"Subnet {item['id']} is in use.", "SubnetInUse")
            self.tables["networks"][item["network_id"]]["subnets"].remove(item["id"])
        if collection == "security-groups":
            if any(item["id"] in port["security_groups"] for port in self.ports()):
                raise Refusal(409, f"Security Group {item['id']} in use.", "SecurityGroupInUse")
            for rule in list(self.tables["security-group-rules"].values()):
                if item["id"] in (rule["security_group_id"], rule["remote_group_id"]):
                    self.remove("security-group-rules", rule, token)
        if collection == "address-groups" and any(
            rule["remote_address_group_id"] == item["id"]
            for rule in self.tables["security-group-rules"].values()
        ):
            raise Refusal(409, f"Address group {item['id']} is in use.", "AddressGroupInUse")
        if collection == "security-group-rules":
            group = self.tables["security-groups"].get(item["security_group_id"])
            if group:
                group["security_group_rules"].remove(item)
        self.tables[collection].pop(item["id"], None)
        self._forget_policies(item["id"])

    def _show(self, collection: str, item: Object, exchange: Exchange) -> Object:
        shown = dict(item)
        if not exchange.token.is_admin:
            for name in [key for key in shown if key in BINDING or key.startswith("provider:")]:
                del shown[name]
        fields = exchange.query.getall("fields", [])
        return {key: value for key, value in shown.items() if not fields or key in fields}

    async def after_creates(self, collection: str, items: list[Object], token: Token) -> None:
        """What one request made."""
        for item in items:
            await self.after_change(collection, item, None, token)

    async def after_change(
        self, collection: str, item: Object | None, before: Object | None, token: Token
    ) -> None:
        """Bind as a pod does: any host is good, and the port is up once a device plugs it."""
        if collection != "ports" or item is None:
            return
        if self.by_agents:
            self._bind_by_agent(item, before)
            return
        if item["binding:host_id"]:
            item["binding:vif_type"] = "ovs"
            item["status"] = "ACTIVE"
        elif before and before["binding:host_id"]:
            item["binding:vif_type"] = "unbound"
            item["status"] = "DOWN"


def cidr(address: str) -> str:
    return str(ipaddress.ip_network(address, strict=False))


def rule_key(rule: Object) -> tuple[Any, ...]:
    """Two rules with the same one are the same to Neutron."""
    protocol, prefix = rule["protocol"], rule["remote_ip_prefix"]
    protocol = PROTOCOLS.get(str(protocol), str(protocol))
    names = set(RESOURCES["security-group-rules"][1]) - {"protocol", "remote_ip_prefix"}
    return (
        None if protocol in ("None", "any") else protocol,
        None if prefix in (None, "0.0.0.0/0", "::/0") else prefix,
        *(rule[name] for name in sorted(names)),
    )


def timestamp() -> str:
    return utc_now().strftime("%Y-%m-%dT%H:%M:%SZ")
