# SPDX-License-Identifier: Apache-2.0
"""What Nova has for operators: compute hosts, their services and hypervisors."""

import dataclasses
import re
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import (
    Exchange,
    FakeService,
    Refusal,
    checks_first,
    new_id,
    reply,
    route,
    utc_now,
)
from tests.functional.fakes.rights import admin_only
from tests.functional.fakes.server_store import Server

Object = dict[str, Any]
MAX_LIMIT = 1000


@dataclasses.dataclass
class Service:
    """A service of Nova on a host."""

    id: int
    binary: str
    host: str
    zone: str
    uuid: str = dataclasses.field(default_factory=new_id)
    disabled: bool = False
    reason: str | None = None
    forced_down: bool = False


@dataclasses.dataclass
class Hypervisor:
    """The compute node of a host."""

    id: int
    host: str
    uuid: str = dataclasses.field(default_factory=new_id)
    vcpus: int = 8
    memory_mb: int = 8192
    local_gb: int = 100


def is_uuid(text: str) -> bool:
    return re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", text) is not None


def gone(exchange: Exchange, last: tuple[int, int]) -> None:
    """What Nova says of an API that a microversion no longer has."""
    if exchange.version > last:
        raise Refusal(404, "The resource could not be found.")


def check_query(exchange: Exchange, known: set[str]) -> None:
    """Nova's words for query parameters its schema does not have."""
    for name in exchange.query:
        if name not in known:
            raise Refusal(
                400,
                "Invalid input for query parameters None. Additional properties are not allowed "
                f"('{name}' was unexpected)",
            )


def page(exchange: Exchange, items: list[Any], key: str) -> tuple[list[Any], int]:
    """The items of a page, and how many it may have; ``key`` is the attribute markers name."""
    given = exchange.query.get("limit", str(MAX_LIMIT))
    if not given.isdecimal():
        raise Refusal(
            400,
            f"Invalid input for query parameters limit. Value: {given}. '{given}' does not match "
            "'^[0-9]*$'",
        )
    limit = min(int(given), MAX_LIMIT)
    marker = exchange.query.get("marker")
    if marker is not None:
        ids = [str(getattr(item, key)) for item in items]
        if marker not in ids:
            raise Refusal(400, f"marker [{marker}] not found")
        items = items[ids.index(marker) + 1 :]
    return items[:limit], limit


