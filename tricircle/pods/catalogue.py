# SPDX-License-Identifier: Apache-2.0
"""What a catalogue of a Keystone says of a region."""

from collections.abc import Sequence
from typing import Any

# Our name of a service, and the catalogue types it may have, the best first.
SERVICE_TYPES = {
    "compute": ("compute",),
    "network": ("network",),
    "volume": ("block-storage", "volumev3", "block-store", "volume"),
    "image": ("image",),
    "placement": ("placement",),
}
# Those no two regions share.
OWN = ("compute", "network", "volume", "placement")
Catalogue = Sequence[dict[str, Any]]


def endpoints(catalogue: Catalogue, region: str | None, interface: str) -> dict[str, str]:
    """{compute, network, volume, image, placement: URL} of a region (None: of any).

    A service that it lacks is left out.
    """
    by_type: dict[str, str] = {}
    for service in catalogue:
        for endpoint in service.get("endpoints", ()):
            if endpoint["interface"] == interface and region in (None, endpoint["region_id"]):
                by_type.setdefault(service["type"], endpoint["url"].rstrip("/"))
    return {
        name: next(by_type[kind] for kind in kinds if kind in by_type)
        for name, kinds in SERVICE_TYPES.items()
        if any(kind in by_type for kind in kinds)
    }


def endpoints_of_a_cloud(
    catalogue: Catalogue, region: str | None, interface: str
) -> dict[str, str]:
    """The same of a region of another cloud, whose regions may share a Glance: that is in the
    catalogue for one of them, and is the region's if there is no other.
    """
    found = endpoints(catalogue, region, interface)
    glances = {
        endpoint["url"].rstrip("/")
        for service in catalogue
        if service["type"] in SERVICE_TYPES["image"]
        for endpoint in service.get("endpoints", ())
        if endpoint["interface"] == interface
    }
    return found if "image" in found or len(glances) != 1 else {**found, "image": glances.pop()}


def own_endpoints(catalogue: Catalogue, region: str | None) -> list[str]:
    """The URLs of a region's own services (``OWN``), of whatever interface."""
    own = {kind for name in OWN for kind in SERVICE_TYPES[name]}
    return [
        endpoint["url"]
        for service in catalogue
        if service["type"] in own
        for endpoint in service.get("endpoints", ())
        if region in (None, endpoint["region_id"])
    ]
