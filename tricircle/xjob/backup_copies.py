# SPDX-License-Identifier: Apache-2.0
"""Records of backups that pods were told of: removed when the backup is gone."""

from oslo_log import log as logging

from tricircle.db import backup_copies as table
from tricircle.db import models, session
from tricircle.db.realizations import Row
from tricircle.db.work_queue import WorkQueue
from tricircle.pods import rights
from tricircle.pods.definitions import Target
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_BATCH = 100
# The first microversion that tells whose a backup is.
_V = "3.18"
_OWNER = "os-backup-project-attr:project_id"


class BackupCopies:
    """Works on the records in a pod. All blocks."""

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
        if not row.absent:
            # The gateway tells the pod of it; here it is only known that it may have.
            self._rows.realized(row, row.resource_id)
            return True
        try:
            self._remove(pod, f"/backups/{row.resource_id}")
        except (PodError, KeystoneFailed) as error:
            LOG.warning("The record of backup %s: %s", row.resource_id, error)
            self._rows.failed(row, str(error))
            return False
        self._rows.gone(row)
        return True

    def _remove(self, pod: Pod, path: str) -> None:
        """Remove a record that we brought; its data went with the backup itself."""
        target = Target(pod, self._identity.adapter(pod, rights.BACKUP_COPY), "volume")
        found = target.ask("GET", path, _V, missing=True)
        if found is None:
            return
        if found["backup"].get(_OWNER) != self._identity.project_id():
            LOG.warning("%s of pod %s is another's and stays", path, pod.region_name)
            return
        target.ask("DELETE", path, _V, missing=True)
