# SPDX-License-Identifier: Apache-2.0
"""Rules: which pods projects and domains may use."""

from typing import Any

from aiohttp import web

from tricircle.db import models
from tricircle.db import rules as table
from tricircle.db.errors import Duplicate, NotFound
from tricircle.gateway.admin.common import ROOT, authorize, body, listed, page, when
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import respond
from tricircle.gateway.threads import in_thread
from tricircle.scheduling.rules import FLAVOR, IMAGE

_TEXT = {"type": "string", "minLength": 1, "maxLength": 255}
_ID = {"type": "string", "pattern": r"^[0-9A-Za-z_-]{1,64}\Z", "description": "is no id"}
_NAMES = {"type": "array", "items": _TEXT, "minItems": 1, "maxItems": 100}
CREATE = {
    "type": "object",
    "properties": {
        "name": _TEXT,
        "effect": {"type": "string", "enum": list(table.EFFECTS)},
        "project_id": _ID,
        "domain_id": _ID,
        "property": {
            "type": "object",
            "properties": {
                "of": {"type": "string", "enum": [IMAGE, FLAVOR]},
                "name": _TEXT,
                "value": _TEXT,
            },
            "required": ["of", "name", "value"],
            "additionalProperties": False,
        },
        "pods": {
            "type": "object",
            "properties": {
                "region_name": _NAMES,
                "availability_zone": _NAMES,
                "labels": {
                    "type": "object",
                    "minProperties": 1,
                    "maxProperties": 20,
                    "additionalProperties": {"type": "string", "maxLength": 255},
                },
            },
            "minProperties": 1,
            "additionalProperties": False,
        },
    },
    "required": ["name", "effect", "pods"],
    "additionalProperties": False,
}
FILTERS = ("name", "effect", "project_id", "domain_id")


def _view(rule: models.Rule) -> dict[str, Any]:
    condition = None
    if rule.property_of is not None:
        condition = {
            "of": rule.property_of,
            "name": rule.property_name,
            "value": rule.property_value,
        }
    return {
        "id": rule.id,
        "name": rule.name,
        "effect": rule.effect,
        "project_id": rule.project_id,
        "domain_id": rule.domain_id,
        "property": condition,
        "pods": rule.pods,
        "created_at": when(rule.created_at),
    }


async def create(call: Call) -> web.Response:
    """POST /rules."""
    await authorize(call, "rules:create")
    values = body(call, "rule", CREATE)
    _check(values)
    condition = values.pop("property", None) or {}
    columns = {f"property_{name}": value for name, value in condition.items()}
    try:
        rule = await in_thread(table.create, {**values, **columns})
    except Duplicate:
        raise Fault(409, f"There is a rule {values['name']} already.") from None
    location = {"Location": f"{call.root}{ROOT}/rules/{rule.id}"}
    return respond({"rule": _view(rule)}, 201, location)


def _check(values: dict[str, Any]) -> None:
    """Raises Fault 400 for what no schema says."""
    if "project_id" in values and "domain_id" in values:
        raise Fault(400, "A rule is for a project or for a domain, not for both.")
    if values["effect"] != table.DEFAULT:
        return
    zones = values["pods"].get("availability_zone", [])
    if len(zones) != 1 or len(values["pods"]) != 1 or "property" in values:
        raise Fault(400, "A rule for a default names one availability zone, and nothing else.")


async def list_rules(call: Call) -> web.Response:
    """GET /rules."""
    await authorize(call, "rules:get_all_projects")
    wanted = page(call, FILTERS)
    return await listed(
        call, "rules", wanted, table.page, wanted.filters, _view, lambda rule: rule.id
    )


async def show(call: Call) -> web.Response:
    """GET /rules/{id}."""
    await authorize(call, "rules:get_all_projects")
    rule = await in_thread(table.get, call.params["id"])
    if rule is None:
        raise _unknown(call)
    return respond({"rule": _view(rule)})


async def delete(call: Call) -> web.Response:
    """DELETE /rules/{id}."""
    await authorize(call, "rules:delete")
    try:
        await in_thread(table.delete, call.params["id"])
    except NotFound:
        raise _unknown(call) from None
    return web.Response(status=204)


def _unknown(call: Call) -> Fault:
    return Fault(404, f"Rule {call.params['id']} could not be found.")
