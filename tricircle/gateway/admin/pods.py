# SPDX-License-Identifier: Apache-2.0
"""Pods: register, look at, change, forget."""

from collections.abc import Callable
from typing import Any

from aiohttp import web

from tricircle.conf import CONF
from tricircle.db import models
from tricircle.db import pods as table
from tricircle.db.errors import Duplicate, InUse, NotFound
from tricircle.gateway.admin import pod_access
from tricircle.gateway.admin.common import (
    ROOT,
    allows,
    authorize,
    body,
    flag,
    listed,
    page,
    visible_project,
    when,
)
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import KEYSTONE, in_thread
from tricircle.gateway.upstream import scheduling
from tricircle.pods import availability, discovery
from tricircle.pods.access.base import SHARED
from tricircle.pods.catalogue import OWN
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import DRAINING, ENABLED, MAINTENANCE, Pod
from tricircle.pods.registry import Registry
from tricircle.pods.versions import CHOSEN, Range
from tricircle.scheduling.rules import default_zone, left_out

_NAME = {
    "type": "string",
    "minLength": 1,
    "maxLength": 255,
    "pattern": r"^\S(.*\S)?\Z",
    "description": "must not begin or end with a space",
}
# Nova reads az:host:node from the zone a client asks for.
_ZONE = {
    **_NAME,
    "pattern": r"^[^:\s]([^:]*[^:\s])?\Z",
    "description": "must not hold a colon, nor begin or end with a space",
}
_URL = {
    "type": "string",
    "maxLength": 255,
    "pattern": r"^https?://[^/\s?#@]+(/[^\s?#]*)?\Z",
    "description": "is no http or https URL of a service",
}
_ENDPOINTS = {
    "type": ["object", "null"],
    "properties": dict.fromkeys((*OWN, "image"), _URL),
    "required": ["compute", "network"],
    "additionalProperties": False,
}
_LABEL = r"^[A-Za-z0-9][A-Za-z0-9_./-]{0,62}\Z"
_LABELS = {
    "type": "object",
    "maxProperties": 20,
    "propertyNames": {
        "pattern": _LABEL,
        "description": "is no name of a label: letters, digits and _./-, 63 at the most",
    },
    "additionalProperties": {"type": "string", "maxLength": 255},
}
_CHANGEABLE: dict[str, Any] = {
    "availability_zone": _ZONE,
    "pod_availability_zone": {**_ZONE, "minLength": 0, "pattern": rf"^\Z|{_ZONE['pattern']}"},
    "dc_name": {"type": "string", "maxLength": 255},
    "state": {"type": "string", "enum": [ENABLED, DRAINING, MAINTENANCE]},
    "endpoints": _ENDPOINTS,
    "labels": _LABELS,
}
CREATE = {
    "type": "object",
    "properties": {"region_name": _NAME, **_CHANGEABLE, "access": pod_access.SCHEMA},
    "required": ["region_name", "availability_zone"],
    "additionalProperties": False,
}
UPDATE = {
    "type": "object",
    "properties": {
        **_CHANGEABLE,
        "access": pod_access.SCHEMA,
        "state_reason": {"type": "string", "maxLength": 1000},
    },
    "dependentRequired": {"state_reason": ["state"]},
    "minProperties": 1,
    "additionalProperties": False,
}
FILTERS = ("region_name", "availability_zone", "dc_name", "state", "health")
OF_PROJECT = ("project_id", "domain_id")


def view(pod: models.Pod) -> dict[str, Any]:
    """A pod as everybody may see it."""
    return {
        "id": pod.id,
        "number": pod.number,
        "region_name": pod.region_name,
        "availability_zone": pod.availability_zone,
        "dc_name": pod.dc_name,
        "labels": pod.labels or {},
        "state": pod.state,
        "health": {"state": pod.health},
    }


