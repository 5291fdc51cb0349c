# SPDX-License-Identifier: Apache-2.0
"""Nova's proxies to security groups and their rules."""

import uuid
from typing import Any

from aiohttp import web

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.compute.networking.security_groups import as_nova, known_to, rule_as_nova
from tricircle.gateway.compute.proxies import security_group_rules
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.responses import accepted, respond
from tricircle.gateway.lists import links
from tricircle.gateway.transport.central_neutron import NeutronError

Group = dict[str, Any]
_MOST_CHARACTERS = 255


async def list_all(call: Call) -> web.Response:
    """GET /os-security-groups: the project's; an administrator may ask for all."""
    limit, offset = links.page_size(call), links.offset(call)
    if limit is None or offset is None:
        name = "limit" if limit is None else "offset"
        value = call.query[name]
        raise Fault(
            400,
            f"Invalid input for query parameters {name}. Value: {value}. '{value}' does not match "
            "'^[0-9]*$'",
        )
    every = call.context.is_admin and "all_tenants" in call.query
    filters = {} if every else {"tenant_id": call.context.project_id}
    found = await central(call).list("security-groups", **filters, **user(call))
    found = found[offset:][: limit or CONF.gateway.max_limit]
    told = await _shown(call, found)
    told.sort(key=lambda group: (group["tenant_id"], group["name"]))
    return respond({"security_groups": told})


async def show(call: Call) -> web.Response:
    """GET /os-security-groups/{id}."""
    return await _one(call, await _group(call, _id(call)))


async def create(call: Call) -> web.Response:
    """POST /os-security-groups."""
    try:
        made = await central(call).create("security-groups", _wanted(call), **user(call))
    except NeutronError as error:
        raise _over_quota(error) from None
    return await _one(call, made)


async def update(call: Call) -> web.Response:
    """PUT /os-security-groups/{id}."""
    group, wanted = _id(call), _wanted(call)
    await _group(call, group)
    return await _one(
        call, await central(call).update("security-groups", group, wanted, **user(call))
    )


async def delete(call: Call) -> web.Response:
    """DELETE /os-security-groups/{id}."""
    group = await _group(call, _id(call))
    try:
        await central(call).delete("security-groups", group["id"], **user(call))
    except NeutronError as error:
        raise Fault(400 if error.status == 409 else error.status, error.message) from None
    return accepted()


async def create_rule(call: Call) -> web.Response:
    """POST /os-security-group-rules."""
    wanted = _member(call.json(), "security_group_rule")
    if not isinstance(wanted, dict) or not _is_uuid(_member(wanted, "parent_group_id")):
        raise _invalid("parent_group_id")
    remote = wanted.get("group_id")
    if remote is not None and not _is_uuid(remote):
        raise _invalid("group_id")
    group = await _group(call, wanted["parent_group_id"])
    known = {remote: await _group(call, remote)} if remote is not None else {}
    rule = security_group_rules.parse(wanted)
    if any(rule.is_same(there) for there in as_nova(group, known)["rules"]):
        raise Fault(400, f"This rule already exists in group {group['id']}")
    try:
        made = await central(call).create(
            "security-group-rules", rule.toward_neutron(group["id"]), **user(call)
        )
    except NeutronError as error:
        raise _over_quota(error) from None
    return respond({"security_group_rule": rule_as_nova(made, known)})


async def delete_rule(call: Call) -> web.Response:
    """DELETE /os-security-group-rules/{id}."""
    rule = await central(call).show("security-group-rules", _id(call), **user(call))
    await central(call).delete("security-group-rules", rule["id"], **user(call))
    return accepted()


async def _one(call: Call, group: Group) -> web.Response:
    [told] = await _shown(call, [group])
    return respond({"security_group": told})


async def _shown(call: Call, groups: list[Group]) -> list[Group]:
    own = {group["id"]: group for group in groups}
    known = await known_to(call, own)
    return [as_nova(group, known) for group in groups]


async def _group(call: Call, group: str) -> Group:
    return await central(call).show("security-groups", group, **user(call))


def _id(call: Call) -> str:
    if not _is_uuid(call.params["id"]):
        raise Fault(400, "Security group id should be uuid")
    return call.params["id"]


def _wanted(call: Call) -> Group:
    wanted = _member(call.json(), "security_group")
    if not isinstance(wanted, dict):
        raise _invalid("security_group")
    for name in ("name", "description"):
        value = _member(wanted, name)
        if not isinstance(value, str) or len(value) > _MOST_CHARACTERS:
            raise _invalid(name)
    return {name: wanted[name] for name in ("name", "description")}


def _member(document: Any, name: str) -> Any:
    """What a document has under a name. Raises Fault 400, in Nova's words, when it has nothing."""
    if isinstance(document, dict) and name not in document:
        raise Fault(400, f"'{name}' is a required property")
    return document[name] if isinstance(document, dict) else None


def _invalid(name: str) -> Fault:
    return Fault(400, f"Invalid input for field/attribute {name}.")


def _is_uuid(text: Any) -> bool:
    try:
        return str(uuid.UUID(text)) == text.lower()
    except (ValueError, AttributeError, TypeError):
        return False


def _over_quota(error: NeutronError) -> Fault:
    """Nova takes a conflict for a quota."""
    return Fault(403, error.message) if error.status == 409 else error
