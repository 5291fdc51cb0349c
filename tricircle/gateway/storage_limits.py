# SPDX-License-Identifier: Apache-2.0
"""Which limits a project's storage has over all pods, and Cinder's words for what is over one.

Limits are what an operator has set (quota sets, then the quota class ``default``, then
``[quota]``); a limit by volume type that nobody set is none.
"""

from tricircle.conf import CONF
from tricircle.db import definitions, quotas, storage
from tricircle.db.errors import Excess, OverLimit
from tricircle.gateway.threads import in_thread

PER_VOLUME = "per_volume_gigabytes"
_WORDS = {
    "volumes": "Maximum number of volumes allowed ({limit}) exceeded for quota '{name}'.",
    "snapshots": "Maximum number of snapshots allowed ({limit}) exceeded",
    "backups": "Maximum number of backups allowed ({limit}) exceeded",
    "groups": "Maximum number of groups allowed ({limit}) exceeded.",
    "gigabytes": "Requested volume or snapshot exceeds allowed {name} quota. Requested "
    "{requested}G, quota is {limit}G and {used}G has been consumed.",
    "backup_gigabytes": "Requested backup exceeds allowed Backup gigabytes quota. Requested "
    "{requested}G, quota is {limit}G and {used}G has been consumed.",
}


async def of_class(name: str) -> dict[str, int]:
    """{resource: limit} of a quota class."""
    return {**_configured(), **await in_thread(quotas.get, quotas.CLASS, name)}


async def of_project(project_id: str) -> dict[str, int]:
    """{resource: limit} of a project."""
    found = await in_thread(quotas.stored, project_id)
    return {**_configured(), **found.default, **found.project}


def _configured() -> dict[str, int]:
    return {name: getattr(CONF.quota, name) for name in (*storage.RESOURCES, PER_VOLUME)}


async def type_name(project_id: str, named: str | None) -> str | None:
    """The name of the volume type that is meant by a name or id, or that the project's volumes
    get by default."""
    if named is None:
        default = await in_thread(definitions.get, "default_type", project_id)
        named = str(default.body["volume_type"]) if default is not None else None
    row = await in_thread(definitions.get, "volume_type", named) if named else None
    return str(row.body["name"]) if row is not None else named


def concerns(error: OverLimit) -> bool:
    """Whether it is storage there is too much of."""
    return all(_plain(one) is not None for one in error.excess)


def words(error: OverLimit) -> str:
    """Cinder's words for what is over a limit of storage: what there are too many of first."""
    known = [(_plain(one) or "", one) for one in error.excess]
    resource, one = min(known, key=lambda pair: list(_WORDS).index(pair[0]))
    told = {"limit": one.limit, "name": one.resource, "requested": one.requested, "used": one.used}
    return _WORDS[resource].format(**told)


def _plain(one: Excess) -> str | None:
    """The resource without the volume type its limit is for; None when it is none of storage."""
    if one.resource in _WORDS:
        return one.resource
    return next((name for name in storage.BY_TYPE if one.resource.startswith(f"{name}_")), None)