def whole(pod: models.Pod) -> dict[str, Any]:
    """All that is known of a pod."""
    return {
        **view(pod),
        "pod_availability_zone": pod.pod_availability_zone,
        "access": pod_access.view(pod),
        "health": {
            "state": pod.health,
            "last_error": pod.last_error,
            "latency_ms": pod.latency_ms,
            "probed_at": when(pod.probed_at),
            "seen_at": when(pod.seen_at),
            "services": {
                name: {"state": one["state"], "last_error": one["error"]}
                for name, one in (pod.services or {}).items()
            },
        },
        "versions": pod.versions,
        "endpoints": pod.endpoints,
        "endpoints_given": pod.given_endpoints is not None,
        "created_at": when(pod.created_at),
        "updated_at": when(pod.updated_at),
    }


async def create(call: Call) -> web.Response:
    """POST /pods: register a pod. Nothing is stored unless it answers."""
    await authorize(call, "pods:create")
    values = body(call, "pod", CREATE)
    region = values["region_name"]
    if await in_thread(table.by_region, region) is not None:
        raise _taken(region)
    entrance = await pod_access.tried(call, region, values.pop("access", None))
    given = values.pop("endpoints", None)
    found = await _discover(call, region, entrance.endpoints if given is None else given)
    now = models.now()
    healths = {
        name: availability.answered(now, seen.latency_ms)
        for name, seen in found.services.items()
        if discovery.SERVICES[name].watched
    }
    discovered = {
        "given_endpoints": given,
        "endpoints": found.endpoints,
        "versions": found.versions,
        "services": {name: health.stored() for name, health in healths.items()},
        **availability.summary(healths),
        "probed_at": now,
        "seen_at": now,
    }
    try:
        pod = await in_thread(table.create, {**values, **entrance.columns, **discovered})
    except Duplicate:
        raise _taken(region) from None
    await in_thread(call.services.registry.refresh)
    location = {"Location": f"{call.root}{ROOT}/pods/{pod.id}"}
    return respond({"pod": whole(pod)}, 201, location)


async def list_pods(call: Call) -> web.Response:
    """GET /pods."""
    await authorize(call, "pods:get")
    wanted, seen = page(call, (*FILTERS, *OF_PROJECT)), await _view_for(call)
    columns = {name: wanted.filters[name] for name in FILTERS if name in wanted.filters}
    judge = await _judge(call, wanted.filters.get("project_id"), wanted.filters.get("domain_id"))
    return await listed(
        call,
        "pods",
        wanted,
        table.page,
        columns,
        lambda pod: seen(pod) | judge(pod),
        lambda pod: pod.id,
    )


async def _judge(
    call: Call, project_id: str | None, domain_id: str | None
) -> Callable[[models.Pod], dict[str, Any]]:
    """What rules say of a pod for a project: "allowed", and "why_not". Raises Fault 403.

    Without a project nothing is said.
    """
    if project_id is None:
        if domain_id is not None:
            raise Fault(400, "A domain_id says of which domain a project_id is: give both.")
        return lambda pod: {}
    await visible_project(call, "rules", project_id)
    if project_id == call.context.project_id:
        domain_id = None  # it is known
    rules = await scheduling.rules_for(call, project_id, domain_id)
    usual = default_zone(rules)

    def said(row: models.Pod) -> dict[str, Any]:
        pod = Pod.from_row(row)
        reason = left_out(rules, [pod]).get(pod.id)
        return {
            "allowed": reason is None,
            "why_not": reason,
            "is_default": usual == pod.availability_zone,
        }

    return said


async def show(call: Call) -> web.Response:
    """GET /pods/{id}."""
    await authorize(call, "pods:get")
    pod = await in_thread(table.get, call.params["id"])
    if pod is None:
        raise _unknown(call)
    seen = await _view_for(call)
    return respond({"pod": seen(pod)})


