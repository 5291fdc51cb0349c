# SPDX-License-Identifier: Apache-2.0
"""Server groups: kept here, for their members may be in several pods.

What a caller may do, and what a request may say, is a pod's to judge: it is asked in a way that
leaves nothing behind in it.
"""

from collections.abc import Sequence
from typing import Any, NoReturn

import jsonschema
from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import models
from tricircle.db import server_groups as table
from tricircle.db.errors import NotFound, OverLimit
from tricircle.gateway.call import Call, Version
from tricircle.gateway.compute.quota import project_quota
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import Refused
from tricircle.gateway.upstream.forward import ask_any, forward
from tricircle.gateway.upstream.pod_request import PodRequest

_PATH = "/os-server-groups"
_OWNERS: Version = (2, 13)
_SOFT: Version = (2, 15)
# From here on a group has one policy, with rules.
_RULES: Version = (2, 64)
_STRICT_QUERY: Version = (2, 102)

_HARD_POLICIES = ["anti-affinity", "affinity"]
_POLICIES = [*_HARD_POLICIES, "soft-anti-affinity", "soft-affinity"]
_NUMBER = {"type": ["integer", "string"], "pattern": "^[0-9]+$", "minimum": 1}

# Nova refuses this one after it has looked at the caller's rights and before it makes anything.
_REFUSAL = "anti-affinity"
_PROBE = {
    "server_group": {
        "name": "tricircle",
        "policy": "affinity",
        "rules": {"max_server_per_host": 1},
    }
}


async def list_groups(call: Call) -> web.Response:
    """GET /os-server-groups."""
    (await ask_any(call)).raise_for_status()
    everyones = "all_projects" in call.query and call.context.is_admin
    project = None if everyones else call.context.project_id
    most = CONF.gateway.max_limit
    limit = bounds.clamped(call.query.get("limit", ""), most) or most
    offset = bounds.clamped(call.query.get("offset", ""), bounds.STORED) or 0
    groups = await in_thread(table.page, project, limit, offset)
    return respond({"server_groups": await _shown(call, groups)})


async def show(call: Call) -> web.Response:
    """GET /os-server-groups/{id}."""
    if call.raw_query and _version(call) >= _STRICT_QUERY:
        # A query no pod takes is refused before the group is looked for.
        judged = await ask_any(call)
        if judged.status == 400:
            raise Refused(judged)
    group = await find(call, call.params["id"])
    (await ask_any(call, PodRequest.of(call).get(_PATH, "limit=1"))).raise_for_status()
    return respond({"server_group": (await _shown(call, [group]))[0]})


async def create(call: Call) -> web.Response:
    """POST /os-server-groups."""
    body = call.json()
    if not _is_understood(body, _version(call)):
        await _let_a_pod_refuse(call)
    await _check_rights(call)
    wanted = body["server_group"]
    policy = wanted["policy"] if _version(call) >= _RULES else wanted["policies"][0]
    rules = {name: bounds.whole(value) for name, value in wanted.get("rules", {}).items()}
    if rules and policy != "anti-affinity":
        raise Fault(400, "Only anti-affinity policy supports rules.")
    context = call.context
    owner = (context.project_id, context.user_id)
    try:
        limits = (await project_quota.held(call, *owner)).groups
        group = await in_thread(table.create, *owner, wanted["name"], policy, rules, limits)
    except OverLimit:
        raise Fault(403, "Quota exceeded, too many server groups.") from None
    return respond({"server_group": (await _shown(call, [group]))[0]})


async def delete(call: Call) -> web.Response:
    """DELETE /os-server-groups/{id}: pods' own groups for it are removed by xjob."""
    group = await find(call, call.params["id"])
    await _check_rights(call)
    try:
        await in_thread(table.delete, group.id)
    except NotFound:
        raise _unknown(group.id) from None
    return web.Response(status=204)


