# SPDX-License-Identifier: Apache-2.0
"""What every request needs, made once a process."""

import asyncio
import dataclasses

from tricircle.gateway.caches import CursorCache, Nowhere, Recent, RoutingCache
from tricircle.gateway.http.authentication import Authenticator
from tricircle.gateway.transport.client import PodClient
from tricircle.gateway.transport.exchanges import Exchanges
from tricircle.gateway.transport.id_translation import Names
from tricircle.pods.availability import Availability
from tricircle.pods.breaker import Breakers
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.pods.registry import Registry
from tricircle.pods.unified_limits import UnifiedLimits
from tricircle.scheduling.scheduler import Scheduler

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
    nowhere: Nowhere = dataclasses.field(default_factory=Nowhere)
    database_read_at: float | None = None  # time.monotonic() when the pods were read last
    scheduler: Scheduler | None = None  # made at the first create
    tasks: set[asyncio.Task[None]] = dataclasses.field(default_factory=set)  # work after replies
    exchanges: Exchanges = dataclasses.field(default_factory=Exchanges)
    availability: Availability = dataclasses.field(init=False)

    def __post_init__(self) -> None:
        self.availability = Availability(self.breakers)

    def serving(self) -> list[Pod]:
        """The pods that are in use: enabled or draining, whatever their health."""
        return [pod for pod in self.registry.all() if pod.in_use]

    def answering(self, service: str) -> list[Pod]:
        """The pods in use whose ``service`` (compute, network, volume) is worth asking now."""
        return [pod for pod in self.serving() if self.answers(pod, service)]

    def answers(self, pod: Pod, service: str) -> bool:
        """Whether a pod in use has a service that is worth asking now."""
        return pod.has(service) and not self.availability.is_away(pod, service)
