# SPDX-License-Identifier: Apache-2.0
"""Which limits a project has over all pods, and what of them it uses.

Limits come from what an operator has set (quota sets, then the quota class ``default``, then
``[quota]``) or, with the driver ``unified_limits``, from Keystone.
"""

import asyncio

from tricircle.conf import CONF
from tricircle.db import allocations, quotas, server_groups, session
from tricircle.db.allocations import Limits
from tricircle.gateway.call import Call
from tricircle.gateway.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.pods.identity import KeystoneFailed

# Nova's names, and the options that hold their defaults.
OPTIONS = {
    "cores": "cores",
    "injected_files": "injected_files",
    "injected_file_content_bytes": "injected_file_content_bytes",
    "injected_file_path_bytes": "injected_file_path_length",
    "instances": "instances",
    "key_pairs": "key_pairs",
    "metadata_items": "metadata_items",
    "ram": "ram",
    "server_groups": "server_groups",
    "server_group_members": "server_group_members",
}
RESOURCES = tuple(OPTIONS)
# What Nova shows still but limits no more.
UNLIMITED = ("fixed_ips", "floating_ips", "security_groups", "security_group_rules")


def unified() -> bool:
    return bool(CONF.quota.driver == "unified_limits")


async def defaults(call: Call) -> dict[str, int]:
    """{resource: limit} of a project that has none of its own."""
    return await of_class(call, quotas.DEFAULT)


async def of_class(call: Call, name: str) -> dict[str, int]:
    """{resource: limit} of a quota class."""
    if unified():
        return await _in_keystone(call, None)
    configured = {resource: getattr(CONF.quota, option) for resource, option in OPTIONS.items()}
    stored = await in_thread(quotas.get, quotas.CLASS, name)
    return {**dict.fromkeys(UNLIMITED, -1), **configured, **stored}


async def of_project(call: Call, project_id: str, user_id: str = "") -> dict[str, int]:
    """{resource: limit} of a project, or of one user in it."""
    if unified():
        return await _in_keystone(call, project_id)
    found, own = await asyncio.gather(
        defaults(call), in_thread(quotas.get, quotas.PROJECT, project_id)
    )
    users = await in_thread(quotas.get, quotas.PROJECT, project_id, user_id) if user_id else {}
    return {**found, **own, **users}


async def for_servers(call: Call, project_id: str, user_id: str) -> Limits:
    """What holds for a user's servers in a project."""
    project = await of_project(call, project_id)
    users: dict[str, int] = {}
    if not unified():
        users = await in_thread(quotas.get, quotas.PROJECT, project_id, user_id)
    members = users.get("server_group_members", project["server_group_members"])
    return Limits(
        {name: project[name] for name in allocations.RESOURCES},
        {name: users[name] for name in allocations.RESOURCES if name in users},
        members,
    )


async def used(project_id: str, user_id: str | None = None) -> dict[str, int]:
    """{resource: what is used}; as in Nova nothing of what is counted otherwise than by project."""
    servers = await in_thread(allocations.used, project_id, user_id)
    groups = await in_thread(_groups, project_id, user_id)
    return {**dict.fromkeys((*RESOURCES, *UNLIMITED), 0), **servers, "server_groups": groups}


def _groups(project_id: str, user_id: str | None) -> int:
    with session.read() as tx:
        return server_groups.count(tx, project_id, user_id)


async def _in_keystone(call: Call, project_id: str | None) -> dict[str, int]:
    try:
        return await in_thread(call.services.limits.read, project_id)
    except KeystoneFailed as error:
        raise Fault(503, f"The limits are not known now: {error}") from None
