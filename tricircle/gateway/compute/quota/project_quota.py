# SPDX-License-Identifier: Apache-2.0
"""Which limits a project has over all pods, and what of them it uses.

Limits come from what an operator has set (quota sets, then the quota class ``default``, then
``[quota]``) or, with the driver ``unified_limits``, from Keystone.
"""

import dataclasses
from collections.abc import Mapping

from tricircle.conf import CONF
from tricircle.db import allocations, quotas, server_groups, session
from tricircle.db.allocations import Limits
from tricircle.db.quotas import Stored
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import KEYSTONE, in_thread
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.unified_limits import unregistered

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


@dataclasses.dataclass(frozen=True, slots=True)
class Held:
    """The limits a user is held to: all by name, those of servers, those of server groups.

    ``groups`` are how many the "project" and, where that is set, the "user" may have.
    """

    all: dict[str, int]
    servers: Limits
    groups: dict[str, int]


def unified() -> bool:
    return bool(CONF.quota.driver == "unified_limits")


async def defaults(call: Call) -> dict[str, int]:
    """{resource: limit} of a project that has none of its own."""
    return await of_class(call, quotas.DEFAULT)


async def of_class(call: Call, name: str) -> dict[str, int]:
    """{resource: limit} of a quota class."""
    if unified():
        return _shown(await _in_keystone(call, None))
    return {**_configured(), **await in_thread(quotas.get, quotas.CLASS, name)}


def _configured() -> dict[str, int]:
    configured = {resource: getattr(CONF.quota, option) for resource, option in OPTIONS.items()}
    return {**dict.fromkeys(UNLIMITED, -1), **configured}


async def of_project(call: Call, project_id: str, user_id: str = "") -> dict[str, int]:
    """{resource: limit} of a project, or of one user in it, to be shown."""
    if unified():
        return _shown(await _in_keystone(call, project_id))
    found = await _of(call, project_id, user_id)
    return {**found.project, **found.user}


async def held(call: Call, project_id: str, user_id: str) -> Held:
    """What holds for what a user makes in a project."""
    found = await _of(call, project_id, user_id)
    both = {**found.project, **found.user}
    servers = Limits(
        {name: found.project[name] for name in allocations.RESOURCES},
        {name: found.user[name] for name in allocations.RESOURCES if name in found.user},
        both["server_group_members"],
    )
    groups = {"project": found.project["server_groups"]}
    if "server_groups" in found.user:
        groups["user"] = found.user["server_groups"]
    return Held(both, servers, groups)


async def _of(call: Call, project_id: str, user_id: str) -> Stored:
    """Every limit of a project, and those a user has of their own."""
    if unified():
        limits = await _in_keystone(call, project_id)
        held = {
            name: unregistered(name) if limit is None else limit for name, limit in limits.items()
        }
        return Stored({}, held, {})
    found = await in_thread(quotas.stored, project_id, user_id)
    return Stored({}, {**_configured(), **found.default, **found.project}, found.user)


async def used(project_id: str, user_id: str | None = None) -> dict[str, int]:
    """{resource: what is used}; as in Nova nothing of what is counted otherwise than by project."""
    servers = await in_thread(allocations.used, project_id, user_id)
    groups = await in_thread(_groups, project_id, user_id)
    return {**dict.fromkeys((*RESOURCES, *UNLIMITED), 0), **servers, "server_groups": groups}


def _groups(project_id: str, user_id: str | None) -> int:
    with session.read() as tx:
        return server_groups.count(tx, project_id, user_id)


def _shown(limits: Mapping[str, int | None]) -> dict[str, int]:
    """Nova shows what has no registered limit as zero, whether it may be used or not."""
    return {**dict.fromkeys(UNLIMITED, -1), **{name: each or 0 for name, each in limits.items()}}


async def _in_keystone(call: Call, project_id: str | None) -> dict[str, int | None]:
    try:
        return await KEYSTONE.run(call.services.limits.read, project_id)
    except KeystoneFailed as error:
        raise Fault(503, f"The limits are not known now: {error}") from None
