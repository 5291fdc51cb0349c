# SPDX-License-Identifier: Apache-2.0
"""Nova's servers: create, list as Nova lists, actions, metadata, tags, interfaces."""

import dataclasses
import datetime
import functools
import hashlib
import re
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import (
    Exchange,
    FakeService,
    Refusal,
    new_id,
    reply,
    route,
    utc_now,
)
from tests.functional.fakes.keystone import Keystone, Token
from tests.functional.fakes.neutron import Neutron
from tests.functional.fakes.schemas import check_create

Object = dict[str, Any]
ISO = "%Y-%m-%dT%H:%M:%SZ"

#: sort keys a user may name -> the attribute of Server
SORT_KEYS = {
    "created_at": "created",
    "updated_at": "updated",
    "launched_at": "launched",
    "uuid": "id",
    "display_name": "name",
    "display_description": "description",
    "availability_zone": "zone",
    "key_name": "key_name",
    "hostname": "hostname",
    "image_ref": "image_id",
    "project_id": "project_id",
    "user_id": "user_id",
    "vm_state": "vm_state",
    "task_state": "task_state",
    "power_state": "power_state",
    "progress": "progress",
    "config_drive": "config_drive",
    "host": "host",
    "node": "host",
    "launch_index": "launch_index",
    "root_device_name": "root_device_name",
    "locked": "locked",
}
MEMBER_FILTERS = {
    "reservation_id", "name", "status", "image", "flavor", "ip", "changes-since", "all_tenants",
}  # fmt: skip
LATER_FILTERS = {
    (2, 5): {"ip6"},
    (2, 26): {"tags", "tags-any", "not-tags", "not-tags-any"},
    (2, 66): {"changes-before"},
    (2, 73): {"locked"},
    (2, 83): {"availability_zone", "config_drive", "key_name", "created_at", "launched_at",
              "terminated_at", "power_state", "task_state", "vm_state", "progress", "user_id"},
}  # fmt: skip
PAGING = {"limit", "marker", "sort_key", "sort_dir", "deleted", "tenant_id", "project_id"}
KNOWN_FILTERS = (
    MEMBER_FILTERS.union(*LATER_FILTERS.values())
    | PAGING
    | {"host", "node", "hostname", "uuid", "description", "image_ref", "soft_deleted"}
)
VM_STATES = {
    "ACTIVE": "active", "BUILD": "building", "ERROR": "error", "SHUTOFF": "stopped",
    "PAUSED": "paused", "SUSPENDED": "suspended", "SHELVED_OFFLOADED": "shelved_offloaded",
    "RESCUE": "rescued", "VERIFY_RESIZE": "resized", "DELETED": "deleted",
    "SOFT_DELETED": "soft-delete", "REBOOT": "active",
}  # fmt: skip

#: action -> (states it may be done in; empty: any, state afterwards; None: unchanged)
ACTIONS: dict[str, tuple[tuple[str, ...], str | None]] = {
    "os-start": (("SHUTOFF",), "ACTIVE"),
    "os-stop": (("ACTIVE",), "SHUTOFF"),
    "reboot": (("ACTIVE", "SHUTOFF"), "ACTIVE"),
    "pause": (("ACTIVE",), "PAUSED"),
    "unpause": (("PAUSED",), "ACTIVE"),
    "suspend": (("ACTIVE",), "SUSPENDED"),
    "resume": (("SUSPENDED",), "ACTIVE"),
    "shelve": (("ACTIVE", "SHUTOFF"), "SHELVED_OFFLOADED"),
    "unshelve": (("SHELVED_OFFLOADED",), "ACTIVE"),
    "resize": (("ACTIVE", "SHUTOFF"), "VERIFY_RESIZE"),
    "confirmResize": (("VERIFY_RESIZE",), "ACTIVE"),
    "revertResize": (("VERIFY_RESIZE",), "ACTIVE"),
    "rescue": (("ACTIVE", "SHUTOFF"), "RESCUE"),
    "unrescue": (("RESCUE",), "ACTIVE"),
    "rebuild": (("ACTIVE", "SHUTOFF", "ERROR"), "ACTIVE"),
    "changePassword": (("ACTIVE",), None),
    "trigger_crash_dump": (("ACTIVE",), None),
    "createBackup": (("ACTIVE", "SHUTOFF"), None),
    "createImage": (("ACTIVE", "SHUTOFF"), None),
    "lock": ((), None),
    "unlock": ((), None),
    "os-getConsoleOutput": ((), None),
    "os-getVNCConsole": ((), None),
    "os-getSPICEConsole": ((), None),
    "os-getRDPConsole": ((), None),
    "os-getSerialConsole": ((), None),
    "os-resetState": ((), None),
    "addSecurityGroup": ((), None),
    "removeSecurityGroup": ((), None),
    "forceDelete": ((), None),
    "migrate": (("ACTIVE", "SHUTOFF"), "VERIFY_RESIZE"),
}
ADMIN_ACTIONS = {"os-resetState", "migrate"}


