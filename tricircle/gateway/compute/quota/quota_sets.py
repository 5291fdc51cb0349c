# SPDX-License-Identifier: Apache-2.0
"""Quota sets and quota classes: limits over all pods.

A pod writes the documents, with its own numbers for ours to stand in: so what a caller may see
and do, what a query may say and what is shown at which microversion is as the pod has it. No
pod's own quotas are ever changed.
"""

from collections.abc import Mapping
from typing import Any, NoReturn

import jsonschema
from aiohttp import web
from oslo_utils import strutils

from tricircle.db import quotas as table
from tricircle.gateway import parameters
from tricircle.gateway.call import Call, Version
from tricircle.gateway.compute.quota import project_quota
from tricircle.gateway.http import bounds
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream.forward import ask_any, reply_with
from tricircle.gateway.upstream.pod_request import PodRequest

_SET, _CLASS = "quota_set", "quota_class_set"
_NUMBER = {
    "type": ["integer", "string"],
    "pattern": "^-?[0-9]+$",
    "minimum": -1,
    "maximum": bounds.STORED,
}
# What is no longer there from a microversion on.
_NETWORK = frozenset(project_quota.UNLIMITED)
_FILES = frozenset(name for name in project_quota.RESOURCES if name.startswith("injected_"))
_WITHOUT_NETWORK: Mapping[str, Version] = {_SET: (2, 36), _CLASS: (2, 50)}
_WITHOUT_FILES: Version = (2, 57)


async def show(call: Call) -> web.Response:
    """GET /os-quota-sets/{id}."""
    return await _told(call, await project_quota.of_project(call, call.params["id"], _user(call)))


async def detail(call: Call) -> web.Response:
    """GET /os-quota-sets/{id}/detail: with what is used in all pods together."""
    project, user = call.params["id"], _user(call)
    limits = await project_quota.of_project(call, project, user)
    used = await project_quota.used(project, user or None)
    values = {
        name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
        for name, limit in limits.items()
    }
    return await _told(call, values)


async def defaults(call: Call) -> web.Response:
    """GET /os-quota-sets/{id}/defaults."""
    return await _told(call, await project_quota.defaults(call))


async def update(call: Call) -> web.Response:
    """PUT /os-quota-sets/{id}."""
    wanted = _wanted(call, _SET)
    if wanted is None:
        await _let_a_pod_refuse(call)
    judged = (await ask_any(call, PodRequest.of(call).with_body({_SET: {}}))).raise_for_status()
    project, user = call.params["id"], _user(call)
    if not project_quota.unified():
        force = strutils.bool_from_string(wanted.pop("force", False))
        if not force:
            await _check(call, project, user, wanted)
        await in_thread(table.put, table.PROJECT, project, wanted, user)
    return _with(call, judged, await project_quota.of_project(call, project, user))


async def delete(call: Call) -> web.Response:
    """DELETE /os-quota-sets/{id}: back to the defaults."""
    request = PodRequest.of(call).put(call.path, {_SET: {}}, call.raw_query)
    (await ask_any(call, request)).raise_for_status()
    if not project_quota.unified():
        await in_thread(
            table.delete,
            table.PROJECT,
            call.params["id"],
            _user(call) or None,
            names=(*project_quota.RESOURCES, *project_quota.UNLIMITED),
        )
    return web.Response(status=202)


async def show_class(call: Call) -> web.Response:
    """GET /os-quota-class-sets/{id}."""
    return await _told(call, await project_quota.of_class(call, call.params["id"]))


async def update_class(call: Call) -> web.Response:
    """PUT /os-quota-class-sets/{id}."""
    wanted = _wanted(call, _CLASS)
    if wanted is None:
        await _let_a_pod_refuse(call)
    judged = (await ask_any(call, PodRequest.of(call).with_body({_CLASS: {}}))).raise_for_status()
    name = call.params["id"]
    if not project_quota.unified():
        await in_thread(table.put, table.CLASS, name, wanted)
    return _with(call, judged, await project_quota.of_class(call, name))


async def _told(call: Call, values: Mapping[str, Any]) -> web.Response:
    return _with(call, (await ask_any(call)).raise_for_status(), values)


def _with(call: Call, answer: PodResponse, values: Mapping[str, Any]) -> web.Response:
    """A pod's document with our numbers."""
    document = answer.json()
    _, content = document.only()
    content.update({name: values[name] for name in content if name in values})
    return reply_with(call, answer, document)


def _user(call: Call) -> str:
    user = parameters.QUOTA_USER.of(call) or ""
    if len(user) > bounds.LONGEST_OWNER:
        raise Fault(400, f"No user has an id of more than {bounds.LONGEST_OWNER} letters.")
    return user


def _wanted(call: Call, key: str) -> dict[str, Any] | None:
    """The limits of a body; None for one a pod is to refuse."""
    version = call.version or (2, 1)
    known = {*project_quota.RESOURCES, *_NETWORK}
    if version >= _WITHOUT_NETWORK[key]:
        known -= _NETWORK
    if version >= _WITHOUT_FILES:
        known -= _FILES
    properties: dict[str, Any] = dict.fromkeys(known, _NUMBER)
    if key == _SET:
        properties["force"] = {"enum": _BOOLEANS}
    schema = {
        "type": "object",
        "properties": {
            key: {"type": "object", "properties": properties, "additionalProperties": False}
        },
        "required": [key],
        "additionalProperties": False,
    }
    body = call.json()
    if not jsonschema.Draft202012Validator(schema).is_valid(body):
        return None
    wanted: dict[str, Any] = body[key]
    limits = {
        name: bounds.whole(value, bounds.STORED, least=-1)
        for name, value in wanted.items()
        if name != "force"
    }
    return None if None in limits.values() else wanted | limits


# What Nova takes for a boolean.
_BOOLEANS = [
    True, "True", "TRUE", "true", "1", "ON", "On", "on", "YES", "Yes", "yes", "y", "t",
    False, "False", "FALSE", "false", "0", "OFF", "Off", "off", "NO", "No", "no", "n", "f",
]  # fmt: skip


async def _let_a_pod_refuse(call: Call) -> NoReturn:
    (await ask_any(call)).raise_for_status()
    raise Fault(400, "These limits are not known here.")


async def _check(call: Call, project: str, user: str, limits: Mapping[str, int]) -> None:
    """Raises Fault 400 as Nova words it for less than is used, or more than there is to give."""
    of_users = await in_thread(table.of_users, project)
    used = await project_quota.used(project, user or None)
    whole = await project_quota.of_project(call, project)
    own = await in_thread(table.get, table.PROJECT, project, user) if user else {}
    for name, limit in limits.items():
        if user:
            least, most = used.get(name, 0), -1
            if whole[name] >= 0:
                most = whole[name] - of_users.get(name, 0) + own.get(name, 0)
        else:
            least, most = max(of_users.get(name, 0), used.get(name, 0)), -1
        if 0 <= limit < least:
            raise Fault(
                400,
                f"Quota limit {limit} for {name} must be greater than or equal to already used "
                f"and reserved {least}.",
            )
        if most >= 0 and not 0 <= limit <= most:
            raise Fault(
                400, f"Quota limit {limit} for {name} must be less than or equal to {most}."
            )
