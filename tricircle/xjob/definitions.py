# SPDX-License-Identifier: Apache-2.0
"""Bring definitions (flavors, keypairs, volume types, …) to the pods that lack them."""

from typing import ClassVar

from oslo_log import log as logging

from tricircle.db import definitions as table
from tricircle.db.outcomes import Gone, Outcome, Realized
from tricircle.db.realizations import Row
from tricircle.pods import definitions, rights
from tricircle.pods.deadline import Deadline
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService, PodServices
from tricircle.pods.rights import Right

LOG = logging.getLogger(__name__)


class Definitions:
    """Reconciles definitions. All blocks."""

    kinds: ClassVar = {kind: how.service for kind, how in definitions.KINDS.items()}

    def __init__(self, services: PodServices) -> None:
        self._services = services

    def reconcile(self, pod: Pod, row: Row, deadline: Deadline) -> Outcome:
        kind, key = row.resource_type, row.resource_id
        lives_there = pod.has(definitions.KINDS[kind].service)
        lives_there = lives_there and self._services.identity.accesses.takes(pod, kind)
        wanted = table.get_any(kind, key)
        if row.absent or wanted is None:
            if lives_there:
                definitions.remove(kind, key, self._service(pod, kind, deadline))
            return Gone()
        if not lives_there:
            return Realized(row.pod_resource_id)
        return Realized(
            definitions.realize(kind, key, wanted.body, self._service(pod, kind, deadline))
        )

    def _service(
        self, pod: Pod, kind: str, deadline: Deadline | None, right: Right | None = None
    ) -> PodService:
        names = table.names(definitions.NAMED, pod.id).get(pod.id)
        return self._services.of(pod, right or definitions.KINDS[kind].right, deadline, names)

    def adopt(self, pod: Pod) -> None:
        """What the pod had before us, or got behind our back, is the same in every pod from now on.

        But for a pod where we are no administrator: what that has is somebody else's altogether.

        Raises PodRefused, PodUnreachable, PodTimeout.
        """
        if not pod.is_privileged:
            return
        kinds = [kind for kind in definitions.NAMED if pod.has(definitions.KINDS[kind].service)]
        if kinds:
            table.look_again(kinds, pod.id)
        for kind in kinds:
            service = self._service(pod, kind, None, rights.ADOPTION)
            collection = definitions.KINDS[kind].collection
            for item in collection.list(service) if collection is not None else ():
                known = table.get_any(kind, service.outside(item["id"]))
                if known is None:
                    self._adopt(pod, service, kind, item["id"])

    @staticmethod
    def _adopt(pod: Pod, service: PodService, kind: str, pod_resource_id: str) -> None:
        body = definitions.read(kind, pod_resource_id, service)
        if body is not None:
            body = {**body, definitions.ADOPTED: True}
            if table.adopt(kind, pod_resource_id, body, pod.id):
                what = (kind.replace("_", " "), body["name"], pod.region_name)
                LOG.info("The %s %s of pod %s is one of all pods now", *what)