def moment(text: str) -> datetime.datetime:
    found = datetime.datetime.fromisoformat(text)
    return found.astimezone(datetime.UTC).replace(tzinfo=None) if found.tzinfo else found


@dataclasses.dataclass
class Server:
    """One server; ``request`` is the body of the request that made it."""

    name: str
    project_id: str
    user_id: str
    id: str = dataclasses.field(default_factory=new_id)
    request: Object = dataclasses.field(default_factory=dict)
    status: str = "ACTIVE"
    created: datetime.datetime = dataclasses.field(default_factory=utc_now)
    updated: datetime.datetime = dataclasses.field(default_factory=utc_now)
    launched: datetime.datetime | None = None
    flavor_id: str = ""
    old_flavor_id: str = ""
    image_id: str = ""
    zone: str = "nova"
    pinned_zone: str | None = None
    host: str = "host1"
    hostname: str = ""
    description: str | None = None
    key_name: str | None = None
    metadata: dict[str, str] = dataclasses.field(default_factory=dict)
    tags: list[str] = dataclasses.field(default_factory=list)
    hints: Object = dataclasses.field(default_factory=dict)
    user_data: str | None = None
    config_drive: str = ""
    locked: bool = False
    deleted: bool = False
    progress: int = 0
    launch_index: int = 0
    task_state: str | None = None
    power_state: int = 1
    root_device_name: str = "/dev/sda"
    reservation_id: str = ""
    fault: Object | None = None
    actions: list[Object] = dataclasses.field(default_factory=list)
    own_ports: set[str] = dataclasses.field(default_factory=set)
    port_tags: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def vm_state(self) -> str:
        return VM_STATES[self.status]

    def sort_value(self, key: str) -> tuple[bool, Any]:
        """NULL sorts before everything, as in MySQL."""
        value = getattr(self, SORT_KEYS[key])
        if isinstance(value, datetime.datetime):
            value = value.replace(microsecond=0)
        elif isinstance(value, str):
            value = value.upper()  # as MariaDB's utf8mb3_general_ci compares
        return (value is not None, value)


