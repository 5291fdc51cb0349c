# SPDX-License-Identifier: Apache-2.0
"""Bring definitions to the pods that lack them: the reconcile loop's part for flavors, keypairs.

The rows are in the Tricircle database's ``realizations``; ``Store`` there says what is due and
who works on it.
"""

from oslo_log import log as logging

from tricircle.db import definitions as store
from tricircle.db import models, session
from tricircle.db.realizations import Row
from tricircle.db.store import Store
from tricircle.pods import definitions
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_BATCH = 100


class Definitions:
    """Makes pods have the definitions. All blocks."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity
        self._rows = Store(models.Realization, session.write)

    def run(self, pod: Pod) -> int:
        """Work on what is due in a pod; how many rows are right now."""
        due = self._rows.due(pod.id, _BATCH, tuple(definitions.KINDS))
        return sum(self._one(pod, row) for row in due)

    def hurry(self, pod: Pod) -> None:
        """The pod is back: what failed there is due now."""
        self._rows.hurry(pod.id)

    def _one(self, pod: Pod, due: Row) -> bool:
        row = self._rows.claim(due.id)
        if row is None:
            return False
        kind, key = row.resource_type, row.resource_id
        try:
            wanted = store.get_any(kind, key)
            adapter = self._identity.adapter(pod, "compute")
            if row.absent or wanted is None:
                definitions.remove(kind, key, pod, adapter)
                if self._rows.gone(row):
                    self._purge()
            else:
                there = definitions.realize(kind, key, wanted.body, pod, adapter)
                self._rows.realized(row, there)
        except (PodError, KeystoneFailed) as error:
            LOG.warning("%s %s is not right in pod %s: %s", kind, key, pod.region_name, error)
            self._rows.failed(row, str(error))
            return False
        return True

    @staticmethod
    def _purge() -> None:
        with session.write() as tx:
            store.purge(tx)
