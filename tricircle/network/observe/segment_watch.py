# SPDX-License-Identifier: Apache-2.0
"""Operators are told before segments for networks, and for routers' bridge networks, run out."""

from oslo_log import log

from tricircle.conf import CONF
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central import segments

LOG = log.getLogger(__name__)


class SegmentWatch:
    """Tells the log which pools of segments run low, again whenever half as many are left."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._told: dict[str, int] = {}
        self.seen: dict[str, int] = {}  # {pool: segments left} of those that run low

    def look(self) -> dict[str, int]:
        """Look; ``seen``."""
        few = CONF.interconnect.few_segments
        found: dict[str, int] = self._queue.transact(lambda tx: segments.running_out(tx, few))
        self.seen = found
        for pool, left in found.items():
            if pool not in self._told or left <= self._told[pool] // 2:
                LOG.warning(
                    "Only %d segments are left of %s: networks of it, and routers over several "
                    "pods, need one each. Widen its ranges in central Neutron and in the pods",
                    left, pool,
                )  # fmt: skip
                self._told[pool] = left
        for pool in self._told.keys() - found.keys():
            LOG.info("There are segments enough of %s again", pool)
            del self._told[pool]
        return found
