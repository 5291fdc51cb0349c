# SPDX-License-Identifier: Apache-2.0
"""Records of backups that pods were told of: removed when the backup is gone."""

from typing import ClassVar

from oslo_log import log as logging

from tricircle.db import backup_copies as table
from tricircle.db.outcomes import Gone, Outcome, Realized
from tricircle.db.realizations import Row
from tricircle.pods import rights
from tricircle.pods.deadline import Deadline
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService, PodServices

LOG = logging.getLogger(__name__)

# The first microversion that tells whose a backup is.
_V = "3.18"
_OWNER = "os-backup-project-attr:project_id"


class BackupCopies:
    """Reconciles the records in pods. All blocks."""

    kinds: ClassVar = {table.KIND: "volume"}

    def __init__(self, services: PodServices) -> None:
        self._services = services

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        if not row.absent:
            # The gateway tells the pod of it; here it is only known that it may have.
            return Realized(row.resource_id)
        self._remove(self._services.of(pod, rights.BACKUP_COPY, deadline), row.resource_id)
        return Gone()

    def _remove(self, service: PodService, backup_id: str) -> None:
        """Remove a record that we brought; its data went with the backup itself."""
        path = f"/backups/{backup_id}"
        found = service.ask("GET", path, _V, missing=True)
        if found is None:
            return
        if found["backup"].get(_OWNER) != self._services.identity.project_id():
            LOG.warning("%s of pod %s is another's and stays", path, service.pod.region_name)
            return
        service.ask("DELETE", path, _V, missing=True)
