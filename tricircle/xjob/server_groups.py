# SPDX-License-Identifier: Apache-2.0
"""The groups pods have for server groups: removed when those are, looked for when in doubt.

They are made by the gateway, when a server needs one. Here a pod's group of a deleted group goes,
and where a gateway did not live to tell whether it made one, that is found out.
"""

from typing import ClassVar
from urllib.parse import quote

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import models
from tricircle.db import server_groups as table
from tricircle.db.outcomes import Gone, Outcome, Realized, Requeue
from tricircle.db.realizations import Row
from tricircle.pods import rights, server_groups
from tricircle.pods.deadline import Deadline
from tricircle.pods.document import pages
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService, PodServices

LOG = logging.getLogger(__name__)

_PAGE = 1000
# The first microversion that tells whose a group is.
_VERSION = "2.13"


class ServerGroups:
    """Reconciles the rows of server groups. All blocks."""

    kinds: ClassVar = {table.KIND: "compute"}

    def __init__(self, services: PodServices) -> None:
        self._services = services

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        service = self._services.of(pod, rights.SERVER_GROUP, deadline)
        inside = row.pod_resource_id or _find(service, row)
        if row.absent:
            if inside is not None:
                path = f"/os-server-groups/{quote(inside, safe='')}"
                service.ask("DELETE", path, _VERSION, missing=True)
                LOG.info("Group %s of pod %s is removed", inside, pod.region_name)
            return Gone()
        if inside is None and _is_fresh(row):
            return Requeue(reason=row.last_error or "Whether it was made is not known yet.")
        return Realized(inside)


def _find(service: PodService, row: Row) -> str | None:
    """The id of the pod's group for a group."""
    region, offset = service.pod.region_name, 0
    for _ in pages(region, "server groups"):
        path = f"/os-server-groups?all_projects=true&limit={_PAGE}&offset={offset}"
        listed = service.ask("GET", path, _VERSION)["server_groups"]
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
