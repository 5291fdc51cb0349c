# SPDX-License-Identifier: Apache-2.0
"""What a node's process does over and over. Each step gives a word for what came of it.

Little is imported here: it is imported by a new process for each node.
"""

import uuid

from tricircle.db import (
    allocations,
    bindings,
    definitions,
    moves,
    pods,
    quotas,
    routings,
    server_groups,
    session,
    storage,
)
from tricircle.db.allocations import Limits, Wish
from tricircle.db.errors import Duplicate, NotFound, OverLimit
from tricircle.db.models import Realization
from tricircle.db.operations import ServerCreate
from tricircle.db.storage import Use
from tricircle.db.work_queue import WorkQueue

PROJECT, USER = "project", "user"


def reserve(limit: int, number: int) -> str:
    wish = Wish(PROJECT, USER, vcpus=1, ram=64)
    try:
        (made,) = allocations.reserve(wish, Limits({"instances": limit}), [ServerCreate()], 1)
    except OverLimit:
        return "refused"
    allocations.confirm(made, str(uuid.uuid4()), "pod")
    return "made"


def store_volume(limit: int, number: int) -> str:
    use = Use("volume", 2, "ssd")
    try:
        made = storage.reserve(PROJECT, use, {"gigabytes": limit})
    except OverLimit:
        return "refused"
    if number % 3 == 0:
        storage.give_back(made)
        return "given back"
    storage.confirm(made, str(uuid.uuid4()), "pod", use)
    return "made"


def bind(pod_ids: list[str], number: int) -> str:
    for pod_id in pod_ids:
        bindings.ensure(PROJECT, pod_id)
    routings.put("server", "one", pod_ids[number % len(pod_ids)], PROJECT, {"ports": []})
    routings.change_ports("one", add=[f"{uuid.uuid4()}"])
    routings.delete("server", "two")
    routings.put("server", "two", pod_ids[0], PROJECT)
    return "done"


def define(key: str, number: int) -> str:
    row = definitions.put("flavor", key, {"name": key, "ram": number})
    for pod in pods.list_all():
        definitions.mark_realized("flavor", key, row.revision, pod.id)
    quotas.put(quotas.PROJECT, PROJECT, {"instances": number, f"of {number}": 1})
    return "done"


def keypair(limit: int, number: int) -> str:
    try:
        quotas.set_aside_keypair(USER, limit, 600)
    except OverLimit:
        return "refused"
    return "made"


def claim(row_ids: list[str], number: int) -> str:
    queue = WorkQueue(Realization, session.write)
    row = queue.claim(row_ids[number])
    if row is None:
        return "another's"
    assert queue.created(row, f"{uuid.uuid4()}")
    return "mine"


def claim_many(row_ids: list[str], number: int) -> str:
    queue = WorkQueue(Realization, session.write)
    mine = queue.claim_all(row_ids)
    for row in mine:
        if row.attempts > 1 or not queue.realized(row, "inside"):
            return "lost"
    return "done"


def group(limit: int, number: int) -> str:
    try:
        server_groups.create(PROJECT, USER, "one", "affinity", {}, {"project": limit})
    except OverLimit:
        return "refused"
    return "made"


def want_or_forget(group_ids: list[str], pod_ids: list[str], number: int) -> str:
    """Some ask for the group in a pod while others delete it."""
    group_id = group_ids[number // 4]
    try:
        if number % 4 == 3:
            server_groups.delete(group_id)
            return "deleted"
        server_groups.want(group_id, pod_ids[number % 4 % len(pod_ids)])
    except NotFound:
        return "is gone"
    return "wanted"


def move(pod_ids: list[str], number: int) -> str:
    try:
        moves.begin(str(number % 4), PROJECT, pod_ids[0], pod_ids[1])
    except Duplicate:
        return "is on its way"
    return "begun"
