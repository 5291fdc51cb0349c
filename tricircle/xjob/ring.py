# SPDX-License-Identifier: Apache-2.0
"""Several workers share the pods: each has those a hash ring of the living gives it.

The ring only distributes work; the claims on rows guarantee that nothing runs twice. So when in
doubt, as without a coordinator, it is right to work on too many pods.
"""

import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import tooz
from oslo_log import log as logging
from tooz import coordination, hashring

from tricircle.conf import CONF
from tricircle.xjob.loop import Loop

LOG = logging.getLogger(__name__)

GROUP = b"tricircle-xjob"
_PARTITIONS = 128
# Seconds without the coordinator until its last word is forgotten: somebody may have died since.
_BELIEVED = 60.0


class Ring:
    """Tells what is this worker's; from ``start()`` to ``stop()`` it looks who is alive.

    ``changed`` is called when that has changed.
    """

    def __init__(self, changed: Callable[[], None], member: str | None = None) -> None:
        self.member = (member or f"{socket.gethostname()}-{uuid.uuid4()}").encode()
        self._changed = changed
        self._coordinator: Any = None
        self._ring: hashring.HashRing | None = None
        self._heard_at = float("-inf")
        self._losing = False
        self._loop = Loop("ring", self.look, lambda: CONF.coordination.member_seconds / 4)

    def start(self) -> None:
        if CONF.coordination.backend_url:
            self._loop.start()

    def stop(self, patience: float) -> None:
        """Leave, so that the others need not wait for this worker's silence."""
        if CONF.coordination.backend_url:
            self._loop.stop()
            self._loop.join(patience)
            self._drop()

    def mine(self, name: str) -> bool:
        """Whether a pod's id, or another piece of work by its name, is this worker's."""
        ring = self._ring
        return ring is None or self.member in ring.get_nodes(name.encode())

    def look(self) -> None:
        """Give a sign of life and see who else does."""
        try:
            members = self._members()
        except (tooz.ToozError, OSError) as error:
            self._lost(error)
            return
        if self._losing:
            LOG.info("The coordinator answers again")
        self._losing, self._heard_at = False, time.monotonic()
        if self._ring is None or members != set(self._ring.nodes):
            LOG.info("%d workers share the pods", len(members))
            self._use(hashring.HashRing(members, partitions=_PARTITIONS))

    def _members(self) -> set[bytes]:
        if self._coordinator is None:
            self._coordinator = _connect(self.member)
        self._coordinator.heartbeat()
        members = set(self._coordinator.get_members(GROUP).get())
        if self.member not in members:
            # New here, or taken for dead while it was slow; or the coordinator has lost its memory.
            with contextlib.suppress(coordination.MemberAlreadyExist):
                self._coordinator.join_group_create(GROUP)
            members = {*self._coordinator.get_members(GROUP).get(), self.member}
        return members

    def _lost(self, error: Exception) -> None:
        """Go on with what is known, for a while; then with everything."""
        if not self._losing:
            LOG.warning("The coordinator fails, the pods stay shared as they are: %s", error)
        self._losing = True
        self._drop()
        if self._ring is not None and time.monotonic() - self._heard_at > _BELIEVED:
            LOG.warning("The coordinator has been away for long: this worker works on all pods")
            self._use(None)

    def _use(self, ring: hashring.HashRing | None) -> None:
        self._ring = ring
        self._changed()

    def _drop(self) -> None:
        coordinator, self._coordinator = self._coordinator, None
        if coordinator is not None:
            with _whatever():
                coordinator.leave_group(GROUP).get()
            with _whatever():
                coordinator.stop()


def _connect(member: bytes) -> Any:
    section = CONF.coordination
    coordinator = coordination.get_coordinator(
        section.backend_url, member, timeout=section.member_seconds
    )
    coordinator.start()
    with contextlib.suppress(coordination.GroupAlreadyExist):
        coordinator.create_group(GROUP).get()
    return coordinator


@contextlib.contextmanager
def _whatever() -> Iterator[None]:
    """What fails in here fails because the coordinator is away already."""
    try:
        yield
    except (tooz.ToozError, OSError) as error:
        LOG.debug("Leaving the coordinator: %s", error)