async def find(call: Call, group_id: str) -> models.ServerGroup:
    """A group the caller may know of. Raises Fault 404 in Nova's words."""
    group = await in_thread(table.get, group_id)
    if group is None or not (call.context.is_admin or group.project_id == call.context.project_id):
        raise _unknown(group_id)
    return group


async def hinted(call: Call, group_id: str | None) -> models.ServerGroup | None:
    """The group a new server is to be in, if any. Raises Fault 400 as Nova words it."""
    if group_id is None:
        return None
    try:
        group = await find(call, group_id)
    except Fault as fault:
        raise Fault(400, fault.message) from None
    if group.project_id != call.context.project_id:
        # Pods make their own group for it in the project of whoever makes a server.
        raise Fault(400, f"Instance group {group_id} is another project's.")
    return group


def _unknown(group_id: str) -> Fault:
    return Fault(404, f"Instance group {group_id} could not be found.")


async def _check_rights(call: Call) -> None:
    """Raises Refused, or Fault 403, when the caller may not make groups, or remove them."""
    told = await ask_any(call, PodRequest.of(call).post(_PATH, _PROBE).at(_RULES))
    if told.status == 406:  # a pod too old for the question
        allowed = not {"admin", "member"}.isdisjoint(call.context.roles)
    else:
        # A 400 to something else says nothing of rights.
        text = told.message().lower()
        allowed = (told.status == 400 and _REFUSAL in text) or "exceeded" in text
    if not allowed and told.status == 403:
        raise Refused(told)
    if not allowed:
        raise Fault(403, f"Policy doesn't allow {call.route.path} to be changed.")


async def _let_a_pod_refuse(call: Call) -> NoReturn:
    answer = (await ask_any(call)).raise_for_status()
    # It took what is not known here: no group of that kind can be kept for all pods.
    path = f"{_PATH}/{answer.json()['server_group']['id']}"
    await forward(call, answer.pod, PodRequest.of(call).delete(path))
    raise Fault(400, "This kind of server group is not known here.")


async def _shown(call: Call, groups: Sequence[models.ServerGroup]) -> list[dict[str, Any]]:
    members = await in_thread(table.members, [group.id for group in groups]) if groups else {}
    return [document(group, members[group.id], _version(call)) for group in groups]


def document(group: models.ServerGroup, members: list[str], version: Version) -> dict[str, Any]:
    """A group as Nova shows it at a microversion."""
    shown: dict[str, Any] = {"id": group.id, "name": group.name, "members": members}
    if version >= _RULES:
        shown |= {"policy": group.policy, "rules": group.rules}
    else:
        shown |= {"policies": [group.policy], "metadata": {}}
    if version >= _OWNERS:
        shown |= {"project_id": group.project_id, "user_id": group.user_id}
    return shown


def _is_understood(body: Any, version: Version) -> bool:
    if not jsonschema.Draft202012Validator(_schema(version)).is_valid(body):
        return False
    group = body["server_group"]
    numbers = group.get("rules", {}).values()
    if any(bounds.whole(number, bounds.STORED) is None for number in numbers):
        return False
    name: str = group["name"]
    return name.isprintable() and name == name.strip()


def _schema(version: Version) -> dict[str, Any]:
    known = _POLICIES if version >= _SOFT else _HARD_POLICIES
    named: dict[str, Any]
    if version >= _RULES:
        named = {
            "policy": {"enum": known},
            "rules": {
                "type": "object",
                "properties": {"max_server_per_host": _NUMBER},
                "additionalProperties": False,
            },
        }
    else:
        named = {
            "policies": {"type": "array", "items": {"enum": known}, "minItems": 1, "maxItems": 1}
        }
    group = {
        "type": "object",
        "properties": {
            "name": {"type": "string", "minLength": 1, "maxLength": 255},
            **named,
        },
        "required": ["name", "policy" if version >= _RULES else "policies"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"server_group": group},
        "required": ["server_group"],
        "additionalProperties": False,
    }


def _version(call: Call) -> Version:
    return call.version or (2, 1)
