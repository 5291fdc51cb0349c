# SPDX-License-Identifier: Apache-2.0
"""Have what a project had in a pod before become the region's, or the pod's own again."""

from typing import ClassVar

from oslo_log import log as logging

from tricircle.db import adoptions
from tricircle.db.outcomes import Gone, Outcome
from tricircle.db.realizations import Row
from tricircle.network.adoption import work
from tricircle.network.reconcile.engine import Engine
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import without_addresses
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import EXPECTED

LOG = logging.getLogger(__name__)


class Adoptions:
    """Works on what operators ask for. What fails for a pod's sake is tried again. All blocks."""

    kinds: ClassVar = {adoptions.KIND: "network"}

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        found = adoptions.get(row.resource_id)
        if found is None or found.pod_id != pod.id or found.state != adoptions.WAITING:
            return Gone()
        session = self._engine.session(pod, deadline)
        do = work.adopt if found.action == adoptions.ADOPT else work.release_all
        try:
            told = do(session, found.project_id, found.dry_run)
        except work.Impossible as error:
            LOG.warning("Adoption %s in pod %s: %s", found.id, pod.region_name, error)
            adoptions.note(found.id, adoptions.FAILED, str(error), None)
            return Gone()
        except Exception as error:
            why = str(error) if isinstance(error, EXPECTED) else f"{type(error).__name__}: {error}"
            adoptions.note(found.id, adoptions.WAITING, without_addresses(why), None)
            raise
        kept = sum(one["action"] in ("leave", "keep") for one in told)
        LOG.info("Adoption %s in pod %s: %d things, %d of them left alone", found.id,
                 pod.region_name, len(told), kept)  # fmt: skip
        adoptions.note(found.id, adoptions.DONE, None, told)
        return Gone()
