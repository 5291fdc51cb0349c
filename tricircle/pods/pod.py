# SPDX-License-Identifier: Apache-2.0
"""A pod as the rest of the code sees it: a value read from the database."""

import dataclasses
import datetime
from collections.abc import Mapping
from typing import Any, Self

from tricircle.db import models
from tricircle.pods import errors
from tricircle.pods import versions as microversions
from tricircle.pods.versions import Range, Version

ENABLED, DRAINING, MAINTENANCE = "enabled", "draining", "maintenance"
# Services a pod may be without.
OPTIONAL = ("volume", "placement")
# The zone of a Nova and of a Cinder where nobody has named one.
STOCK_ZONE = "nova"
UP, DOWN, UNKNOWN = "up", "down", "unknown"


@dataclasses.dataclass(frozen=True, slots=True)
class Pod:
    """One OpenStack instance; see ``models.Pod`` for what each field means."""

    id: str
    region_name: str
    availability_zone: str
    pod_availability_zone: str = ""
    dc_name: str = ""
    state: str = ENABLED
    versions: dict[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    endpoints: dict[str, str] = dataclasses.field(default_factory=dict, compare=False)
    given_endpoints: Mapping[str, str] | None = dataclasses.field(default=None, compare=False)
    labels: Mapping[str, str] = dataclasses.field(default_factory=dict, compare=False)
    services: Mapping[str, Any] = dataclasses.field(default_factory=dict, compare=False)
    health: str = UNKNOWN
    last_error: str = ""
    latency_ms: float | None = None
    probed_at: datetime.datetime | None = None
    number: int = 0
    access: str = "shared"
    access_config: Mapping[str, Any] | None = dataclasses.field(default=None, compare=False)
    access_secrets: str | None = dataclasses.field(default=None, compare=False, repr=False)
    restored_at: datetime.datetime | None = None

    @classmethod
    def from_row(cls, row: models.Pod) -> Self:
        values = {field.name: getattr(row, field.name) for field in dataclasses.fields(cls)}
        return cls(**{**values, "services": row.services or {}, "labels": row.labels or {}})

    def endpoint(self, service: str) -> str:
        """Base URL of a service (compute, network, volume, image, placement), no slash at the end.

        Raises PodUnreachable when the catalogue has none for this pod.
        """
        try:
            return self.endpoints[service].rstrip("/")
        except KeyError:
            raise errors.PodUnreachable(
                self.region_name, f"Keystone's catalogue has no {service} endpoint for it"
            ) from None

    def wants_project(self, service: str) -> bool:
        """Whether a service's URLs must name the project of the token, and it is not said yet.

        Cinder's must where it is older than microversion 3.67.
        """
        offered = self.offers(service) if service == "volume" else None
        return offered is not None and offered.maximum < (3, 67)

    def offers(self, service: str) -> Range | None:
        """The versions of a service (compute, network, volume) as they were seen last, if ever."""
        return microversions.stored(self.region_name, service, self.versions.get(service))

    def newest(self, service: str, unknown: Version) -> Version:
        """The newest of them."""
        offered = self.offers(service)
        return unknown if offered is None else offered.maximum

    def has(self, service: str) -> bool:
        """Whether the pod has a service, which may not answer now. Every pod has compute."""
        return service in self.endpoints or service not in OPTIONAL

    @property
    def is_shared(self) -> bool:
        """Whether the pod has our own Keystone, so that our tokens and ids are good there."""
        return self.access == "shared"

    @property
    def has_own_images(self) -> bool:
        """Whether its Nova and Cinder take images from a Glance that is not the region's."""
        return not self.is_shared and "image" in self.endpoints

    @property
    def is_privileged(self) -> bool:
        """Whether Tricircle's own account is an administrator there."""
        return (self.access_config or {}).get("privileged", True) is not False

    @property
    def own_zone(self) -> str:
        """What the pod calls its availability zone, to its servers too."""
        return self.pod_availability_zone or STOCK_ZONE

    def may_have_lost(self, made: datetime.datetime | None) -> bool:
        """Whether the pod may have a copy, that no row of ours tells of, of something made then
        (UTC without a zone; None: it is not known when): what is older than a backup's return."""
        return self.restored_at is not None and (made is None or made < self.restored_at)

    @property
    def in_use(self) -> bool:
        """Whether anything may be asked of it, whatever its health."""
        return self.state != MAINTENANCE

    @property
    def takes_new(self) -> bool:
        """Whether new resources may be placed here."""
        return self.state == ENABLED
