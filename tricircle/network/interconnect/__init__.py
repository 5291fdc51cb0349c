# SPDX-License-Identifier: Apache-2.0
"""How a network is joined with its copies in other pods: a driver for each way.

Drivers are entry points ``tricircle.interconnects``; each serves the network types it names.
"""

import functools
from collections.abc import Collection, Iterable
from typing import Any, ClassVar

from stevedore import extension

from tricircle.network.interconnect import pairs
from tricircle.pods.pod import Pod

NAMESPACE = "tricircle.interconnects"


class Interconnect:
    """One way to join the copies of a network. ``segment`` is ML2's, as a mapping:
    ``network_type``, ``physical_network``, ``segmentation_id``."""

    #: What [interconnect] joined_by calls it.
    name: ClassVar[str]
    network_types: ClassVar[frozenset[str]]
    #: Whether the copies make one broadcast domain.
    stretched: ClassVar[bool] = True
    #: Whether each pod must be told of the ports that are in the others (see ``tunnel_endpoints``).
    tunnelled: ClassVar[bool] = False
    #: The network type to ask for where Tricircle makes a network itself.
    chosen_type: ClassVar[str] = ""

    def refuses(self, pod: Pod, segment: dict[str, Any]) -> str:
        """Why a network of this segment cannot be in the pod; empty if it can."""
        if self.stretched and not pod.is_privileged:
            return (
                f"Networks of type {segment['network_type']} cannot be in pod {pod.region_name}, "
                "where Tricircle is no administrator: only those of type local can"
            )
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


def tunnelled_types() -> frozenset[str]:
    """The network types whose pods must be told of each other's ports."""
    return frozenset(kind for kind, driver in _drivers().items() if driver.tunnelled)


def unjoined(driver: Interconnect, region: str, others: Iterable[str]) -> str:
    """Why networks of a driver's types cannot be in a pod beside others; empty if they can."""
    if not driver.stretched:
        return ""
    other = pairs.apart(driver.name, region, others)
    if other is None:
        return ""
    joined = "+".join(pairs.ways(region, other))
    return (
        f"The network is joined by {driver.name} and is in pod {other}, but pods {region} and "
        f"{other} are joined by {joined} ([interconnect] joined_by)"
    )


def type_for(regions: Collection[str]) -> str | None:
    """The type of network that joins all of the pods; None if there is none."""
    by_name = {driver.name: driver for driver in _drivers().values()}
    for way in pairs.common(regions):
        if way in by_name:
            return by_name[way].chosen_type
    return None
