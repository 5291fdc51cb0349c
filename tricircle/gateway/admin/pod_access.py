# SPDX-License-Identifier: Apache-2.0
"""The way into a pod: what an operator says of it is tried, then kept; secrets are never told."""

from typing import Any

import jsonschema
from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import models, pod_accounts
from tricircle.db import pods as table
from tricircle.db.errors import Duplicate
from tricircle.gateway.admin.common import authorize, body, page, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import EXCHANGES, Busy, in_thread
from tricircle.pods import catalogue
from tricircle.pods.access import accesses
from tricircle.pods.access.base import SHARED, joined, split
from tricircle.pods.access.credentials import Credentials
from tricircle.pods.access.sealing import SealError, seal, unseal
from tricircle.pods.errors import NoAccess, PodUnreachable
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod

#: What the body of a pod has; the rest depends on the kind.
SCHEMA = {
    "type": "object",
    "properties": {"kind": {"type": "string", "maxLength": 32}},
    "required": ["kind"],
}
_KEPT = ("master",)


class Entrance:
    """How a pod is entered: ``columns`` are those of its row, ``endpoints`` what its own catalogue
    has (None where ours says it).
    """

    def __init__(self, columns: dict[str, Any], endpoints: dict[str, str] | None) -> None:
        self.columns, self.endpoints = columns, endpoints


def view(pod: models.Pod) -> dict[str, Any]:
    """What may be told of it."""
    return {"kind": pod.access, **(pod.access_config or {})}


async def tried(
    call: Call, region: str, given: dict[str, Any] | None, before: models.Pod | None = None
) -> Entrance:
    """What is to be kept of an access that was tried and works.

    ``before`` is the pod's row where it has one: its kind stays. Raises Fault 400 for what is
    wrong or refused, 502 for a Keystone that does not answer.
    """
    given = dict(given or {"kind": SHARED})
    kind = given.pop("kind")
    if before is not None and before.access != kind:
        raise Fault(
            400,
            f"The access of pod {region} is {before.access} and stays so: what is in the pod "
            "belongs to whom that let in. Register it anew for another.",
        )
    if kind == SHARED:
        if given:
            raise Fault(400, f"The access {SHARED} takes nothing: {', '.join(sorted(given))}.")
        return Entrance({"access": SHARED}, None)
    try:
        return await _tried(call, region, kind, _complete(kind, given, before))
    except SealError as error:
        raise Fault(400, f"Pod {region} cannot be kept: {error}.") from None
    except Busy as error:
        raise Fault(503, f"{error} Try again later.") from None
    except NoAccess as error:
        raise Fault(400, f"Pod {region}: {error.detail}. Nothing was stored.") from None
    except PodUnreachable as error:
        raise Fault(502, f"Pod {region}: {error.detail}. Nothing was stored.") from None
    except KeystoneFailed as error:
        raise Fault(502, f"Pod {region}: {error}. Nothing was stored.") from None


def _complete(kind: str, given: dict[str, Any], before: models.Pod | None) -> dict[str, Any]:
    """The whole configuration. Raises Fault 400, SealError."""
    found = accesses.kinds().get(kind)
    if found is None:
        known = ", ".join(sorted(accesses.kinds()))
        raise Fault(400, f"There is no access of the kind {kind}. Known are {known}.")
    schema = {
        "type": "object",
        "properties": dict(found.PROPERTIES),
        "required": list(found.REQUIRED),
        "additionalProperties": False,
    }
    errors = jsonschema.Draft202012Validator(schema).iter_errors(given)
    if (error := jsonschema.exceptions.best_match(errors)) is not None:
        where = ".".join(str(part) for part in ("access", *error.absolute_path))
        # Its message may repeat a password.
        told = error.message if error.validator in ("required", "additionalProperties") else ""
        raise Fault(400, f"Invalid body: {where}: {told or f'it must fit {error.schema}'}")
    kept = {} if before is None else unseal(before.access_secrets)
    more = {name: kept[name] for name in _KEPT if name in kept}
    try:
        return found.completed({**given, **more})
    except ValueError as error:
        raise Fault(400, f"Invalid body: access: {error}.") from None


