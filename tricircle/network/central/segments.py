# SPDX-License-Identifier: Apache-2.0
"""The segment of a central network, and what follows from it."""

from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db.models.segment import NetworkSegment
from neutron_lib.api import validators
from sqlalchemy.orm import Session

from tricircle.network import interconnect
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api import pod_registry


def of(network: Resource) -> dict[str, Any]:
    """The first segment of a network that was read as an administrator."""
    first = (network.get("segments") or [network])[0]
    return {
        name: first.get(f"provider:{name}")
        for name in ("network_type", "physical_network", "segmentation_id")
    }


def stretched(network: Resource) -> bool:
    """Whether the network is one broadcast domain in all pods that have it."""
    driver = interconnect.of(of(network)["network_type"] or "")
    return driver is not None and driver.stretched


def stretched_among(tx: Session, network_ids: Iterable[str]) -> set[str]:
    """Those of the networks that are one broadcast domain in all pods that have them."""
    query = sa.select(NetworkSegment.network_id).where(
        NetworkSegment.network_id.in_(list(network_ids)),
        NetworkSegment.network_type.in_(interconnect.stretched_types()),
    )
    return set(tx.scalars(query))


def projects_own(network: Resource) -> bool:
    """Whether the segment is of those that projects get theirs from.

    A segment from elsewhere, or a flat network, was named by an administrator: what is on it
    besides servers (a router in the data centre, say) is the administrator's too.
    """
    segment = of(network)
    driver = central_neutron.core().type_manager.drivers.get(segment["network_type"])
    if driver is None or segment["segmentation_id"] is None:
        return False
    ranges = driver.obj.get_network_segment_ranges()
    spans = (
        ranges.get(segment["physical_network"], []) if isinstance(ranges, dict) else (ranges or [])
    )
    return any(low <= segment["segmentation_id"] <= high for low, high in spans)


def running_out(tx: Session, few: int) -> dict[str, int]:
    """{pool of segments: how many are left} of those that have fewer than so many."""
    found = {}
    for kind, driver in central_neutron.core().type_manager.drivers.items():
        model = getattr(driver.obj, "model", None)
        if model is None or not hasattr(model, "allocated"):
            continue
        ranges = driver.obj.get_network_segment_ranges()
        for physical in ranges if isinstance(ranges, dict) else (None,):
            pool = sa.select(sa.literal(1)).select_from(model)
            if physical is not None:
                pool = pool.where(model.physical_network == physical)
            left = len(tx.execute(pool.where(model.allocated.is_(False)).limit(few)).all())
            if left < few and tx.scalar(pool.limit(1)):
                found[f"{kind} of {physical}" if physical else str(kind)] = left
    return found


def choose(network: Resource) -> None:
    """Give a network that is about to be made, held to some pods, the first type projects get that
    joins these pods with one another. Left as it is when that is the first of all, when there is
    none, and when somebody named a type or segment."""
    hints = set(network.get("availability_zone_hints") or [])
    named = ("provider:network_type", "segments", "router:external")
    if not hints or any(_given(network.get(name)) for name in named):
        return
    pods = pod_registry.get().fresh().all()
    regions = [pod.region_name for pod in pods if {pod.availability_zone, pod.region_name} & hints]
    types = central_neutron.core().type_manager.project_network_types
    fitting = (kind for kind in types if _joins(kind, regions))
    if (found := next(fitting, None)) and found != types[0]:
        network["provider:network_type"] = found


def _given(value: Any) -> bool:
    return validators.is_attr_set(value) and value is not False


def _joins(network_type: str, regions: list[str]) -> bool:
    driver = interconnect.of(network_type)
    if driver is None or (not driver.stretched and len(regions) > 1):
        return False
    return not any(interconnect.unjoined(driver, region, regions) for region in regions)
