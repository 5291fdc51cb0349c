# SPDX-License-Identifier: Apache-2.0
"""How a network is joined with its copies in other pods: a driver for each way.

Drivers are entry points ``tricircle.interconnects``; each serves the network types it names.
"""

import functools
from typing import Any, ClassVar

from stevedore import extension

from tricircle.pods.pod import Pod

NAMESPACE = "tricircle.interconnects"


class Interconnect:
    """One way to join the copies of a network. ``segment`` is ML2's, as a mapping:
    ``network_type``, ``physical_network``, ``segmentation_id``."""

    network_types: ClassVar[frozenset[str]]
    #: Whether the copies make one broadcast domain.
    stretched: ClassVar[bool] = True

    def refuses(self, pod: Pod, segment: dict[str, Any]) -> str:
        """Why a network of this segment cannot be in the pod; empty if it can."""
        return ""

    def provider(self, pod: Pod, segment: dict[str, Any]) -> dict[str, Any]:
        """The provider attributes of the pod's copy."""
        return {}


@functools.cache
def _drivers() -> dict[str, Interconnect]:
    loaded = extension.ExtensionManager(NAMESPACE, invoke_on_load=True)
    return {kind: item.obj for item in loaded for kind in item.obj.network_types}


def of(network_type: str) -> Interconnect | None:
    """The driver for networks of a type, or None when there is none."""
    return _drivers().get(network_type)


def stretched_types() -> frozenset[str]:
    """The network types whose copies make one broadcast domain."""
    return frozenset(kind for kind, driver in _drivers().items() if driver.stretched)
