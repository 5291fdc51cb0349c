# SPDX-License-Identifier: Apache-2.0
"""What every request needs, made once a process."""

import asyncio
import dataclasses

from tricircle.conf import CONF
from tricircle.db.models import now
from tricircle.gateway.caches import CursorCache, Recent, RoutingCache
from tricircle.gateway.http.authentication import Authenticator
from tricircle.gateway.transport.client import PodClient
from tricircle.gateway.transport.id_translation import Names
from tricircle.gateway.transport.waits import Waits
from tricircle.pods.breaker import Breakers
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import DOWN, MAINTENANCE, Pod
from tricircle.pods.registry import Registry
from tricircle.pods.unified_limits import UnifiedLimits
from tricircle.scheduling.scheduler import Scheduler

# A probe is believed until this many more should have been made.
_PROBES = 5
_MOST_IMAGES = 10_000


@dataclasses.dataclass(slots=True)
class Services:
    """The parts of one gateway process; ``app.make_services()`` makes them from ``CONF``."""

    registry: Registry
    identity: ServiceIdentity
    breakers: Breakers
    client: PodClient
    authenticator: Authenticator
    routings: RoutingCache
    cursors: CursorCache
    limits: UnifiedLimits
    names: Names
    # {image id: (time.monotonic() when that was seen, what the image stands for)}
    images: Recent[str, tuple[float, tuple[tuple[str, str], ...]]] = dataclasses.field(
        default_factory=lambda: Recent(_MOST_IMAGES)
    )
    database_read_at: float | None = None  # time.monotonic() when the pods were read last
    scheduler: Scheduler | None = None  # made at the first create
    tasks: set[asyncio.Task[None]] = dataclasses.field(default_factory=set)  # work after replies
    waits: Waits = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.waits = Waits(self._found_down)

    def serving(self) -> list[Pod]:
        """The pods that are in use: enabled or draining, whatever their health."""
        return [pod for pod in self.registry.all() if pod.state != MAINTENANCE]

    def down(self, pod: Pod) -> bool:
        """Whether the last probe found a pod down, and is not too old to be believed.

        It is once five more should have been made: then whoever probes is away.
        """
        if pod.health != DOWN or pod.probed_at is None:
            return False
        age = (now() - pod.probed_at).total_seconds()
        return age < _PROBES * CONF.pods.probe_interval + CONF.pods.probe_deadline

    def _found_down(self, pod_id: str) -> bool:
        pod = self.registry.get(pod_id)
        return pod is not None and self.down(pod)

    def away(self, pod: Pod) -> bool:
        """Whether there is no use in asking a pod now: down, or left alone after failures."""
        return self.down(pod) or self.breakers[pod.id].resting

    def answering(self) -> list[Pod]:
        """The pods in use that are worth asking now."""
        return [pod for pod in self.serving() if not self.away(pod)]
