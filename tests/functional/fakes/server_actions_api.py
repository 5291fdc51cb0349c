# SPDX-License-Identifier: Apache-2.0
"""Actions on servers, and the record of them."""

import re
from typing import Any

from aiohttp import web

from tests.functional.fakes.glance import Glance, coming
from tests.functional.fakes.http import Exchange, Refusal, new_id, reply, route, utc_now
from tests.functional.fakes.keystone import Token
from tests.functional.fakes.server_documents import ServerDocuments
from tests.functional.fakes.server_store import Object, Server

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


def note(server: Server, name: str, exchange: Exchange) -> None:
    """Write down an action as one done with the server."""
    server.actions.append(
        {
            "action": name,
            "request_id": exchange.request_id,
            "user_id": exchange.token.user.id,
            "project_id": exchange.token.project_id,
            "start_time": utc_now().isoformat(),
            "message": None,
        }
    )


class ServerActions(ServerDocuments):
    """What an action does besides its change of state is a method: ``_act_`` and its name."""

    images: dict[str, Object]
    #: the pod's own, where it has one
    glance: Glance | None = None

    def image_for(self, token: Token, image_id: str) -> Object | None:
        """An image as Glance shows it to whoever has a token."""
        if self.glance is not None:
            return self.glance.sees(token, image_id)
        return self.images.get(image_id)

    @route("POST", "/servers/{server_id}/action")
    def act(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange)
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
        note(server, name, exchange)
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
        if self.image_for(exchange.token, argument["imageRef"]) is None:
            raise Refusal(400, "Cannot find image for rebuild")
        server.image_id = argument["imageRef"]
        return reply({"server": self.whole(server, exchange)}, 202)

    def _act_createImage(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        image_id = new_id()
        image = {"id": image_id, "name": argument["name"]}
        self.images[image_id] = image
        if self.glance is not None:
            metadata = argument.get("metadata") or {}
            base = {"base_image_ref": server.image_id or "", "instance_uuid": server.id}
            owner = {"owner": server.project_id, "owner_id": server.project_id}
            content = f"disk of {server.name}".encode()
            coming(image, content, image_type="snapshot", **base, **owner, **metadata)
        if not server.image_id:
            for volume in self.attached(server).values():
                self.cinder.add_snapshot(volume)
        if exchange.version >= (2, 45):
            return reply({"image_id": image_id}, 202)
        return reply(None, 202, Location=f"{self.url}/images/{image_id}")

    def _act_createBackup(self, exchange: Exchange, server: Server, argument: Any) -> web.Response:
        return self._act_createImage(exchange, server, argument)

    @route("GET", "/servers/{server_id}/os-instance-actions")
    def instance_actions(self, exchange: Exchange, server_id: str) -> web.Response:
        server = self.server_of(server_id, exchange, gone_too=exchange.version >= (2, 21))
        actions = reversed(server.actions)
        shown = [{**action, "instance_uuid": server_id} for action in actions]
        return reply({"instanceActions": shown})

    @route("GET", "/servers/{server_id}/os-instance-actions/{request_id}")
    def instance_action(self, exchange: Exchange, server_id: str, request_id: str) -> web.Response:
        server = self.server_of(server_id, exchange, gone_too=exchange.version >= (2, 21))
        for action in server.actions:
            if action["request_id"] == request_id:
                return reply({"instanceAction": {**action, "instance_uuid": server_id,
                                                 "events": []}})  # fmt: skip
        raise Refusal(404, f"Action for request_id {request_id} could not be found")
