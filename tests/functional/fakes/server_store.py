# SPDX-License-Identifier: Apache-2.0
"""What a Nova knows of a server, and all its servers."""

import dataclasses
import datetime
from typing import Any

from tests.functional.fakes.http import Exchange, FakeService, Refusal, new_id, utc_now
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.rights import found, visible

Object = dict[str, Any]

VM_STATES = {
    "ACTIVE": "active", "BUILD": "building", "ERROR": "error", "SHUTOFF": "stopped",
    "PAUSED": "paused", "SUSPENDED": "suspended", "SHELVED_OFFLOADED": "shelved_offloaded",
    "RESCUE": "rescued", "VERIFY_RESIZE": "resized", "DELETED": "deleted",
    "SOFT_DELETED": "soft-delete", "REBOOT": "active",
}  # fmt: skip


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
    #: volumes made for it that go with it
    own_volumes: set[str] = dataclasses.field(default_factory=set)
    own_ports: set[str] = dataclasses.field(default_factory=set)
    port_tags: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def vm_state(self) -> str:
        return VM_STATES[self.status]


class ServerStore(FakeService):
    """Mixed into Nova; what it needs from there is declared here."""

    keystone: Keystone
    flavors: dict[str, Object]
    zone: str
    #: the pod's Cinder
    cinder: Any = None

    def attached(self, server: Server) -> dict[str, Object]:
        """{attachment id: volume} of a server."""
        if self.cinder is None:
            return {}
        return {
            one["id"]: self.cinder.items["volume"][one["volume_id"]]
            for one in self.cinder.items["attachment"].values()
            if one["instance"] == server.id and one["volume_id"] in self.cinder.items["volume"]
        }

    def prepare_servers(self) -> None:
        self.servers: dict[str, Server] = {}
        # What tests may change: the longest page, how long a server builds, and that none can be.
        self.max_limit = 1000
        self.build_seconds = 0.0
        self.no_valid_host = False

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

    def server_of(self, server_id: str, exchange: Exchange, *, gone_too: bool = False) -> Server:
        server = self.servers.get(server_id)
        hidden = server is not None and not visible(exchange, server.project_id)
        if server is None or (server.deleted and not gone_too) or hidden:
            raise Refusal(404, f"Instance {server_id} could not be found.")
        found(exchange, server.project_id)
        return server
