# SPDX-License-Identifier: Apache-2.0
"""Bring definitions (flavors, keypairs, volume types, …) to the pods that lack them.

The rows are in the Tricircle database's ``realizations``; ``WorkQueue`` there says what is due and
who works on it.
"""

from collections.abc import Collection

from oslo_log import log as logging

from tricircle.db import definitions as table
from tricircle.db import models, session
from tricircle.db.realizations import Row
from tricircle.db.work_queue import WorkQueue
from tricircle.pods import definitions, rights
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right

LOG = logging.getLogger(__name__)

_BATCH = 100


class Definitions:
    """Makes pods have the definitions. All blocks."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity
        self._rows = WorkQueue(models.Realization, session.write)

    def run(self, pod: Pod, services: Collection[str] = ("compute", "volume")) -> int:
        """Work on what is due in these services of a pod; how many rows are right now."""
        kinds = [kind for kind, how in definitions.KINDS.items() if how.service in services]
        due = self._rows.due(pod.id, _BATCH, kinds)
        return sum(self._one(pod, row) for row in due)

    def hurry(self, pod: Pod) -> None:
        """The pod is back: what failed there is due now."""
        self._rows.requeue_now(pod.id)

    def _one(self, pod: Pod, due: Row) -> bool:
        row = self._rows.claim(due.id)
        if row is None:
            return False
        kind, key = row.resource_type, row.resource_id
        try:
            wanted = table.get_any(kind, key)
            there = row.pod_resource_id
            if row.absent or wanted is None:
                if pod.has(definitions.KINDS[kind].service):
                    definitions.remove(kind, key, self._target(pod, kind))
                if self._rows.gone(row):
                    self._purge()
            else:
                if pod.has(definitions.KINDS[kind].service):
                    there = definitions.realize(kind, key, wanted.body, self._target(pod, kind))
                self._rows.realized(row, there)
        except (PodError, KeystoneFailed) as error:
            LOG.warning("%s %s is not right in pod %s: %s", kind, key, pod.region_name, error)
            self._rows.failed(row, str(error))
            return False
        return True

    def _target(self, pod: Pod, kind: str, right: Right | None = None) -> definitions.Target:
        how = definitions.KINDS[kind]
        names = table.names(definitions.NAMED, pod.id).get(pod.id)
        adapter = self._identity.adapter(pod, right or how.right)
        return definitions.Target(pod, adapter, how.service, names)

    def adopt(self, pod: Pod) -> None:
        """What the pod had before us, or got behind our back, is the same in every pod from now on.

        Raises PodRefused, PodUnreachable, PodTimeout.
        """
        kinds = [kind for kind in definitions.NAMED if pod.has(definitions.KINDS[kind].service)]
        if kinds:
            table.look_again(kinds, pod.id)
        for kind in kinds:
            target = self._target(pod, kind, rights.ADOPTION)
            collection = definitions.KINDS[kind].collection
            for item in collection.list(target) if collection is not None else ():
                known = table.get_any(kind, target.outside(item["id"]))
                if known is None:
                    self._adopt(pod, target, kind, item["id"])

    @staticmethod
    def _adopt(pod: Pod, target: definitions.Target, kind: str, there: str) -> None:
        body = definitions.read(kind, there, target)
        if body is not None:
            body = {**body, definitions.ADOPTED: True}
            if table.adopt(kind, there, body, pod.id):
                what = (kind.replace("_", " "), body["name"], pod.region_name)
                LOG.info("The %s %s of pod %s is one of all pods now", *what)

    @staticmethod
    def _purge() -> None:
        with session.write() as tx:
            table.purge(tx)