async def update(call: Call) -> web.Response:
    """PATCH /pods/{id}."""
    await authorize(call, "pods:update")
    values = body(call, "pod", UPDATE)
    reason = values.pop("state_reason", "")
    if "access" in values:
        before = await in_thread(table.get, call.params["id"])
        if before is None:
            raise _unknown(call)
        entrance = await pod_access.tried(call, before.region_name, values.pop("access"), before)
        values |= entrance.columns
    if "endpoints" in values:
        values |= await _moved(call, values.pop("endpoints"))
    try:
        pod = await in_thread(table.update, call.params["id"], values, call.context.user_id, reason)
    except NotFound:
        raise _unknown(call) from None
    await in_thread(call.services.registry.refresh)
    return respond({"pod": whole(pod)})


async def delete(call: Call) -> web.Response:
    """DELETE /pods/{id}: forget a pod. With ``force`` also what is known to be there."""
    await authorize(call, "pods:delete")
    force = flag(call, "force")
    try:
        await in_thread(table.delete, call.params["id"], force)
    except NotFound:
        raise _unknown(call) from None
    except InUse as error:
        held = ", ".join(f"{name}: {number}" for name, number in error.counts.items())
        raise Fault(
            409,
            f"Pod {call.params['id']} still holds resources ({held}). Remove them first, or "
            "delete with force=true to forget them; what is in the pod itself stays.",
        ) from None
    await in_thread(call.services.registry.refresh)
    return web.Response(status=204)


async def _moved(call: Call, given: dict[str, str] | None) -> dict[str, Any]:
    """The columns of a pod whose endpoints are named from now on, or are the catalogue's again.

    Raises Fault 400, 404, 502: nothing is stored unless it answers there.
    """
    pod = await in_thread(table.get, call.params["id"])
    if pod is None:
        raise _unknown(call)
    if given is None and pod.access != SHARED:
        # Its own Keystone is asked by whoever watches it.
        return {"given_endpoints": None}
    found = await _discover(call, pod.region_name, given)
    versions = {**pod.versions, **found.versions}
    return {"given_endpoints": given, "endpoints": found.endpoints, "versions": versions}


async def _discover(call: Call, region: str, endpoints: dict[str, str] | None) -> discovery.Found:
    """What a pod offers at ``endpoints``; without them at those our own catalogue has.

    Raises Fault 400 for a wrong name, 502 for a pod that is not there, 503.
    """
    if endpoints is None:
        endpoints = await _catalogue(call, region)
    elif region == CONF.tricircle_identity.region_name:
        raise Fault(400, f"{region} is the region users see, not a pod.")
    try:
        async with discovery.client() as http:
            return await discovery.discover(
                http, region, endpoints, others=_in_common(call.services.registry)
            )
    except PodUnreachable as error:
        text = f"Pod {region}: {error.detail}. Nothing was stored."
        raise Fault(502, text) from None


async def _catalogue(call: Call, region: str) -> dict[str, str]:
    """What our own catalogue has of a region.

    Raises Fault 400 for one that is no pod's, 503.
    """
    own = CONF.tricircle_identity.region_name
    identity = call.services.identity
    try:
        known = await KEYSTONE.run(identity.regions)
        if region == own or region not in known:
            what = "the region users see, not a pod" if region == own else "no region of Keystone"
            pods = ", ".join(sorted(known.keys() - {own})) or "none"
            raise Fault(400, f"{region} is {what}. Known regions: {pods}.")
        return await KEYSTONE.run(identity.endpoints, region, fresh=True)
    except KeystoneFailed as error:
        raise Fault(503, f"{error}. Try again later.") from None


async def _view_for(call: Call) -> Callable[[models.Pod], dict[str, Any]]:
    return whole if await allows(call, "pods:get_details") else view


def _in_common(registry: Registry) -> dict[str, Range]:
    """The versions users get now: a new pod must have some of them."""
    offered = ((service, registry.offered(service)) for service in CHOSEN)
    return {service: found for service, found in offered if found is not None}


def _taken(region: str) -> Fault:
    return Fault(409, f"The region {region} is registered as a pod already.")


def _unknown(call: Call) -> Fault:
    return Fault(404, f"Pod {call.params['id']} could not be found.")
