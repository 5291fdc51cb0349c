# SPDX-License-Identifier: Apache-2.0
"""What Nova keeps a record of: migrations, usage and its audits, consoles; and what it is told."""

import datetime
import json
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route
from tests.functional.fakes.operators_api import Hypervisor, Service, check_query, gone
from tests.functional.fakes.rights import admin_only
from tests.functional.fakes.server_store import Server, ServerStore

Object = dict[str, Any]
MAX_LIMIT = 1000
IN_PROGRESS = ("queued", "preparing", "running", "post-migrating")
START, END = datetime.datetime(2026, 11, 1), datetime.datetime(2026, 11, 2)


def limit_of(exchange: Exchange) -> int:
    given = exchange.query.get("limit", str(MAX_LIMIT))
    if not given.isdecimal():
        raise Refusal(400, f"Invalid input for query parameters limit. Value: {given}.")
    return min(int(given), MAX_LIMIT)


class Records(ServerStore):
    """Mixed into Nova."""

    region: str
    servers: dict[str, Server]
    flavors: dict[str, Object]
    hypervisors: list[Hypervisor]
    compute_services: list[Service]

    def prepare_records(self) -> None:
        self.migrations: list[Object] = []
        self.consoles: dict[str, str] = {}
        """Tokens, and the servers whose consoles they are for."""
        self.console_bases: dict[str, str] = {}
        self.events: list[Object] = []
        self.attached_volumes: set[str] = set()
        self.assisted: list[tuple[str, str]] = []

    def _href(self, exchange: Exchange, path: str, marker: str) -> list[Object]:
        url = exchange.http.url.update_query(marker=marker)
        return [{"rel": "next", "href": f"{self.url}/v2.1{path}?{url.raw_query_string}"}]

    # -- hosts

    @route("GET", "/os-hosts")
    def list_hosts(self, exchange: Exchange) -> web.Response:
        gone(exchange, (2, 42))
        admin_only(exchange)
        zone = exchange.query.get("zone")
        return reply({
            "hosts": [
                {"host_name": one.host, "service": one.binary.partition("-")[2], "zone": one.zone}
                for one in self.compute_services
                if zone in (None, one.zone) and not one.disabled
            ]
        })  # fmt: skip

    def _host(self, name: str) -> Hypervisor:
        found = next((node for node in self.hypervisors if node.host == name), None)
        if found is None:
            raise Refusal(404, f"Host '{name}' is not mapped to any cell")
        return found

    @route("GET", "/os-hosts/{name}")
    def show_host(self, exchange: Exchange, name: str) -> web.Response:
        gone(exchange, (2, 42))
        admin_only(exchange)
        node = self._host(name)
        total = {"host": name, "project": "(total)", "cpu": node.vcpus}
        total |= {"memory_mb": node.memory_mb, "disk_gb": node.local_gb}
        return reply({"host": [{"resource": total}]})

    @route("PUT", "/os-hosts/{name}")
    def update_host(self, exchange: Exchange, name: str) -> web.Response:
        gone(exchange, (2, 42))
        admin_only(exchange)
        self._host(name)
        if "maintenance_mode" in exchange.json():
            raise Refusal(501, "The requested functionality is not supported.")
        return reply({"host": name, "status": f"{exchange.json()['status']}d"})

    @route("GET", "/os-hosts/{name}/(?P<action>reboot|shutdown|startup)")
    def act_on_host(self, exchange: Exchange, name: str, action: str) -> web.Response:
        gone(exchange, (2, 42))
        admin_only(exchange)
        self._host(name)
        return reply({"host": name, "power_action": action})

    # -- migrations

    def add_migration(self, server: Server, created: datetime.datetime, **values: Any) -> Object:
        migration = {
            "id": len(self.migrations) + 1,
            "uuid": new_id(),
            "instance_uuid": server.id,
            "migration_type": "live-migration",
            "status": "running",
            "source_compute": server.host,
            "source_node": server.host,
            "dest_compute": f"{self.region}-host2",
            "dest_node": f"{self.region}-host2",
            "dest_host": "10.0.0.2",
            "created_at": created.isoformat() + ".000000",
            "updated_at": None,
            "old_instance_type_id": 1,
            "new_instance_type_id": 1,
            "user_id": server.user_id,
            "project_id": server.project_id,
            **values,
        }
        self.migrations.append(migration)
        return migration

    def _show_migration(self, one: Object, exchange: Exchange) -> Object:
        hidden: set[str] = set()
        if exchange.version < (2, 23):
            hidden.add("migration_type")
        if exchange.version < (2, 59):
            hidden.add("uuid")
        if exchange.version < (2, 80):
            hidden |= {"user_id", "project_id"}
        shown = {key: value for key, value in one.items() if key not in hidden}
        live = one["migration_type"] == "live-migration" and one["status"] in IN_PROGRESS
        if exchange.version >= (2, 23) and live:
            path = f"/servers/{one['instance_uuid']}/migrations/{one['id']}"
            shown["links"] = [
                {"rel": "self", "href": f"{self.url}/v2.1{path}"},
                {"rel": "bookmark", "href": f"{self.url}{path}"},
            ]
        return shown

    @route("GET", "/os-migrations")
    def list_migrations(self, exchange: Exchange) -> web.Response:
        admin_only(exchange)
        query, paged = exchange.query, exchange.version >= (2, 59)
        if paged:
            known = {"hidden", "host", "instance_uuid", "source_compute", "status",
                     "migration_type", "limit", "marker", "changes-since"}  # fmt: skip
            known |= {"changes-before"} if exchange.version >= (2, 66) else set()
            known |= {"user_id", "project_id"} if exchange.version >= (2, 80) else set()
            check_query(exchange, known)
        found = list(self.migrations)
        for name in ("instance_uuid", "source_compute", "status", "migration_type"):
            if name in query:
                found = [one for one in found if one[name] == query[name]]
        if "host" in query:
            places = ("source_compute", "dest_compute")
            found = [one for one in found if query["host"] in [one[name] for name in places]]
        if not paged:
            return reply({"migrations": [self._show_migration(one, exchange) for one in found]})
        latest = {"key": lambda one: (one["created_at"], one["id"]), "reverse": True}
        found.sort(**latest)  # type: ignore[arg-type]
        if (marker := query.get("marker")) is not None:
            at = next((one for one in self.migrations if one["uuid"] == marker), None)
            if at is None:
                raise Refusal(400, f"Marker {marker} could not be found.")
            begin = (at["created_at"], at["id"])
            found = [one for one in found if (one["created_at"], one["id"]) < begin]
        limit = limit_of(exchange)
        found = found[:limit]
        document: Object = {"migrations": [self._show_migration(one, exchange) for one in found]}
        if limit and len(found) == limit:
            document["migrations_links"] = self._href(exchange, "/os-migrations", found[-1]["uuid"])
        return reply(document)

    def _live(self, server_id: str) -> list[Object]:
        if server_id not in self.servers:
            raise Refusal(404, f"Instance {server_id} could not be found.")
        return [one for one in self.migrations if one["instance_uuid"] == server_id]

    def _show_live(self, one: Object) -> Object:
        names = ("id", "status", "source_compute", "dest_compute", "created_at")
        return {name: one[name] for name in names} | {"server_uuid": one["instance_uuid"]}

    @route("GET", "/servers/{server_id}/migrations")
    def list_server_migrations(self, exchange: Exchange, server_id: str) -> web.Response:
        self.server_of(server_id, exchange)
        return reply({"migrations": [self._show_live(one) for one in self._live(server_id)]})

    def _migration(self, server_id: str, name: str) -> Object:
        found = next((one for one in self._live(server_id) if str(one["id"]) == name), None)
        if found is None:
            raise Refusal(404, f"In-progress live migration {name} is not found for server "
                               f"{server_id}.")  # fmt: skip
        return found

    @route("GET", "/servers/{server_id}/migrations/{name}")
    def show_server_migration(self, exchange: Exchange, server_id: str, name: str) -> web.Response:
        self.server_of(server_id, exchange)
        return reply({"migration": self._show_live(self._migration(server_id, name))})

    @route("DELETE", "/servers/{server_id}/migrations/{name}")
    def abort_migration(self, exchange: Exchange, server_id: str, name: str) -> web.Response:
        self.server_of(server_id, exchange)
        self._migration(server_id, name)["status"] = "cancelled"
        return reply(None, 202)

    @route("POST", "/servers/{server_id}/migrations/{name}/action")
    def force_migration(self, exchange: Exchange, server_id: str, name: str) -> web.Response:
        self.server_of(server_id, exchange)
        self._migration(server_id, name)["status"] = "completed"
        return reply(None, 202)

    # -- usage

    def _usage(self, server: Server) -> Object:
        flavor = self.flavors.get(server.flavor_id, {})
        launched = server.launched or START
        return {
            "instance_id": server.id,
            "name": server.name,
            "tenant_id": server.project_id,
            "flavor": flavor.get("name", ""),
            "hours": (END - max(launched, START)).total_seconds() / 3600,
            "memory_mb": flavor.get("ram", 64),
            "local_gb": flavor.get("disk", 1),
            "vcpus": flavor.get("vcpus", 1),
            "started_at": launched.isoformat(),
            "ended_at": None,
            "state": server.vm_state,
            "uptime": int((END - launched).total_seconds()),
        }

    def _usages(
        self, exchange: Exchange, project: str | None, detailed: bool
    ) -> tuple[list[Object], list[Object], int]:
        servers = sorted(self.servers.values(), key=lambda one: (one.project_id, one.id))
        found = [one for one in servers if project in (None, one.project_id)]
        limit = MAX_LIMIT
        if exchange.version >= (2, 40):
            limit = limit_of(exchange)
            if (marker := exchange.query.get("marker")) is not None:
                at = self.servers.get(marker)
                if at is None:
                    raise Refusal(400, f"Marker {marker} could not be found.")
                begin = (at.project_id, at.id)
                found = [one for one in found if (one.project_id, one.id) > begin]
        usages = [self._usage(one) for one in found[:limit]]
        summed: dict[str, Object] = {}
        for usage in usages:
            one = summed.setdefault(usage["tenant_id"], {
                "tenant_id": usage["tenant_id"],
                **({"server_usages": []} if detailed else {}),
                "total_local_gb_usage": 0, "total_vcpus_usage": 0, "total_memory_mb_usage": 0,
                "total_hours": 0, "start": START.isoformat(), "stop": END.isoformat(),
            })  # fmt: skip
            for name in ("local_gb", "vcpus", "memory_mb"):
                one[f"total_{name}_usage"] += usage[name] * usage["hours"]
            one["total_hours"] += usage["hours"]
            if detailed:
                one["server_usages"].append(usage)
        return list(summed.values()), usages, limit

    def _check_period(self, exchange: Exchange, *more: str) -> None:
        if exchange.version >= (2, 75):
            check_query(exchange, {"start", "end", "limit", "marker", *more})
        if exchange.query.get("start", "2026") > exchange.query.get("end", "2027"):
            raise Refusal(400, "Invalid start time. The start time cannot occur after the end "
                               "time.")  # fmt: skip

    @route("GET", "/os-simple-tenant-usage")
    def list_usage(self, exchange: Exchange) -> web.Response:
        self._check_period(exchange, "detailed")
        detailed = exchange.query.get("detailed", "0") == "1"
        summed, usages, limit = self._usages(exchange, None, detailed)
        document: Object = {"tenant_usages": summed}
        if exchange.version >= (2, 40) and limit and len(usages) == limit:
            document["tenant_usages_links"] = self._href(
                exchange, "/os-simple-tenant-usage", usages[-1]["instance_id"]
            )
        return reply(document)

    @route("GET", "/os-simple-tenant-usage/{project}")
    def show_usage(self, exchange: Exchange, project: str) -> web.Response:
        if project != exchange.token.project_id:
            admin_only(exchange)
        self._check_period(exchange)
        summed, usages, limit = self._usages(exchange, project, True)
        document: Object = {"tenant_usage": summed[0] if summed else {}}
        if exchange.version >= (2, 40) and limit and len(usages) == limit:
            path = f"/os-simple-tenant-usage/{project}"
            document["tenant_usage_links"] = self._href(exchange, path, usages[-1]["instance_id"])
        return reply(document)

    # -- audits

    def _audit(self) -> Object:
        hosts = [one.host for one in self.compute_services if one.binary == "nova-compute"]
        done, missing = hosts[:1], hosts[1:]
        entry = {"state": "DONE", "instances": 3, "errors": 1, "message": "done"}
        return {
            "period_beginning": "2026-10-01 00:00:00",
            "period_ending": "2026-11-01 00:00:00",
            "num_hosts": len(hosts),
            "num_hosts_done": len(done),
            "num_hosts_running": 0,
            "num_hosts_not_run": len(missing),
            "hosts_not_run": missing,
            "total_instances": 3 * len(done),
            "total_errors": len(done),
            "overall_status": f"{'ALL' if not missing else f'{len(done)} of {len(hosts)}'} hosts "
                              f"done. {len(done)} errors.",
            "log": dict.fromkeys(done, entry),
        }  # fmt: skip

    @route("GET", "/os-instance_usage_audit_log")
    def list_audits(self, exchange: Exchange) -> web.Response:
        return reply({"instance_usage_audit_logs": self._audit()})

    @route("GET", "/os-instance_usage_audit_log/{before}")
    def show_audit(self, exchange: Exchange, before: str) -> web.Response:
        try:
            datetime.datetime.strptime(before, "%Y-%m-%d %H:%M:%S")
        except ValueError:
            raise Refusal(400, f"Invalid timestamp for date {before}") from None
        return reply({"instance_usage_audit_log": self._audit()})

    # -- what other services tell

    @route("POST", "/os-server-external-events")
    def external_events(self, exchange: Exchange) -> web.Response:
        status, events = 200, exchange.json().get("events")
        if not isinstance(events, list) or not events:
            raise Refusal(400, "Invalid input for field/attribute events.")
        for event in events:
            if event["name"] not in ("network-changed", "volume-extended"):
                raise Refusal(400, f"Invalid input for field/attribute name. Value: "
                                   f"{event['name']}.")  # fmt: skip
        for event in events:
            server = self.servers.get(event["server_uuid"])
            if server is None or not server.host:
                event |= {"status": "failed", "code": 404 if server is None else 422}
                status = 207
                continue
            event |= {"status": "completed", "code": 200}
            self.events.append(event)
        return reply({"events": events}, status)

    @route("GET", "/os-console-auth-tokens/{token}")
    def console(self, exchange: Exchange, token: str) -> web.Response:
        if exchange.version < (2, 31):
            raise Refusal(400, "The server could not comply with the request since it is either "
                               "malformed or otherwise incorrect.")  # fmt: skip
        admin_only(exchange)
        if token not in self.consoles:
            raise Refusal(404, "Token not found")
        info: Object = {"instance_uuid": self.consoles[token], "host": f"{self.region}-host"}
        return reply({"console": info | {"port": 5900, "internal_access_path": None}})

    @route("POST", "/os-assisted-volume-snapshots")
    def assisted_snapshot(self, exchange: Exchange) -> web.Response:
        return self._assist("create", exchange.json("snapshot").get("volume_id"), 200)

    @route("DELETE", "/os-assisted-volume-snapshots/{name}")
    def delete_assisted_snapshot(self, exchange: Exchange, name: str) -> web.Response:
        info = json.loads(exchange.query["delete_info"])
        return self._assist("delete", info["volume_id"], 204)

    def _assist(self, what: str, volume: str, status: int) -> web.Response:
        if volume not in self.attached_volumes:
            raise Refusal(400, f"No volume Block Device Mapping with id {volume}.")
        self.assisted.append((what, volume))
        shown = {"snapshot": {"id": new_id(), "volumeId": volume}}
        return reply(shown if what == "create" else None, status)
