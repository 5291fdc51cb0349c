# SPDX-License-Identifier: Apache-2.0
"""Which limits a project's storage has over all pods, what it uses of them, and Cinder's words.

Limits are what an operator has set (quota sets, then the quota class ``default``, then
``[quota]``); a limit by volume type that nobody set is none.
"""

import contextlib
from collections.abc import AsyncIterator

from tricircle.conf import CONF
from tricircle.db import quotas, storage
from tricircle.db.errors import Excess, OverLimit
from tricircle.db.storage import Use
from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
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


def too_much(error: OverLimit) -> Fault:
    """Cinder's words for what is over a limit: what there are too many of comes first."""
    excess = sorted(error.excess, key=lambda one: list(_WORDS).index(_plain(one)))
    one = excess[0]
    words = _WORDS[_plain(one)]
    told = {"limit": one.limit, "name": one.resource, "requested": one.requested, "used": one.used}
    return Fault(413, words.format(**told), {"Retry-After": "0"})


def _plain(one: Excess) -> str:
    """The resource without the volume type its limit is for."""
    if one.resource in _WORDS:
        return one.resource
    return next(name for name in storage.BY_TYPE if one.resource.startswith(f"{name}_"))


async def check_size(project_id: str, gigabytes: int) -> None:
    """Raises Fault 413 for a volume larger than one may be."""
    limit = (await of_project(project_id))[PER_VOLUME]
    if 0 <= limit < gigabytes:
        raise Fault(
            413,
            f"Requested volume size {gigabytes}G is larger than maximum allowed limit {limit}G.",
            {"Retry-After": "0"},
        )


@contextlib.asynccontextmanager
async def set_aside(call: Call, use: Use) -> AsyncIterator[str]:
    """What a new thing of the caller's will use is set aside; given back when making it fails.

    Gives the id of the row to be confirmed. Raises Fault 413.
    """
    project = call.context.project_id
    if use.kind == "volume":
        await check_size(project, use.gigabytes)
    try:
        row_id = await in_thread(storage.reserve, project, use, await of_project(project))
    except OverLimit as error:
        raise too_much(error) from None
    try:
        yield row_id
    finally:
        # Harmless for what was confirmed.
        await in_thread(storage.give_back, row_id)
