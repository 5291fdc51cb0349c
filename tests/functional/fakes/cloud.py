# SPDX-License-Identifier: Apache-2.0
"""Keystone, central Neutron, Glance and pods put together."""

import dataclasses
from collections.abc import Mapping
from typing import Any, TypeVar

from tests.functional.fakes.central import CentralNeutron
from tests.functional.fakes.cinder import Cinder
from tests.functional.fakes.faults import Fault, FirstTime, Kind
from tests.functional.fakes.glance import Glance
from tests.functional.fakes.http import FakeService, Journal, LoopThread, new_id
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.neutron import Neutron
from tests.functional.fakes.nova import Nova
from tests.functional.fakes.placement import Placement

REGION = "RegionOne"
AnyFault = TypeVar("AnyFault", bound=Fault)
#: pod -> availability zone: two pods share a zone
ZONES = {"pod1": "az1", "pod2": "az2", "pod3": "az1"}


@dataclasses.dataclass
class Pod:
    """One fake OpenStack instance."""

    region: str
    nova: Nova
    neutron: Neutron
    placement: Placement
    cinder: Cinder

    @property
    def services(self) -> tuple[FakeService, ...]:
        return (self.nova, self.neutron, self.placement, self.cinder)

    def fail(self, kind: Kind, **more: Any) -> list[Fault]:
        """The whole pod misbehaves."""
        return [service.fail(kind, **more) for service in self.services]

    def stop(self) -> None:
        """The whole pod refuses connections."""
        for service in self.services:
            service.stop()

    def start(self) -> None:
        for service in self.services:
            service.start()

    def heal(self) -> None:
        for service in self.services:
            service.heal()


class Cloud:
    """Everything outside of Tricircle. Users: see ``_people``."""

    def __init__(self, thread: LoopThread, zones: Mapping[str, str] = ZONES) -> None:
        self.thread = thread
        self.zones = dict(zones)
        self.journal = Journal()
        self.keystone = Keystone(thread, self.journal)
        self.images: dict[str, dict[str, Any]] = {}
        self.image_id = new_id()
        self.images[self.image_id] = {"id": self.image_id, "name": "tiny", "status": "active"}
        self.glance = Glance(thread, self.journal, self.keystone, self.images)
        self.central = CentralNeutron(thread, self.journal, self.keystone)
        self.pods: dict[str, Pod] = {}
        self._people()
        self.keystone.start()
        self.central.start()
        self.glance.start()
        self.keystone.region(REGION)
        self.keystone.endpoint(REGION, "identity", f"{self.keystone.url}/v3")
        self.keystone.endpoint(REGION, "network", self.central.url)
        self.keystone.endpoint(REGION, "image", self.glance.url)
        for region in zones:
            self.add_pod(region)

    def _people(self) -> None:
        self.keystone.user("admin", "admin", "admin", "manager", "member", "reader")
        self.keystone.user("tricircle", "service", "admin", "service")
        self.keystone.user("member", "demo", "member", "reader")
        self.keystone.user("reader", "demo", "reader")
        self.keystone.user("other", "other", "member", "reader")
        self.keystone.user_of(None, "unscoped")
        for scope in ("domain", "system"):
            everything = ("admin", "manager", "member", "reader")
            self.keystone.user_of(scope, f"{scope} admin", *everything)
            self.keystone.user_of(scope, f"{scope} reader", "reader")

    @property
    def services(self) -> list[FakeService]:
        return [
            self.keystone,
            self.central,
            self.glance,
            *(service for pod in self.pods.values() for service in pod.services),
        ]

    @property
    def project_id(self) -> str:
        """The project of ``member`` and ``reader``."""
        return self.keystone.projects["demo"].id

    def add_pod(self, region: str) -> Pod:
        neutron = Neutron(self.thread, f"{region}/network", self.journal, self.keystone)
        nova = Nova(
            self.thread, f"{region}/compute", self.journal, self.keystone, neutron, self.images
        )
        placement = Placement(self.thread, f"{region}/placement", self.journal, self.keystone)
        cinder = Cinder(self.thread, f"{region}/volume", self.journal, self.keystone, self.images)
        nova.cinder, cinder.servers = cinder, nova.servers
        pod = self.pods[region] = Pod(region, nova, neutron, placement, cinder)
        pod.start()
        self.keystone.region(region, REGION)
        self.keystone.endpoint(region, "identity", f"{self.keystone.url}/v3")
        self.keystone.endpoint(region, "compute", f"{nova.url}/v2.1")
        self.keystone.endpoint(region, "network", neutron.url)
        self.keystone.endpoint(region, "placement", placement.url)
        self.keystone.endpoint(region, "block-storage", f"{cinder.url}/v3")
        self.central.pods[region] = neutron.url
        nova.add_flavor("1", name="m1.nano")
        return pod

    def fail_call(self, number: int, kind: Kind) -> Fault:
        """The ``number``-th call from now on, to whichever service but Keystone, goes wrong."""
        return self._strike(Fault(kind, skip=number - 1, times=1))

    def fail_each_once(self, kind: Kind) -> FirstTime:
        """Every call from now on, to whichever service but Keystone, goes wrong the first time."""
        return self._strike(FirstTime(kind))

    def _strike(self, fault: AnyFault) -> AnyFault:
        for service in self.services:
            if service is not self.keystone:
                service.faults.append(fault)
        return fault

    def heal(self) -> None:
        for service in self.services:
            service.heal()

    def close(self) -> None:
        for service in self.services:
            service.close()
