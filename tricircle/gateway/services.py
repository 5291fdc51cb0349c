# SPDX-License-Identifier: Apache-2.0
"""What every request needs, made once a process."""

import dataclasses
from typing import TYPE_CHECKING

from tricircle.gateway.client import PodClient
from tricircle.pods.breaker import Breakers
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry

if TYPE_CHECKING:
    from tricircle.gateway.authentication import Authenticator
    from tricircle.gateway.lookup import RoutingCache


@dataclasses.dataclass(slots=True)
class Services:
    """The parts of one gateway process; ``app.make_services()`` makes them from ``CONF``."""

    registry: Registry
    identity: ServiceIdentity
    breakers: Breakers
    client: PodClient
    authenticator: "Authenticator"
    routings: "RoutingCache"
