# SPDX-License-Identifier: Apache-2.0
"""Tells that something in a pod was put right which had been changed there behind our back, or that
it looks like ours and is not.
"""

from collections.abc import Sequence

from oslo_db import exception as db_exc
from oslo_log import log

from tricircle.db import repairs
from tricircle.db.realizations import Key
from tricircle.pods.pod import Pod
from tricircle.telemetry.metrics import REPAIRS

LOG = log.getLogger(__name__)

# How many objects of strangers are told of at once, and how many looked up: anybody can make some.
_STRANGERS, _LOOKED_AT = 100, 1000


def report(pod: Pod, key: Key, project_id: str | None, done: str) -> None:
    """Tell the log and the database what was done. Raises nothing when the latter fails."""
    REPAIRS.inc(pod.region_name, key.resource_type)
    LOG.warning("Repaired the %s in pod %s: %s", key, pod.region_name, done)
    try:
        repairs.add(pod.id, key, project_id, done)
    except db_exc.DBError as error:
        # It is done all the same.
        LOG.error("The repair of the %s could not be written down: %s", key, error)


def left_alone(object_id: str, project_id: str) -> str:
    """What is told of an object with a marker that we did not make."""
    return f"left {object_id} of project {project_id} alone: its marker is not ours"


def report_strangers(pod: Pod, found: Sequence[tuple[Key, str]]) -> None:
    """Tell once of objects with a marker that are left alone, (key, words). Raises nothing."""
    try:
        new = repairs.add_new(pod.id, found[:_LOOKED_AT], _STRANGERS)
    except db_exc.DBError as error:
        LOG.error(
            "What is not ours in pod %s could not be written down: %s", pod.region_name, error
        )
        return
    if new:
        LOG.warning(
            "Pod %s has %d objects with a marker that we did not make: GET /tricircle/v1.0/repairs",
            pod.region_name,
            new,
        )