class Operators(FakeService):
    """Mixed into Nova."""

    zone: str
    servers: dict[str, Server]
    flavors: dict[str, Object]

    def prepare_operators(self) -> None:
        self.region = self.name.split("/")[0]
        self.compute_services = [
            Service(1, "nova-conductor", f"{self.region}-controller", "internal"),
            Service(2, "nova-scheduler", f"{self.region}-controller", "internal"),
        ]
        self.hypervisors: list[Hypervisor] = []
        self.aggregates: list[Object] = []
        self.last_aggregate = 0
        self.cached_images: list[tuple[str, str]] = []
        # One host is called the same in every pod.
        for host in ("host1", f"{self.region}-host2"):
            self.add_host(host)

    def add_host(self, host: str) -> Hypervisor:
        number = max((service.id for service in self.compute_services), default=0) + 1
        self.compute_services.append(Service(number, "nova-compute", host, self.zone))
        number = max((one.id for one in self.hypervisors), default=0) + 1
        self.hypervisors.append(Hypervisor(number, host))
        return self.hypervisors[-1]

    def compute_service(self, host: str) -> Service:
        """The nova-compute of a host."""
        return next(
            one for one in self.compute_services
            if (one.binary, one.host) == ("nova-compute", host)
        )  # fmt: skip

    def on_host(self, host: str) -> list[Server]:
        return [one for one in self.servers.values() if one.host == host and not one.deleted]

    def _next(self, exchange: Exchange, path: str, shown: list[Object], limit: int) -> list[Object]:
        """Nova's link to the next page; none when this one is not full."""
        if not limit or len(shown) != limit:
            return []
        url = exchange.http.url.with_path("/").update_query(marker=str(shown[-1]["id"]))
        return [{"rel": "next", "href": f"{self.url}/v2.1{path}?{url.raw_query_string}"}]

    # -- services

    def _show_service(self, service: Service, exchange: Exchange) -> Object:
        shown: Object = {
            "id": service.uuid if exchange.version >= (2, 53) else service.id,
            "binary": service.binary,
            "host": service.host,
            "zone": service.zone,
            "status": "disabled" if service.disabled else "enabled",
            "state": "down" if service.forced_down else "up",
            "updated_at": "2026-11-24T00:00:00.000000",
            "disabled_reason": service.reason,
        }
        if exchange.version >= (2, 11):
            shown["forced_down"] = service.forced_down
        return shown

    @route("GET", "/os-services")
    def list_services(self, exchange: Exchange) -> web.Response:
        if exchange.version >= (2, 75):
            check_query(exchange, {"host", "binary"})
        host, binary = exchange.query.get("host"), exchange.query.get("binary")
        found = [
            self._show_service(service, exchange)
            for service in self.compute_services
            if (not host or service.host == host) and (not binary or service.binary == binary)
        ]
        return reply({"services": found})

    @route("PUT", "/os-services/{name}")
    def update_service(self, exchange: Exchange, name: str) -> web.Response:
        body = exchange.json()
        if exchange.version < (2, 53):
            return self._act_on_service(exchange, name, body)
        if not is_uuid(name):
            raise Refusal(400, f"Invalid uuid {name}")
        service = next((one for one in self.compute_services if one.uuid == name), None)
        if service is None:
            raise Refusal(404, f"Service {name} could not be found.")
        if service.binary != "nova-compute":
            raise Refusal(400, f"Updating a {service.binary} service is not supported. Only "
                               "nova-compute services can be updated.")  # fmt: skip
        if "status" in body:
            service.disabled = body["status"] == "disabled"
            service.reason = body.get("disabled_reason")
        if "forced_down" in body:
            service.forced_down = body["forced_down"]
        return reply({"service": self._show_service(service, exchange)})

    def _act_on_service(self, exchange: Exchange, action: str, body: Object) -> web.Response:
        for name in ("host", "binary"):
            if name not in body:
                raise Refusal(400, f"Invalid input for field/attribute {name}. '{name}' is a "
                                   "required property")  # fmt: skip
        if action not in ("enable", "disable", "disable-log-reason", "force-down"):
            raise Refusal(404, "Unknown action")
        found = [
            one for one in self.compute_services
            if (one.binary, one.host) == (body["binary"], body["host"])
        ]  # fmt: skip
        if not found:
            raise Refusal(404, f"Host '{body['host']}' is not mapped to any cell")
        shown = {"host": body["host"], "binary": body["binary"]}
        if action == "force-down":
            shown["forced_down"] = found[0].forced_down = body["forced_down"]
        else:
            found[0].disabled = action != "enable"
            found[0].reason = body.get("disabled_reason")
            shown["status"] = "disabled" if found[0].disabled else "enabled"
            if found[0].reason:
                shown["disabled_reason"] = found[0].reason
        return reply({"service": shown})

    @route("DELETE", "/os-services/{name}")
    def delete_service(self, exchange: Exchange, name: str) -> web.Response:
        by_uuid = exchange.version >= (2, 53)
        if by_uuid and not is_uuid(name):
            raise Refusal(400, f"Invalid uuid {name}")
        if not by_uuid and not name.isdecimal():
            raise Refusal(400, "Invalid input received: id must be an integer")
        key = "uuid" if by_uuid else "id"
        found = next((one for one in self.compute_services if str(getattr(one, key)) == name), None)
        if found is None:
            raise Refusal(404, f"Service {name} not found.")
        if found.binary == "nova-compute" and self.on_host(found.host):
            raise Refusal(409, "Unable to delete compute service that is hosting instances. "
                               "Migrate or delete the instances first.")  # fmt: skip
        self.compute_services.remove(found)
        return reply(None, 204)

    # -- hypervisors

    def _show_hypervisor(
        self, node: Hypervisor, exchange: Exchange, detail: bool, with_servers: bool = False
    ) -> Object:
        version = exchange.version
        service = self.compute_service(node.host)
        shown: Object = {
            "id": node.uuid if version >= (2, 53) else node.id,
            "hypervisor_hostname": node.host,
            "state": "up",
            "status": "disabled" if service.disabled else "enabled",
        }
        if detail:
            number = service.uuid if version >= (2, 53) else service.id
            shown |= {"hypervisor_type": "fake", "hypervisor_version": 1000, "host_ip": "10.0.0.1"}
            shown["service"] = {
                "id": number, "host": node.host, "disabled_reason": service.reason,
            }  # fmt: skip
            shown |= {"uptime": None} if version >= (2, 88) else self._resources(node, version)
        servers = [{"name": one.name, "uuid": one.id} for one in self.on_host(node.host)]
        if with_servers and (servers or version >= (2, 75)):
            shown["servers"] = servers
        return shown

    def _in_use(self, node: Hypervisor) -> Object:
        flavors = [self.flavors.get(one.flavor_id, {}) for one in self.on_host(node.host)]
        vcpus = sum(flavor.get("vcpus", 1) for flavor in flavors)
        return {
            "vcpus": node.vcpus,
            "memory_mb": node.memory_mb,
            "local_gb": node.local_gb,
            "vcpus_used": vcpus,
            "memory_mb_used": 512 + sum(flavor.get("ram", 64) for flavor in flavors),
            "local_gb_used": sum(flavor.get("disk", 1) for flavor in flavors),
            "free_ram_mb": node.memory_mb - 512,
            "free_disk_gb": node.local_gb,
            "current_workload": 0,
            "running_vms": len(flavors),
            "disk_available_least": node.local_gb,
        }

    def _resources(self, node: Hypervisor, version: tuple[int, int]) -> Object:
        return self._in_use(node) | {"cpu_info": {} if version >= (2, 28) else ""}

    def _matching(self, pattern: str) -> list[Hypervisor]:
        found = [node for node in self.hypervisors if pattern in node.host]
        if not found:
            raise Refusal(404, f"No hypervisor matching '{pattern}' could be found.")
        return found

    @route("GET", "/os-hypervisors")
    @route("GET", "/os-hypervisors/detail")
    def list_hypervisors(self, exchange: Exchange) -> web.Response:
        detail = exchange.path.endswith("/detail")
        found, limit, with_servers = self.hypervisors, 0, False
        pattern = None
        if exchange.version >= (2, 53):
            check_query(
                exchange, {"limit", "marker", "hypervisor_hostname_pattern", "with_servers"}
            )
            pattern = exchange.query.get("hypervisor_hostname_pattern")
            with_servers = exchange.query.get("with_servers", "").lower() in ("true", "1")
        if pattern is not None:
            if {"limit", "marker"} & set(exchange.query):
                raise Refusal(400, "Paging over hypervisors with the hypervisor_hostname_pattern "
                                   "query parameter is not supported.")  # fmt: skip
            found = self._matching(pattern)
        elif exchange.version >= (2, 33):
            found, limit = page(exchange, found, "uuid" if exchange.version >= (2, 53) else "id")
        shown = [self._show_hypervisor(node, exchange, detail, with_servers) for node in found]
        document: Object = {"hypervisors": shown}
        if links := self._next(exchange, exchange.path, shown, limit):
            document["hypervisors_links"] = links
        return reply(document)

    @route("GET", "/os-hypervisors/statistics")
    def hypervisor_statistics(self, exchange: Exchange) -> web.Response:
        gone(exchange, (2, 87))
        admin_only(exchange)
        total: Object = {"count": len(self.hypervisors)}
        for node in self.hypervisors:
            for name, value in self._in_use(node).items():
                total[name] = total.get(name, 0) + value
        return reply({"hypervisor_statistics": total})

    def _hypervisor(self, exchange: Exchange, name: str) -> Hypervisor:
        by_uuid = exchange.version >= (2, 53)
        if by_uuid and not is_uuid(name):
            raise Refusal(400, f"Invalid uuid {name}")
        key = "uuid" if by_uuid else "id"
        found = [node for node in self.hypervisors if str(getattr(node, key)) == name]
        if not found:
            raise Refusal(404, f"Hypervisor with ID '{name}' could not be found.")
        return found[0]

    @route("GET", "/os-hypervisors/{name}")
    def show_hypervisor(self, exchange: Exchange, name: str) -> web.Response:
        with_servers = exchange.query.get("with_servers", "").lower() in ("true", "1")
        node = self._hypervisor(exchange, name)
        return reply({"hypervisor": self._show_hypervisor(node, exchange, True, with_servers)})

    @route("GET", "/os-hypervisors/{name}/uptime")
    def hypervisor_uptime(self, exchange: Exchange, name: str) -> web.Response:
        gone(exchange, (2, 87))
        admin_only(exchange)
        shown = self._show_hypervisor(self._hypervisor(exchange, name), exchange, False)
        return reply({"hypervisor": shown | {"uptime": f"up {self.region}"}})

    @route("GET", "/os-hypervisors/{pattern}/search")
    @route("GET", "/os-hypervisors/{pattern}/servers")
    def search_hypervisors(self, exchange: Exchange, pattern: str) -> web.Response:
        gone(exchange, (2, 52))
        admin_only(exchange)
        with_servers = exchange.path.endswith("/servers")
        found = self._matching(pattern)
        return reply({
            "hypervisors": [
                self._show_hypervisor(node, exchange, False, with_servers) for node in found
            ]
        })  # fmt: skip

    # -- aggregates

    def _aggregate(self, name: str) -> Object:
        if not name.isdecimal():
            raise Refusal(400, "Invalid input received: id must be an integer")
        found = next((one for one in self.aggregates if one["id"] == int(name)), None)
        if found is None:
            raise Refusal(404, f"Aggregate {name} could not be found.")
        return found

    @staticmethod
    def _show_aggregate(aggregate: Object, exchange: Exchange, brief: bool = False) -> Object:
        hidden = {"uuid"} if exchange.version < (2, 41) else set()
        if brief:
            hidden |= {"hosts", "metadata"}
        shown = {key: value for key, value in aggregate.items() if key not in hidden}
        return {**shown, "availability_zone": aggregate["metadata"].get("availability_zone")}

    def _name_is_free(self, name: str, own: Object | None = None) -> None:
        if any(one["name"] == name and one is not own for one in self.aggregates):
            raise Refusal(409, f"Aggregate {name} already exists.")

    @route("GET", "/os-aggregates")
    def list_aggregates(self, exchange: Exchange) -> web.Response:
        if exchange.version >= (2, 102):
            check_query(exchange, set())
        shown = [self._show_aggregate(one, exchange) for one in self.aggregates]
        return reply({"aggregates": shown})

    @route("POST", "/os-aggregates")
    @checks_first
    def create_aggregate(self, exchange: Exchange) -> web.Response:
        wanted = exchange.json("aggregate")
        name = wanted.get("name")
        if not isinstance(name, str) or not name.strip():
            raise Refusal(400, "Invalid input for field/attribute name.")
        admin_only(exchange)
        self._name_is_free(name.strip())
        zone = wanted.get("availability_zone")
        self.last_aggregate += 1
        aggregate = {
            "id": self.last_aggregate,
            "uuid": new_id(),
            "name": name.strip(),
            "hosts": [],
            "metadata": {"availability_zone": zone} if zone else {},
            "created_at": utc_now().isoformat(),
            "updated_at": None,
            "deleted_at": None,
            "deleted": False,
        }
        self.aggregates.append(aggregate)
        return reply({"aggregate": self._show_aggregate(aggregate, exchange, brief=True)})

    @route("GET", "/os-aggregates/{name}")
    def show_aggregate(self, exchange: Exchange, name: str) -> web.Response:
        if exchange.version >= (2, 102):
            check_query(exchange, set())
        return reply({"aggregate": self._show_aggregate(self._aggregate(name), exchange)})

    @route("PUT", "/os-aggregates/{name}")
    def update_aggregate(self, exchange: Exchange, name: str) -> web.Response:
        wanted = exchange.json("aggregate")
        aggregate = self._aggregate(name)
        if "name" in wanted:
            self._name_is_free(wanted["name"].strip(), aggregate)
            aggregate["name"] = wanted["name"].strip()
        if "availability_zone" in wanted:
            aggregate["metadata"]["availability_zone"] = wanted["availability_zone"]
        aggregate["updated_at"] = utc_now().isoformat()
        return reply({"aggregate": self._show_aggregate(aggregate, exchange)})

    @route("DELETE", "/os-aggregates/{name}")
    def delete_aggregate(self, exchange: Exchange, name: str) -> web.Response:
        aggregate = self._aggregate(name)
        if aggregate["hosts"]:
            raise Refusal(400, f"Cannot delete aggregate {name}. Reason: Host aggregate is not "
                               "empty.")  # fmt: skip
        self.aggregates.remove(aggregate)
        return reply(None, 200)

    @route("POST", "/os-aggregates/{name}/action")
    def act_on_aggregate(self, exchange: Exchange, name: str) -> web.Response:
        ((action, argument),) = exchange.json().items()
        aggregate = self._aggregate(name)
        known = [node.host for node in self.hypervisors]
        if action == "set_metadata":
            for key, value in argument["metadata"].items():
                if value is None:
                    aggregate["metadata"].pop(key, None)
                else:
                    aggregate["metadata"][key] = value
            return reply({"aggregate": self._show_aggregate(aggregate, exchange)})
        if action not in ("add_host", "remove_host"):
            raise Refusal(400, f"There is no such action: {action}")
        host = argument.get("host")
        if not isinstance(host, str):
            raise Refusal(400, "Invalid input for field/attribute host.")
        if action == "add_host":
            if host not in known:
                raise Refusal(404, f"Host '{host}' is not mapped to any cell")
            if host in aggregate["hosts"]:
                raise Refusal(409, f"Aggregate {name} already has host {host}.")
            aggregate["hosts"].append(host)
        else:
            if host not in aggregate["hosts"]:
                raise Refusal(404, f"Cannot remove host {host} in aggregate {name}")
            aggregate["hosts"].remove(host)
        return reply({"aggregate": self._show_aggregate(aggregate, exchange)})

    @route("POST", "/os-aggregates/{name}/images")
    def cache_images(self, exchange: Exchange, name: str) -> web.Response:
        if exchange.version < (2, 81):
            raise Refusal(404, "The resource could not be found.")
        admin_only(exchange)
        images = [one["id"] for one in exchange.json()["cache"]]
        self.cached_images += [(host, image) for host in self._aggregate(name)["hosts"]
                               for image in images]  # fmt: skip
        return reply(None, 202)