class Servers(FakeService):
    """Mixed into Nova; what it needs from there is declared here."""

    keystone: Keystone
    neutron: Neutron
    images: dict[str, Object]
    flavors: dict[str, Object]
    keypairs: dict[tuple[str, str], Object]
    zone: str
    server_groups: dict[str, Any]
    quotas: dict[str, int]
    hinted_group: Callable[[Exchange, Object], Any]
    host_for: Callable[[Any], str | None]

    def prepare_servers(self) -> None:
        self.servers: dict[str, Server] = {}
        self.max_limit = 1000
        self.build_seconds = 0.0
        self.no_valid_host = False

    # -- what tests say ----------------------------------------------------------------------

    def add_server(self, name: str, user: str = "member", **values: Any) -> Server:
        """Make a server behind everybody's back."""
        token = self.keystone.issue(user)
        values.setdefault("flavor_id", next(iter(self.flavors), ""))
        values.setdefault("hostname", name)
        server = Server(name, token.project_id, token.user.id, zone=self.zone, **values)
        self.servers[server.id] = server
        return server

    def live(self) -> list[Server]:
        return [server for server in self.servers.values() if not server.deleted]

    # -- create ------------------------------------------------------------------------------

    @route("POST", "/servers")
    @route("POST", "/os-volumes_boot")
    def create_server(self, exchange: Exchange) -> web.Response:
        body = exchange.json()
        token: Token = exchange.token
        check_create(body, exchange.version)
        wanted = exchange.json("server")
        if wanted.get("imageRef") and wanted["imageRef"] not in self.images:
            raise Refusal(400, "Can not find requested image")
        flavor_id = str(wanted["flavorRef"]).rsplit("/", 1)[-1]
        if flavor_id not in self.flavors:
            raise Refusal(400, f"Flavor {flavor_id} could not be found.")
        if wanted.get("key_name") and (token.user.id, wanted["key_name"]) not in self.keypairs:
            raise Refusal(400, "Invalid key_name provided.")
        zone = wanted.get("availability_zone")
        if zone is not None and zone.split(":")[0] not in (self.zone, ""):
            raise Refusal(400, "The requested availability zone is not available")
        least = int(wanted.get("min_count", 1))
        most = int(wanted.get("max_count", least))
        if least > most:
            raise Refusal(400, "min_count must be <= max_count")
        used = [s for s in self.live() if s.project_id == token.project_id]
        allowed = self.quotas["instances"]
        room = allowed - len(used) if allowed >= 0 else 1000
        group = self.hinted_group(exchange, body)
        if room < least:
            raise Refusal(
                403,
                f"Quota exceeded for instances: Requested {least}, but already used {len(used)} "
                f"of {allowed} instances",
            )
        count = min(most, room)
        nics = self._nics(wanted, token, count)
        reservation = f"r-{new_id()[:8]}"
        made = []
        for index in range(count):
            server = Server(
                name=wanted["name"] if count == 1 else f"{wanted['name']}-{index + 1}",
                project_id=token.project_id,
                user_id=token.user.id,
                request=body,
                status="BUILD",
                flavor_id=flavor_id,
                image_id=wanted.get("imageRef") or "",
                zone=self.zone,
                pinned_zone=zone,
                hostname=wanted.get("hostname", wanted["name"]),
                description=wanted.get("description"),
                key_name=wanted.get("key_name"),
                metadata=dict(wanted.get("metadata", {})),
                tags=list(wanted.get("tags", [])),
                user_data=wanted.get("user_data"),
                config_drive="True" if wanted.get("config_drive") else "",
                hints=body.get("os:scheduler_hints", {}),
                launch_index=index,
                reservation_id=reservation,
                task_state="scheduling",
                host=self.host_for(group) or "",
            )
            if group is not None:
                group.members.append(server.id)
            server.actions.append(self._action("create", exchange))
            self.servers[server.id] = server
            self._plug(server, nics, wanted, token)
            made.append(server)
            self.thread.loop.call_later(self.build_seconds, self._built, server)
        if wanted.get("return_reservation_id"):
            return reply({"reservation_id": reservation}, 202)
        first = made[0]
        groups = wanted.get("security_groups") or [{"name": "default"}]
        answer: Object = {
            "id": first.id,
            "links": self._links("servers", first.id, exchange),
            "OS-DCF:diskConfig": wanted.get("OS-DCF:diskConfig", "MANUAL"),
            "security_groups": [{"name": group["name"]} for group in groups],
            "adminPass": wanted.get("adminPass", "aFakePass123"),
        }
        location = answer["links"][0]["href"]
        return reply({"server": answer}, 202, Location=location)

    def _built(self, server: Server) -> None:
        if server.status != "BUILD":
            return
        server.task_state = None
        if self.no_valid_host or not server.host:
            server.status = "ERROR"
            server.fault = {
                "code": 500,
                "created": server.created.strftime(ISO),
                "message": "No valid host was found. There are not enough hosts available.",
            }
            return
        server.status, server.launched = "ACTIVE", utc_now()

    @staticmethod
    def _action(name: str, exchange: Exchange) -> Object:
        return {
            "action": name,
            "request_id": exchange.request_id,
            "user_id": exchange.token.user.id,
            "project_id": exchange.token.project_id,
            "start_time": utc_now().isoformat(),
            "message": None,
        }

    # -- networks ----------------------------------------------------------------------------

    def _nics(self, wanted: Object, token: Token, count: int) -> list[Object]:
        networks = wanted.get("networks")
        mine = [
            network
            for network in self.neutron.tables["networks"].values()
            if network["project_id"] == token.project_id
        ]
        if networks == "none":
            return []
        if networks in (None, "auto", []):
            if len(mine) > 1:
                raise Refusal(409, "Multiple possible networks found, use a Network ID to be more "
                                   "specific.")  # fmt: skip
            return [{"uuid": network["id"]} for network in mine]
        for nic in networks:
            if nic.get("port"):
                if count > 1:
                    raise Refusal(
                        400, "The requested configuration of a single network port for multiple "
                        "servers is not supported.",
                    )  # fmt: skip
                port = self._port(nic["port"], token)
                if port["device_id"]:
                    raise Refusal(409, f"Port {nic['port']} is still in use.")
                if not port["fixed_ips"]:
                    raise Refusal(
                        400, f"Port {nic['port']} requires a FixedIP in order to be used."
                    )
            elif nic.get("uuid") not in self.neutron.tables["networks"]:
                raise Refusal(400, f"Network {nic.get('uuid')} could not be found.")
        return list(networks)

    def _port(self, port_id: str, token: Token) -> Object:
        port = self.neutron.tables["ports"].get(port_id)
        if port is None or (port["project_id"] != token.project_id and not token.is_admin):
            raise Refusal(400, f"Port id {port_id} could not be found.")
        return port

    def _plug(self, server: Server, nics: list[Object], wanted: Object, token: Token) -> None:
        for nic in nics:
            if nic.get("port"):
                port = self._port(nic["port"], token)
            else:
                port = self._make_port(server, nic, wanted.get("security_groups"))
            self._bind(server, port)
            if nic.get("tag"):
                server.port_tags[port["id"]] = nic["tag"]

    def _make_port(self, server: Server, nic: Object, groups: Any = None) -> Object:
        body: Object = {"network_id": nic["uuid"]}
        if nic.get("fixed_ip"):
            body["fixed_ips"] = [{"ip_address": nic["fixed_ip"]}]
        port = self.neutron.make("ports", server.project_id, **body)
        server.own_ports.add(port["id"])
        return port

    def _bind(self, server: Server, port: Object) -> None:
        port.update({
            "device_id": server.id, "device_owner": f"compute:{self.zone}", "status": "ACTIVE",
            "binding:host_id": server.host, "binding:vif_type": "ovs",
        })  # fmt: skip

    def _unplug(self, server: Server, port: Object) -> None:
        if port["id"] in server.own_ports:
            self.neutron.tables["ports"].pop(port["id"], None)
        else:
            port.update({"device_id": "", "device_owner": "", "status": "DOWN",
                         "binding:host_id": "", "binding:vif_type": "unbound"})  # fmt: skip

    # -- documents ---------------------------------------------------------------------------

    def _links(self, collection: str, object_id: str, exchange: Exchange) -> list[Object]:
        return [
            {"rel": "self", "href": f"{self.url}/v2.1/{collection}/{object_id}"},
            {"rel": "bookmark", "href": f"{self.url}/{collection}/{object_id}"},
        ]

    def _brief(self, server: Server, exchange: Exchange) -> Object:
        return {
            "id": server.id,
            "name": server.name,
            "links": self._links("servers", server.id, exchange),
        }

    def _addresses(self, server: Server) -> Object:
        found: dict[str, list[Object]] = {}
        for port in self.neutron.ports(device_id=server.id):
            network = self.neutron.tables["networks"][port["network_id"]]
            for ip in port["fixed_ips"]:
                found.setdefault(network["name"], []).append({
                    "version": 6 if ":" in ip["ip_address"] else 4,
                    "addr": ip["ip_address"],
                    "OS-EXT-IPS:type": "fixed",
                    "OS-EXT-IPS-MAC:mac_addr": port["mac_address"],
                })  # fmt: skip
        return found

    def _groups(self, server: Server) -> list[Object]:
        tables = self.neutron.tables
        return [
            tables["security-groups"][group_id]
            for port in self.neutron.ports(device_id=server.id)
            for group_id in port["security_groups"]
            if group_id in tables["security-groups"]
        ]

    def _document(self, server: Server, exchange: Exchange) -> Object:
        version, admin = exchange.version, exchange.token.is_admin
        flavor = self.flavors.get(server.flavor_id, {})
        project = server.project_id.encode()
        doc: Object = {
            **self._brief(server, exchange),
            "status": server.status,
            "tenant_id": server.project_id,
            "user_id": server.user_id,
            "metadata": server.metadata,
            "hostId": hashlib.sha224(project + server.host.encode()).hexdigest(),
            "image": "",
            "created": server.created.strftime(ISO),
            "updated": server.updated.strftime(ISO),
            "addresses": self._addresses(server),
            "accessIPv4": "",
            "accessIPv6": "",
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": server.zone,
            "OS-EXT-STS:task_state": server.task_state,
            "OS-EXT-STS:vm_state": server.vm_state,
            "OS-EXT-STS:power_state": server.power_state,
            "OS-SRV-USG:launched_at": server.launched and server.launched.isoformat(),
            "OS-SRV-USG:terminated_at": None,
            "config_drive": server.config_drive,
            "key_name": server.key_name,
            "os-extended-volumes:volumes_attached": [],
        }
        groups = sorted({group["name"] for group in self._groups(server)})
        if groups:
            doc["security_groups"] = [{"name": name} for name in groups]
        if server.image_id:
            link = {"rel": "bookmark", "href": f"{self.url}/images/{server.image_id}"}
            doc["image"] = {"id": server.image_id, "links": [link]}
        if version < (2, 47):
            link = {"rel": "bookmark", "href": f"{self.url}/flavors/{server.flavor_id}"}
            doc["flavor"] = {"id": server.flavor_id, "links": [link]}
        else:
            doc["flavor"] = {
                "original_name": flavor.get("name", ""),
                **{name: flavor.get(name, 0) for name in ("vcpus", "ram", "disk", "swap")},
                "ephemeral": flavor.get("OS-FLV-EXT-DATA:ephemeral", 0),
                "extra_specs": flavor.get("extra_specs", {}),
            }
        if server.fault and server.status == "ERROR":
            doc["fault"] = server.fault
        if server.status in ("BUILD", "ACTIVE"):
            doc["progress"] = server.progress
        if admin:
            doc["OS-EXT-SRV-ATTR:host"] = server.host
            doc["OS-EXT-SRV-ATTR:hypervisor_hostname"] = server.host
            doc["OS-EXT-SRV-ATTR:instance_name"] = f"instance-{server.launch_index:08x}"
            if version >= (2, 3):
                doc["OS-EXT-SRV-ATTR:hostname"] = server.hostname
                doc["OS-EXT-SRV-ATTR:launch_index"] = server.launch_index
                doc["OS-EXT-SRV-ATTR:reservation_id"] = server.reservation_id
                doc["OS-EXT-SRV-ATTR:root_device_name"] = server.root_device_name
                doc["OS-EXT-SRV-ATTR:kernel_id"] = doc["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
                doc["OS-EXT-SRV-ATTR:user_data"] = server.user_data
            if version >= (2, 16):
                doc["host_status"] = "UP"
        elif version >= (2, 90):
            doc["OS-EXT-SRV-ATTR:hostname"] = server.hostname
        added = {
            (2, 9): ("locked", server.locked),
            (2, 19): ("description", server.description),
            (2, 26): ("tags", server.tags),
            (2, 63): ("trusted_image_certificates", None),
            (2, 73): ("locked_reason", None),
            (2, 96): ("pinned_availability_zone", server.pinned_zone),
            (2, 100): ("scheduler_hints", self._kept(server.hints)),
        }
        doc.update(dict(pair for since, pair in added.items() if version >= since))
        return doc

    @staticmethod
    def _kept(hints: Object) -> Object:
        """Hints as Nova keeps them: every value is a list."""
        return {
            name: value if isinstance(value, list) else [value] for name, value in hints.items()
        }

    def _whole(self, server: Server, exchange: Exchange) -> Object:
        """A document as it is shown of one server."""
        doc = self._document(server, exchange)
        if exchange.version >= (2, 71):
            groups = self.server_groups.values()
            doc["server_groups"] = [group.id for group in groups if server.id in group.members]
        return doc

    # -- list --------------------------------------------------------------------------------

    @route("GET", "/servers")
    def list_servers(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "servers", self._brief)

    @route("GET", "/servers/detail")
    def list_details(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "servers/detail", self._document)

    def _listed(self, exchange: Exchange, collection: str, show: Any) -> web.Response:
        page = self._page(exchange)
        body: Object = {"servers": [show(server, exchange) for server in page]}
        limit = self._limit(exchange)
        if page and len(page) == limit:
            following = exchange.http.url.update_query(marker=page[-1].id)
            prefix = exchange.http.path[: -len(f"/{collection}")]
            href = f"{self.url}{prefix}/{collection}?{following.raw_query_string}"
            body["servers_links"] = [{"rel": "next", "href": href}]
        return reply(body)

    def _limit(self, exchange: Exchange) -> int:
        text = exchange.query.get("limit", str(self.max_limit))
        if not text.isdigit():
            raise Refusal(
                400, f"Invalid input for query parameters limit. Value: {text}. '{text}' does "
                "not match '^[0-9]*$'",
            )  # fmt: skip
        return min(int(text), self.max_limit)

    def _page(self, exchange: Exchange) -> list[Server]:
        found = self._filtered(exchange)
        order = self._order(exchange)

        def compare(one: Server, other: Server) -> int:
            for key, direction in order:
                left, right = one.sort_value(key), other.sort_value(key)
                if left != right:
                    return (-1 if left < right else 1) * (1 if direction == "asc" else -1)
            return 0

        found.sort(key=functools.cmp_to_key(compare))
        marker = exchange.query.get("marker")
        if marker:
            # The marker's place is known by its values even if the filter leaves it out.
            at = self.servers.get(marker)
            if at is None or not self._mine(at, exchange):
                raise Refusal(400, f"marker [{marker}] not found")
            found = [server for server in found if compare(server, at) > 0]
        return found[: self._limit(exchange)]

    def _order(self, exchange: Exchange) -> list[tuple[str, str]]:
        keys = exchange.query.getall("sort_key", [])
        directions = exchange.query.getall("sort_dir", [])
        for key in keys:
            if key not in SORT_KEYS or (key == "locked" and exchange.version < (2, 73)):
                raise Refusal(400, f"Invalid input for query parameters sort_key. Value: {key}.")
            if key in ("host", "node") and not exchange.token.is_admin:
                raise Refusal(403, f"Only administrators can sort servers by {key}")
        if any(direction not in ("asc", "desc") for direction in directions):
            raise Refusal(400, "Unknown sort direction, must be 'desc' or 'asc'.")
        keys, directions = keys or ["created_at"], directions or ["desc"]
        directions += directions[:1] * (len(keys) - len(directions))
        order = list(zip(keys, directions, strict=False))
        return order if "uuid" in keys else [*order, ("uuid", "asc")]

    def _mine(self, server: Server, exchange: Exchange) -> bool:
        every = exchange.query.get("all_tenants", "0").lower() in ("1", "true", "yes", "on", "")
        if "all_tenants" in exchange.query and every:
            return True
        return server.project_id == exchange.token.project_id

    def _filtered(self, exchange: Exchange) -> list[Server]:
        query, version, token = exchange.query, exchange.version, exchange.token
        if "all_tenants" in query and not token.is_admin and query["all_tenants"] not in ("0",):
            raise Refusal(403, "Policy doesn't allow os_compute_api:servers:detail:get_all_tenants "
                               "to be performed.")  # fmt: skip
        unknown = set(query) - KNOWN_FILTERS
        if unknown and version >= (2, 75):
            raise Refusal(400, "Invalid input for query parameters None. Additional properties are "
                               f"not allowed ({sorted(unknown)[0]!r} was unexpected)")  # fmt: skip
        allowed = set(query) - unknown
        if not token.is_admin:
            since = (names for at, names in LATER_FILTERS.items() if version >= at)
            allowed &= MEMBER_FILTERS.union(*since)
        if "status" in query:
            states = [text.upper() for text in query.getall("status")]
            if not set(states) & set(VM_STATES):
                if version >= (2, 38):
                    raise Refusal(400, "Invalid status value")
                return []
        changes = {"changes-since", "changes-before"} & allowed
        with_deleted = changes or query.get("deleted", "").lower() in ("true", "1")
        found = [server for server in self.servers.values() if self._mine(server, exchange)]
        found = [server for server in found if with_deleted or not server.deleted]
        for name in allowed:
            check = getattr(self, f"_by_{name.replace('-', '_')}", None)
            if check is not None:
                found = [server for server in found if check(server, query.getall(name))]
        if token.is_admin:
            for name in {"project_id", "tenant_id"} & set(query):
                found = [server for server in found if server.project_id == query[name]]
        return found

    def _by_name(self, server: Server, values: list[str]) -> bool:
        return re.search(values[0], server.name) is not None

    def _by_status(self, server: Server, values: list[str]) -> bool:
        return server.status in [value.upper() for value in values]

    def _by_flavor(self, server: Server, values: list[str]) -> bool:
        return server.flavor_id == values[0]

    def _by_image(self, server: Server, values: list[str]) -> bool:
        return server.image_id == values[0]

    def _by_host(self, server: Server, values: list[str]) -> bool:
        return server.host == values[0]

    def _by_uuid(self, server: Server, values: list[str]) -> bool:
        return server.id == values[0]

    def _by_key_name(self, server: Server, values: list[str]) -> bool:
        return server.key_name == values[0]

    def _by_availability_zone(self, server: Server, values: list[str]) -> bool:
        return server.zone == values[0]

    def _by_reservation_id(self, server: Server, values: list[str]) -> bool:
        return server.reservation_id == values[0]

    def _by_locked(self, server: Server, values: list[str]) -> bool:
        return server.locked == (values[0].lower() == "true")

    def _by_ip(self, server: Server, values: list[str]) -> bool:
        found = [ip["addr"] for ips in self._addresses(server).values() for ip in ips]
        return any(re.search(values[0], address) for address in found)

    def _by_tags(self, server: Server, values: list[str]) -> bool:
        return set(values[0].split(",")) <= set(server.tags)

    def _by_tags_any(self, server: Server, values: list[str]) -> bool:
        return bool(set(values[0].split(",")) & set(server.tags))

    def _by_not_tags(self, server: Server, values: list[str]) -> bool:
        return not self._by_tags(server, values)

    def _by_not_tags_any(self, server: Server, values: list[str]) -> bool:
        return not self._by_tags_any(server, values)

    def _by_changes_since(self, server: Server, values: list[str]) -> bool:
        return server.updated.replace(microsecond=0) >= moment(values[0])

    def _by_changes_before(self, server: Server, values: list[str]) -> bool:
        return server.updated.replace(microsecond=0) <= moment(values[0])

    # -- one server --------------------------------------------------------------------------

    def _server(self, server_id: str, exchange: Exchange, *, gone_too: bool = False) -> Server:
        server = self.servers.get(server_id)
        token: Token = exchange.token
        foreign = server and server.project_id != token.project_id and not token.is_admin
        if server is None or (server.deleted and not gone_too) or foreign:
            raise Refusal(404, f"Instance {server_id} could not be found.")
        return server

    @route("GET", "/servers/{server_id}")
    def show_server(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"server": self._whole(self._server(server_id, exchange), exchange)})

    @route("PUT", "/servers/{server_id}")
    def update_server(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        wanted = exchange.json("server")
        server.name = wanted.get("name", server.name)
        server.description = wanted.get("description", server.description)
        server.updated = utc_now()
        return reply({"server": self._whole(server, exchange)})

    @route("DELETE", "/servers/{server_id}")
    def delete_server(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        if server.locked and not exchange.token.is_admin:
            raise Refusal(409, f"Instance {server_id} is locked")
        self.remove_server(server)
        return reply(None, 204)

    def remove_server(self, server: Server) -> None:
        for port in self.neutron.ports(device_id=server.id):
            self._unplug(server, port)
        server.deleted, server.status, server.updated = True, "DELETED", utc_now()

    @route("POST", "/servers/{server_id}/action")
    def act(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        body = exchange.json()
        if not isinstance(body, dict) or len(body) != 1:
            raise Refusal(400, "Malformed request body")
        ((name, argument),) = body.items()
        if name not in ACTIONS:
            raise Refusal(400, f"There is no such action: {name}")
        if name in ADMIN_ACTIONS and not exchange.token.is_admin:
            raise Refusal(403, f"Policy doesn't allow {name} to be performed.")
        states, after = ACTIONS[name]
        if states and server.status not in states:
            raise Refusal(409, f"Cannot '{name}' instance {server_id} while it is in vm_state "
                               f"{server.vm_state}")  # fmt: skip
        if server.locked and name not in ("unlock", "lock", "os-getConsoleOutput"):
            raise Refusal(409, f"Instance {server_id} is locked")
        server.actions.append(self._action(name, exchange))
        server.status = after or server.status
        server.updated = utc_now()
        special = getattr(self, f"_act_{re.sub('[^a-zA-Z]', '_', name)}", None)
        return special(exchange, server, argument) if special else reply(None, 202)

    def _act_lock(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        server.locked = True
        return reply(None, 202)

    def _act_unlock(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        server.locked = False
        return reply(None, 202)

    def _act_os_getConsoleOutput(
        self, exchange: Exchange, server: Server, argument: Any
    ) -> web.Response:
        return reply({"output": f"console of {server.name}"})

    def _act_forceDelete(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        self.remove_server(server)
        return reply(None, 202)

    def _act_os_resetState(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        server.status = "ERROR" if argument["state"] == "error" else "ACTIVE"
        return reply(None, 202)

    def _act_resize(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        server.old_flavor_id, server.flavor_id = server.flavor_id, argument["flavorRef"]
        return reply(None, 202)

    def _act_revertResize(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        server.flavor_id = server.old_flavor_id
        return reply(None, 202)

    def _act_rebuild(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        server.image_id = argument["imageRef"]
        return reply({"server": self._whole(server, exchange)}, 202)

    def _act_createImage(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        image_id = new_id()
        self.images[image_id] = {"id": image_id, "name": argument["name"]}
        if exchange.version >= (2, 45):
            return reply({"image_id": image_id}, 202)
        return reply(None, 202, Location=f"{self.url}/images/{image_id}")

    def _named_group(self, server: Server, name: str) -> Object:
        for group in self.neutron.tables["security-groups"].values():
            if name in (group["id"], group["name"]) and group["project_id"] == server.project_id:
                return group
        raise Refusal(404, f"Security group {name} not found.")

    def _act_addSecurityGroup(
        self, exchange: Exchange, server: Server, argument: Any
    ) -> web.Response:
        group = self._named_group(server, argument["name"])
        for port in self.neutron.ports(device_id=server.id):
            if group["id"] not in port["security_groups"]:
                port["security_groups"].append(group["id"])
        return reply(None, 202)

    def _act_removeSecurityGroup(
        self, exchange: Exchange, server: Server, argument: Any
    ) -> web.Response:
        group = self._named_group(server, argument["name"])
        for port in self.neutron.ports(device_id=server.id):
            if group["id"] in port["security_groups"]:
                port["security_groups"].remove(group["id"])
        return reply(None, 202)

    # -- below one server --------------------------------------------------------------------

    @route("GET", "/servers/{server_id}/metadata")
    def metadata(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"metadata": self._server(server_id, exchange).metadata})

    @route("POST", "/servers/{server_id}/metadata")
    def add_metadata(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        server.metadata.update(exchange.json("metadata"))
        return reply({"metadata": server.metadata})

    @route("PUT", "/servers/{server_id}/metadata")
    def set_metadata(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        server.metadata = dict(exchange.json("metadata"))
        return reply({"metadata": server.metadata})

    @route("GET", "/servers/{server_id}/metadata/{key}")
    def show_metadata(self, exchange: Exchange, server_id: str, key: str) -> web.Response:
        server = self._server(server_id, exchange)
        if key not in server.metadata:
            raise Refusal(404, "Metadata item was not found")
        return reply({"meta": {key: server.metadata[key]}})

    @route("DELETE", "/servers/{server_id}/metadata/{key}")
    def drop_metadata(self, exchange: Exchange, server_id: str, key: str) -> web.Response:
        server = self._server(server_id, exchange)
        if server.metadata.pop(key, None) is None:
            raise Refusal(404, "Metadata item was not found")
        return reply(None, 204)

    def _tagged(self, server_id: str, exchange: Exchange) -> Server:
        if exchange.version < (2, 26):
            raise Refusal(404, "The resource could not be found.")
        return self._server(server_id, exchange)

    @route("GET", "/servers/{server_id}/tags")
    def tags(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"tags": self._tagged(server_id, exchange).tags})

    @route("PUT", "/servers/{server_id}/tags")
    def set_tags(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._tagged(server_id, exchange)
        server.tags = exchange.json()["tags"]
        return reply({"tags": server.tags})

    @route("PUT", "/servers/{server_id}/tags/{tag}")
    def add_tag(self, exchange: Exchange, server_id: str, tag: str) -> web.Response:
        server = self._tagged(server_id, exchange)
        if tag in server.tags:
            return reply(None, 204)
        server.tags.append(tag)
        location = f"{self.url}/v2.1/servers/{server_id}/tags/{tag}"
        return reply(None, 201, Location=location)

    @route("DELETE", "/servers/{server_id}/tags/{tag}")
    def drop_tag(self, exchange: Exchange, server_id: str, tag: str) -> web.Response:
        self._tagged(server_id, exchange).tags.remove(tag)
        return reply(None, 204)

    @route("GET", "/servers/{server_id}/ips")
    def ips(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"addresses": self._addresses(self._server(server_id, exchange))})

    @route("GET", "/servers/{server_id}/diagnostics")
    def diagnostics(self, exchange: Exchange, server_id: str) -> web.Response:
        self._server(server_id, exchange)
        if not exchange.token.is_admin:
            raise Refusal(403, "Policy doesn't allow diagnostics to be performed.")
        return reply({"cpu0_time": 17300000000})

    @route("GET", "/servers/{server_id}/os-security-groups")
    def security_groups(self, exchange: Exchange, server_id: str) -> web.Response:
        groups = self._groups(self._server(server_id, exchange))
        shown = {
            group["id"]: {
                "id": group["id"],
                "name": group["name"],
                "description": group["description"],
                "tenant_id": group["project_id"],
                "rules": [],
            }
            for group in groups
        }
        return reply({"security_groups": list(shown.values())})

    @route("GET", "/servers/{server_id}/os-instance-actions")
    def instance_actions(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange, gone_too=exchange.version >= (2, 21))
        actions = reversed(server.actions)
        shown = [{**action, "instance_uuid": server_id} for action in actions]
        return reply({"instanceActions": shown})

    @route("GET", "/servers/{server_id}/os-instance-actions/{request_id}")
    def instance_action(self, exchange: Exchange, server_id: str, request_id: str) -> web.Response:
        server = self._server(server_id, exchange, gone_too=exchange.version >= (2, 21))
        for action in server.actions:
            if action["request_id"] == request_id:
                return reply({"instanceAction": {**action, "instance_uuid": server_id,
                                                 "events": []}})  # fmt: skip
        raise Refusal(404, f"Action for request_id {request_id} could not be found")

    # -- interfaces --------------------------------------------------------------------------

    def _interface(self, server: Server, port: Object, exchange: Exchange) -> Object:
        shown = {
            "net_id": port["network_id"],
            "port_id": port["id"],
            "mac_addr": port["mac_address"],
            "port_state": port["status"],
            "fixed_ips": port["fixed_ips"],
        }
        if exchange.version >= (2, 70):
            shown["tag"] = server.port_tags.get(port["id"])
        return shown

    @route("GET", "/servers/{server_id}/os-interface")
    def interfaces(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        ports = self.neutron.ports(device_id=server_id)
        shown = [self._interface(server, port, exchange) for port in ports]
        return reply({"interfaceAttachments": shown})

    def _plugged(self, server: Server, port_id: str) -> Object:
        port = self.neutron.tables["ports"].get(port_id)
        if port is None or port["device_id"] != server.id:
            raise Refusal(404, f"Instance {server.id} does not have a port with id {port_id}")
        return port

    @route("GET", "/servers/{server_id}/os-interface/{port_id}")
    def interface(self, exchange: Exchange, server_id: str, port_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        port = self._plugged(server, port_id)
        return reply({"interfaceAttachment": self._interface(server, port, exchange)})

    @route("POST", "/servers/{server_id}/os-interface")
    def attach(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        wanted = exchange.json("interfaceAttachment")
        if wanted.get("tag") and exchange.version < (2, 49):
            raise Refusal(400, "Additional properties are not allowed ('tag' was unexpected)")
        if wanted.get("port_id"):
            port = self._port(wanted["port_id"], exchange.token)
            if port["device_id"]:
                raise Refusal(409, f"Port {port['id']} is still in use.")
        else:
            fixed = wanted.get("fixed_ips") or [{}]
            nics = self._nics({"networks": wanted.get("net_id") and [{"uuid": wanted["net_id"]}]},
                              exchange.token, 1)  # fmt: skip
            if not nics:
                raise Refusal(400, "No networks there")
            port = self._make_port(
                server, {"uuid": nics[0]["uuid"], "fixed_ip": fixed[0].get("ip_address")}
            )
        self._bind(server, port)
        if wanted.get("tag"):
            server.port_tags[port["id"]] = wanted["tag"]
        return reply({"interfaceAttachment": self._interface(server, port, exchange)})

    @route("DELETE", "/servers/{server_id}/os-interface/{port_id}")
    def detach(self, exchange: Exchange, server_id: str, port_id: str) -> web.Response:
        server = self._server(server_id, exchange)
        self._unplug(server, self._plugged(server, port_id))
        return reply(None, 202)
