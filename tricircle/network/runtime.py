# SPDX-License-Identifier: Apache-2.0
"""What a process that realizes things in pods has one of: made at the first use."""

import dataclasses
import threading
from typing import Any

from tricircle.network import podlist
from tricircle.network.adapters import ADAPTERS
from tricircle.network.engine import Engine
from tricircle.network.models import store
from tricircle.network.podneutron import PodNeutrons
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry


@dataclasses.dataclass(frozen=True)
class Runtime:
    registry: Registry
    identity: ServiceIdentity
    neutrons: PodNeutrons
    engine: Engine


@dataclasses.dataclass(frozen=True)
class SessionOnly:
    """Stands for Neutron's request context where only its session is asked for."""

    session: Any


_lock = threading.Lock()
_runtime: Runtime | None = None


def get() -> Runtime:
    global _runtime
    with _lock:
        if _runtime is None:
            identity = ServiceIdentity()
            neutrons = PodNeutrons(identity)
            engine = Engine(store(), neutrons, ADAPTERS)
            _runtime = Runtime(podlist.registry(), identity, neutrons, engine)
        return _runtime


def use(runtime: Runtime | None) -> None:
    """Take this one from now on (None: make one at the next use); for tests."""
    global _runtime
    with _lock:
        podlist.use(runtime.registry if runtime else Registry())
        _runtime = runtime
