# SPDX-License-Identifier: Apache-2.0
"""Nova's servers: made, shown, changed, deleted. The rest of their API is mixed in."""

import json
from collections.abc import Callable
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route, utc_now
from tests.functional.fakes.keystone import Token
from tests.functional.fakes.schemas import check_create
from tests.functional.fakes.server_actions_api import ServerActions, note
from tests.functional.fakes.server_documents import ISO
from tests.functional.fakes.server_lists_api import ServerLists
from tests.functional.fakes.server_metadata_api import ServerMetadata
from tests.functional.fakes.server_store import Object, Server


class Servers(ServerLists, ServerActions, ServerMetadata):
    """Mixed into Nova; what it needs from there is declared here."""

    keypairs: dict[tuple[str, str], Object]
    quotas: dict[str, int]
    hypervisors: list[Any]
    hinted_group: Callable[[Exchange, Object], Any]
    host_for: Callable[[Any], str | None]

    def _check_volume_type(self, named: str | None) -> None:
        known = self.cinder.types.values()
        if named and not any(named in (one["id"], one["name"]) for one in known):
            raise Refusal(400, f"Volume type {named} could not be found.")

    def _image_wanted(self, wanted: Object) -> Object:
        found: Object = self.images.get(wanted.get("imageRef"), {})
        return found

    def _check_hosts(self, wanted: Object, zone: str | None, token: Token) -> None:
        """Hosts named for a server are an administrator's; within a zone they are looked for only
        afterwards."""
        named = [wanted[key] for key in ("host", "hypervisor_hostname") if wanted.get(key)]
        if (named or ":" in (zone or "")) and not token.is_admin:
            rule = "requested_destination" if named else "forced_host"
            raise Refusal(
                403, f"Policy doesn't allow compute:servers:create:{rule} to be performed."
            )
        for host in named:
            if not any(node.host == host for node in self.hypervisors):
                raise Refusal(400, f"Compute host {host} could not be found.")

    def _place(self, server: Server) -> None:
        """A server whose zone names a host is there, or nowhere."""
        names = [name for name in (server.pinned_zone or "").split(":")[1:] if name]
        wanted = server.request["server"]
        names += [wanted[key] for key in ("host", "hypervisor_hostname") if wanted.get(key)]
        for name in names:
            found = any(node.host == name for node in self.hypervisors)
            server.host = name if found else ""

    @route("POST", "/servers")
    @route("POST", "/os-volumes_boot")
    def create_server(self, exchange: Exchange) -> web.Response:
        body = exchange.json()
        token: Token = exchange.token
        check_create(body, exchange.version)
        wanted = exchange.json("server")
        if wanted.get("imageRef") and self.image_for(token, wanted["imageRef"]) is None:
            raise Refusal(400, "Can not find requested image")
        for device in json.loads(self._image_wanted(wanted).get("block_device_mapping", "[]")):
            if device["snapshot_id"] not in self.cinder.items["snapshot"]:
                raise Refusal(400, "Block Device Mapping is Invalid: failed to get snapshot "
                              f"{device['snapshot_id']}.")  # fmt: skip
        flavor_id = str(wanted["flavorRef"]).rsplit("/", 1)[-1]
        if flavor_id not in self.flavors:
            raise Refusal(400, f"Flavor {flavor_id} could not be found.")
        if wanted.get("key_name") and (token.user.id, wanted["key_name"]) not in self.keypairs:
            raise Refusal(400, "Invalid key_name provided.")
        for device in wanted.get("block_device_mapping_v2", ()):
            self._check_volume_type(device.get("volume_type"))
        zone = wanted.get("availability_zone")
        if zone is not None and zone.split(":")[0] not in (self.zone, ""):
            raise Refusal(400, "The requested availability zone is not available")
        self._check_hosts(wanted, zone, token)
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
        nics = self.nics(wanted, token, count)
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
            self._place(server)
            if group is not None:
                group.members.append(server.id)
            note(server, "create", exchange)
            self.servers[server.id] = server
            self.plug(server, nics, wanted, token)
            made.append(server)
            self.thread.loop.call_later(self.build_seconds, self._built, server)
        if wanted.get("return_reservation_id"):
            return reply({"reservation_id": reservation}, 202)
        first = made[0]
        groups = wanted.get("security_groups") or [{"name": "default"}]
        answer: Object = {
            "id": first.id,
            "links": self.links("servers", first.id, exchange),
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
        self._make_volumes(server)
        server.status, server.launched = "ACTIVE", utc_now()

    def _make_volumes(self, server: Server) -> None:
        """In the Cinder of the same cloud, once the server has a host."""
        for device in server.request["server"].get("block_device_mapping_v2", ()):
            if device.get("source_type") == "volume" or device["destination_type"] != "volume":
                continue
            volume = self.cinder.put_volume(
                server.project_id,
                server.user_id,
                size=int(device["volume_size"]),
                status="in-use",
                snapshot_id=device.get("uuid") if device["source_type"] == "snapshot" else None,
            )
            self.cinder.add_attachment(volume, server.id, status="attached")
            if device.get("delete_on_termination"):
                server.own_volumes.add(volume["id"])

    @route("GET", "/servers/{server_id}")
    def show_server(self, exchange: Exchange, server_id: str) -> web.Response:
        return reply({"server": self.whole(self.server_of(server_id, exchange), exchange)})

    @route("PUT", "/servers/{server_id}")
    def update_server(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        wanted = exchange.json("server")
        server.name = wanted.get("name", server.name)
        server.description = wanted.get("description", server.description)
        server.updated = utc_now()
        return reply({"server": self.whole(server, exchange)})

    @route("DELETE", "/servers/{server_id}")
    def delete_server(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
        if server.locked and not exchange.token.is_admin:
            raise Refusal(409, f"Instance {server_id} is locked")
        self.remove_server(server)
        return reply(None, 204)

    @route("GET", "/servers/{server_id}/diagnostics")
    def diagnostics(self, exchange: Exchange, server_id: str) -> web.Response:
        self.server_of(server_id, exchange)
        if not exchange.token.is_admin:
            raise Refusal(403, "Policy doesn't allow diagnostics to be performed.")
        return reply({"cpu0_time": 17300000000})
