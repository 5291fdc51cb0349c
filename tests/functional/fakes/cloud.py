# SPDX-License-Identifier: Apache-2.0
"""Keystone, central Neutron, Glance and pods put together."""

import dataclasses
import functools
import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any, TypeVar

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.functional.fakes.central import CentralNeutron
from tests.functional.fakes.cinder import Cinder
from tests.functional.fakes.faults import Fault, FirstTime, Kind
from tests.functional.fakes.federation import MELLON, SHIB, Bearers, Module, ServiceProvider
from tests.functional.fakes.glance import Glance
from tests.functional.fakes.http import FakeService, Journal, LoopThread, new_id
from tests.functional.fakes.keystone import Keystone
from tests.functional.fakes.neutron import Neutron
from tests.functional.fakes.nova import Nova
from tests.functional.fakes.placement import Placement
from tricircle.pods.access import mappings, signing

REGION = "RegionOne"
AnyFault = TypeVar("AnyFault", bound=Fault)
#: entered by mod_shib, and by mod_auth_mellon
K2K, K2K_MELLON = "k2k", "k2k by mellon"
#: with an account for Tricircle that is no administrator's
MEMBERS = "credentials of members"
#: of what a pod's own Keystone has for us
MANAGED_DOMAIN = "tricircle"
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
    keystone: Keystone | None = None
    """Its own, where it has one."""
    glance: Glance | None = None
    """The same."""

    @property
    def services(self) -> tuple[FakeService, ...]:
        own = [one for one in (self.keystone, self.glance) if one]
        return (self.nova, self.neutron, self.placement, self.cinder, *own)

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


def _public_keys() -> dict[str, Any]:
    """What ``tricircle-manage access jwks`` prints for the key of the tests, by the keys' names."""
    key = signing.loaded(signing_key().read_bytes())
    return {key.kid: key.private.public_key()}


@functools.cache
def signing_key() -> Path:
    """A file with a key of [federation] signing_keys."""
    path = Path(tempfile.mkdtemp()) / "signing_key.pem"
    encoding, private = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    made = rsa.generate_private_key(65537, 2048)
    path.write_bytes(made.private_bytes(encoding, private, serialization.NoEncryption()))
    return path


class Cloud:
    """Everything outside of Tricircle. Users: see ``_people``."""

    def __init__(
        self,
        thread: LoopThread,
        zones: Mapping[str, str] = ZONES,
        federated: Mapping[str, str] | None = None,
        glances: Collection[str] = (),
    ) -> None:
        """``federated`` are the pods with a Keystone of their own, and how they are entered;
        ``glances`` those of them with a Glance that we may use.
        """
        self.thread, self.federated = thread, dict(federated or {})
        self.glances = frozenset(glances)
        self.zones = dict(zones)
        self.journal = Journal()
        self.keystone = Keystone(thread, self.journal)
        self.images: dict[str, dict[str, Any]] = {}
        self.image_id = new_id()
        self.images[self.image_id] = {
            "id": self.image_id,
            "name": "tiny",
            "status": "active",
            "visibility": "public",
        }
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
        own = self._keystone_of(region) if region in self.federated else None
        judge = own or self.keystone
        # Its operator has put there what there was; what is made later is elsewhere.
        images = dict(self.images) if own else self.images
        glance = None
        if region in self.glances:
            images = {}
            glance = Glance(self.thread, self.journal, judge, images, f"{region}/image")
        neutron = Neutron(self.thread, f"{region}/network", self.journal, judge)
        nova = Nova(self.thread, f"{region}/compute", self.journal, judge, neutron, images)
        placement = Placement(self.thread, f"{region}/placement", self.journal, judge)
        cinder = Cinder(self.thread, f"{region}/volume", self.journal, judge, images)
        nova.cinder, cinder.servers = cinder, nova.servers
        nova.glance = cinder.glance = glance
        pod = self.pods[region] = Pod(region, nova, neutron, placement, cinder, own, glance)
        pod.start()
        if own:
            self._federate(region, own)
        known_as = REGION if own else region
        if not own:
            self.keystone.region(region, REGION)
        judge.endpoint(known_as, "identity", f"{judge.url}/v3")
        judge.endpoint(known_as, "compute", f"{nova.url}/v2.1")
        judge.endpoint(known_as, "network", neutron.url)
        judge.endpoint(known_as, "placement", placement.url)
        judge.endpoint(known_as, "block-storage", f"{cinder.url}/v3")
        if glance is not None:
            judge.endpoint(known_as, "image", glance.url)
        self.central.pods[region] = neutron.url
        if own:
            self.central.judges[region] = own
        nova.add_flavor("1", name="m1.nano")
        return pod

    def _keystone_of(self, region: str) -> Keystone:
        """A Keystone that knows nothing of the other, as its operator has set it up for us."""
        made = Keystone(self.thread, self.journal, f"{region}/identity")
        made.region(REGION)
        made.user("tricircle-there", "service there", "admin", "service")
        made.domain(MANAGED_DOMAIN, "tricircle-manager", password=f"manager of {region}")
        return made

    def _federate(self, region: str, own: Keystone) -> None:
        """What both operators set up where one Keystone is to believe another, or us."""
        kind, levels = self.federated[region], ("member", "reader")
        if kind.startswith("k2k"):
            module = Module(
                *(MELLON if kind == K2K_MELLON else SHIB), key=self.keystone.signing_key
            )
            own.module = module
            rules = mappings.of_names(levels, MANAGED_DOMAIN, module.prefix)
            own.trust("tricircle", "saml2", MANAGED_DOMAIN, rules)
            path = "/v3/OS-FEDERATION/identity_providers/tricircle/protocols/saml2/auth"
            state = "ss:mem:" if kind == K2K else f"{own.url}/v3?k2k="
            known = ServiceProvider(own.url + module.path, own.url + path, state)
            self.keystone.service_providers[region] = known
        elif kind == MEMBERS:
            own.user("tricircle-there", "service there", "member", "reader")
            own.user("tenant", "tenant project", "member", "reader")
        elif kind == "jwt":
            own.trust(
                "tricircle", "openid", MANAGED_DOMAIN, mappings.of_claims(levels, MANAGED_DOMAIN)
            )
            own.bearers = Bearers(_public_keys(), "urn:tricircle", region)

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
