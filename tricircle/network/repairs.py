# SPDX-License-Identifier: Apache-2.0
"""Tells that something in a pod was put right which had been changed there behind our back."""

from oslo_db import exception as db_exc
from oslo_log import log

from tricircle.db import repairs
from tricircle.db.realizations import Key
from tricircle.pods.pod import Pod

LOG = log.getLogger(__name__)


def report(pod: Pod, key: Key, project_id: str | None, told: str) -> None:
    """Tell the log and the database. Raises nothing when the latter fails."""
    LOG.warning("Repaired the %s in pod %s: %s", key, pod.region_name, told)
    try:
        repairs.add(pod.id, key, project_id, told)
    except db_exc.DBError as error:
        # It is done all the same.
        LOG.error("The repair of the %s could not be written down: %s", key, error)