async def _tried(call: Call, region: str, kind: str, config: dict[str, Any]) -> Entrance:
    open_part, secret = split(config)
    columns = {"access": kind, "access_config": open_part, "access_secrets": seal(secret)}
    pod = Pod("", region, "", access=kind, access_config=open_part)
    own = call.services.identity.ourselves
    access = accesses.build(kind, pod, joined(open_part, secret), own)
    told = await EXCHANGES.run(access.try_out)
    interface = config.get("interface", "public")
    found = catalogue.endpoints_of_a_cloud(told, config.get("region"), interface)
    if "compute" not in found:
        where = f"region {config['region']}" if "region" in config else "any region"
        text = f"its catalogue has no {interface} compute endpoint in {where}"
        raise NoAccess(region, text)
    return Entrance(columns, found)


# -- who stands for whom -------------------------------------------------------------------------

_ID = {"type": "string", "pattern": r"^[0-9A-Za-z_-]{1,64}\Z"}
PROJECT = {
    "type": "object",
    "properties": {"there": _ID},
    "required": ["there"],
    "additionalProperties": False,
}


async def list_projects(call: Call) -> web.Response:
    """GET /pods/{id}/projects: the projects that stand for ours, by our id."""
    await authorize(call, "pods:get_details")
    pod, wanted = await _own(call), page(call, ())
    rows = await in_thread(pod_accounts.projects, pod.id, wanted.limit, wanted.marker or "")
    return respond({"projects": [_project(row) for row in rows]})


async def put_project(call: Call) -> web.Response:
    """PUT /pods/{id}/projects/{project}: say which project there stands for one of ours."""
    await authorize(call, "pods:update")
    values, pod = body(call, "project", PROJECT), await _own(call)
    project_id, there = call.params["project"], values["there"]
    try:
        known = await in_thread(pod_accounts.add_project, pod.id, project_id, there)
    except Duplicate:
        raise Fault(409, f"Project {there} there stands for another project already.") from None
    if known != there:
        raise Fault(409, f"Project {known} there stands for project {project_id} already.")
    return respond({"project": {"project_id": project_id, "there": there}})


async def put_credential(call: Call) -> web.Response:
    """PUT /pods/{id}/credentials/{project}: how a project gets in; tried first, and not told."""
    await authorize(call, "pods:update")
    pod, access = await _with_credentials(call)
    values, project_id = body(call, "credential", access.CREDENTIAL), call.params["project"]
    try:
        there = await EXCHANGES.run(access.keep, project_id, values)
    except SealError as error:
        raise Fault(400, f"The credential cannot be kept: {error}.") from None
    except Busy as error:
        raise Fault(503, f"{error} Try again later.") from None
    except NoAccess as error:
        raise Fault(400, f"Pod {pod.region_name}: {error.detail}. Nothing was stored.") from None
    except PodUnreachable as error:
        raise Fault(502, f"Pod {pod.region_name}: {error.detail}. Nothing was stored.") from None
    call.services.exchanges.forget(pod.id, project_id)
    return respond({"credential": {"project_id": project_id, "there": there}})


async def delete_credential(call: Call) -> web.Response:
    """DELETE /pods/{id}/credentials/{project}: the project gets in no more.

    Its things stay, and so does the row that says which project there stands for it.
    """
    await authorize(call, "pods:update")
    pod, _ = await _with_credentials(call)
    project_id = call.params["project"]
    if not await in_thread(pod_accounts.delete_credential, pod.id, project_id):
        raise Fault(404, f"Project {project_id} has no credential for pod {pod.region_name}.")
    call.services.exchanges.forget(pod.id, project_id)
    return web.Response(status=204)


async def _with_credentials(call: Call) -> tuple[Pod, Credentials]:
    """The pod of the path and its access. Raises Fault 404, 400."""
    pod = Pod.from_row(await _own(call))
    try:
        access = call.services.identity.accesses.of(pod)
    except PodUnreachable as error:
        raise Fault(503, f"Pod {pod.region_name}: {error.detail}.") from None
    if not isinstance(access, Credentials):
        text = f"Pod {pod.region_name} is entered as {pod.access}, which takes no credentials."
        raise Fault(400, text)
    return pod, access


def _project(row: models.PodProject) -> dict[str, Any]:
    return {
        "project_id": row.project_id,
        "there": row.there,
        "created_at": when(row.created_at),
    }


async def _own(call: Call) -> models.Pod:
    """The pod of the path, which has a Keystone of its own. Raises Fault 404, 400."""
    pod = await in_thread(table.get, call.params["id"])
    if pod is None:
        raise Fault(404, f"Pod {call.params['id']} could not be found.")
    if pod.access == SHARED:
        region = CONF.tricircle_identity.region_name
        raise Fault(400, f"Pod {pod.region_name} has the Keystone of {region}: ids are the same.")
    return pod
