# SPDX-License-Identifier: Apache-2.0
"""Copies of one type that are to be made in a pod at the same time, made in one call.

Neutron makes all objects of a call or none, so one that it refuses must not hold up the others:
then each is made by itself. It may also have made some and refused all the same, after its
transaction; so what it does not tell of is looked for first.
"""

import threading
import time
from collections.abc import Sequence, Set

from oslo_log import log

from tricircle.db.realizations import Row
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.site import Site
from tricircle.network.reconcile.adapters.base import Adapter
from tricircle.pods.errors import PodRefused, PodTimeout

LOG = log.getLogger(__name__)

# Objects in one call at the most: a Neutron takes a few tenths of a second for a port, however it
# is asked, and the call is to end within [reconciler] call_deadline.
MOST = 50
# Seconds a pod that did not answer such a call in time is asked for fewer.
_CAUTIOUS = 300.0


class BatchSizes:
    """How many objects a pod is asked to make in one call. Thread-safe."""

    def __init__(self) -> None:
        self._cautious: dict[str, tuple[float, int]] = {}
        self._lock = threading.Lock()

    def most(self, pod_id: str) -> int:
        with self._lock:
            until, most = self._cautious.get(pod_id, (float("-inf"), MOST))
        return most if time.monotonic() < until else MOST

    def too_many(self, pod_id: str, number: int) -> None:
        """The pod did not answer in time: half as many, or it might never get through."""
        with self._lock:
            self._cautious[pod_id] = time.monotonic() + _CAUTIOUS, max(1, number // 2)


class Batch:
    """Of rows that are claimed and whose copies are not known to be in the pod: what is there.

    By the rows' resources: ``found`` was there (it may not be as it should), ``made`` is made just
    now, what is in neither is not there. ``wrong`` is why something cannot be made.
    """

    def __init__(self) -> None:
        self.found: dict[str, Resource] = {}
        self.made: dict[str, Resource] = {}
        self.wrong: dict[str, Exception] = {}

    def look(
        self,
        site: Site,
        adapter: Adapter,
        wanted: Sequence[tuple[Row, Resource]],
        sizes: BatchSizes,
    ) -> None:
        """See what is there, and make the rest if it is more than one."""
        centrals = {row.resource_id: central for row, central in wanted}
        doubtful = {
            row.resource_id: central
            for row, central in wanted
            if row.attempts > 1 or adapter.adopts(central)
        }
        self._find(site, adapter, doubtful)
        bodies: dict[str, Resource] = {}
        for row, central in wanted:
            if row.resource_id not in self.found and row.resource_id not in self.wrong:
                try:
                    bodies[row.resource_id] = adapter.prepare(site, central)
                except Exception as error:
                    self.wrong[row.resource_id] = error
        if len(bodies) > 1:
            made = self._make(site, adapter, bodies, sizes)
            self._find(site, adapter, {one: centrals[one] for one in bodies.keys() - made})

    def _make(
        self, site: Site, adapter: Adapter, bodies: dict[str, Resource], sizes: BatchSizes
    ) -> Set[str]:
        """Make them in one call. Returns those whose outcome is known."""
        try:
            made = adapter.create_all(site, list(bodies.values()))
        except PodRefused as error:
            LOG.info("Pod %s makes %d %s one by one: %s", site.pod.region_name, len(bodies),
                     adapter.collection, error)  # fmt: skip
            made = {}
        except PodTimeout as error:
            sizes.too_many(site.pod.id, len(bodies))
            self.wrong |= dict.fromkeys(bodies, error)
            return bodies.keys()
        except Exception as error:
            self.wrong |= dict.fromkeys(bodies, error)
            return bodies.keys()
        self.made = {one: made[one] for one in bodies if one in made}
        return made.keys()

    def _find(self, site: Site, adapter: Adapter, centrals: dict[str, Resource]) -> None:
        if not centrals:
            return
        try:
            found = adapter.find_all(site, centrals.values())
        except Exception as error:
            self.wrong |= dict.fromkeys(centrals, error)
        else:
            self.found |= found
