# SPDX-License-Identifier: Apache-2.0
"""The groups pods have for server groups: removed when those are, looked for when in doubt.

They are made by the gateway, when a server needs one. Here a pod's group of a deleted group goes,
and where a gateway did not live to tell whether it made one, that is found out.
"""

from urllib.parse import quote

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import models, session
from tricircle.db import server_groups as table
from tricircle.db.realizations import Row
from tricircle.db.work_queue import WorkQueue
from tricircle.pods import rights, server_groups
from tricircle.pods.definitions import Target
from tricircle.pods.document import pages
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_BATCH = 100
_PAGE = 1000
# The first microversion that tells whose a group is.
_VERSION = "2.13"


class ServerGroups:
    """Works on the rows of server groups. All blocks."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity
        self._rows = WorkQueue(models.Realization, session.write)

    def run(self, pod: Pod) -> int:
        """Work on what is due in a pod; how many rows are right now."""
        return sum(self._one(pod, row) for row in self._rows.due(pod.id, _BATCH, (table.KIND,)))

    def _one(self, pod: Pod, due: Row) -> bool:
        row = self._rows.claim(due.id)
        if row is None:
            return False
        try:
            target = Target(pod, self._identity.adapter(pod, rights.SERVER_GROUP))
            inside = row.pod_resource_id or _find(target, row)
            if row.absent:
                if inside is not None:
                    path = f"/os-server-groups/{quote(inside, safe='')}"
                    target.ask("DELETE", path, _VERSION, missing=True)
                    LOG.info("Group %s of pod %s is removed", inside, pod.region_name)
                self._rows.gone(row)
            elif inside is None and _is_fresh(row):
                self._rows.failed(row, row.last_error or "Whether it was made is not known yet.")
                return False
            else:
                self._rows.realized(row, inside)
        except (PodError, KeystoneFailed) as error:
            LOG.warning("%s of pod %s: %s", row.resource_id, pod.region_name, error)
            self._rows.failed(row, str(error))
            return False
        return True


def _find(target: Target, row: Row) -> str | None:
    """The id of the pod's group for a group."""
    region, offset = target.pod.region_name, 0
    for _ in pages(region, "server groups"):
        path = f"/os-server-groups?all_projects=true&limit={_PAGE}&offset={offset}"
        listed = target.ask("GET", path, _VERSION)["server_groups"]
        for one in listed:
            if server_groups.is_for(region, one, row.resource_id, row.project_id):
                return str(one["id"])
        if not listed:
            break
        offset += len(listed)
    return None


def _is_fresh(row: Row) -> bool:
    """Whether a request that made it may still be on its way."""
    since = (models.now() - (row.failing_since or row.updated_at)).total_seconds()
    return since < CONF.reconciler.creation_grace
