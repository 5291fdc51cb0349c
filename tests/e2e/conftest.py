# SPDX-License-Identifier: Apache-2.0
"""The lab the tests run on: one that is up is reused, else it is brought up and taken down.

Tests may run in several processes at once, each as a user with a project of their own.
"""

import os
import uuid
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import client, tricircle
from lab.dataplane import topology
from lab.settings import Lab
from tests.e2e import order
from tests.e2e.labs import alone, only_one, standing, undisturbed
from tests.e2e.networks import Estate
from tests.e2e.site import Leftovers, Site, eventually

LAB_NAME = os.environ.get("LAB_NAME", "lab")
#: The second pod runs an older series, so every test below is one of a mixed cloud.
RELEASES = {"pod2": "2025.1"}
#: The users of the processes that run tests at once, each with a project of their own.
USERS = {"gw0": "demo", "gw1": "demo3", "gw2": "demo4"}


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    tests = Path(__file__).parent.parent
    homes = (tests / "e2e", tests / "e2e_vxlan")
    ours = [item for item in items if item.path.parent in homes]
    others = [item for item in items if item.path.parent not in homes]
    order.arrange(ours)
    items[:] = [*others, *ours]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """A test that disturbs pods or Tricircle's processes has the lab for itself."""
    if order.is_of_the_other_lab(item):
        return (yield)
    turn = alone if item.get_closest_marker("disturbs") else undisturbed
    with turn(LAB_NAME):
        return (yield)


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing(LAB_NAME, profile="ovn", pods=3, releases=RELEASES, external="pod1,pod3")


@pytest.fixture(scope="session")
def admin(lab: Lab) -> Any:
    return tricircle.connect(lab)


@pytest.fixture(scope="session")
def user() -> str:
    """An ordinary member's name, which is their project's, too; nobody else's meanwhile."""
    return USERS[os.environ.get("PYTEST_XDIST_WORKER", "gw0")]


@pytest.fixture(scope="session")
def demo(lab: Lab, user: str) -> Any:
    """The user's connection to the one region."""
    return tricircle.connect(lab, user)


@pytest.fixture(scope="session")
def pods(lab: Lab) -> dict[str, Any]:
    """Admin connections straight to each pod, by region: what really is there."""
    return {pod.region: tricircle.connect(lab, region=pod.region) for pod in lab.pods}


@pytest.fixture(scope="session")
def tricircle_api(lab: Lab, admin: Any) -> Callable[..., Any]:
    """Call the Admin API as admin: ``tricircle_api("GET", "/pods")`` -> decoded body."""

    def call(method: str, path: str, **more: Any) -> Any:
        url = f"{lab.url('admin')}/tricircle/v1.0{path}"
        reply = admin.session.request(url, method, raise_exc=False, **more)
        assert reply.status_code < 300, reply.text
        return reply.json() if reply.content else None

    return call


@pytest.fixture(scope="session")
def openstack(lab: Lab, user: str) -> Callable[..., str]:
    """The stock client, as a user runs it: ``openstack("server", "list")`` -> what it printed."""

    def run(*arguments: str, cloud: str = user, check: bool = True) -> str:
        done = client.openstack(lab, *arguments, cloud=cloud)
        if check:
            assert done.returncode == 0, done.stderr
        return done.stdout + ("" if check else done.stderr)

    return run


@pytest.fixture
def name() -> str:
    """A name nobody else uses."""
    return f"e2e-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def image(demo: Any) -> Any:
    return demo.image.find_image("tiny", ignore_missing=False)


@pytest.fixture(scope="session")
def flavor(admin: Any) -> Any:
    found = admin.compute.find_flavor("e2e.nano")
    return found or admin.compute.create_flavor(name="e2e.nano", ram=64, disk=1, vcpus=1)


@pytest.fixture(scope="session")
def leftovers(admin: Any, pods: dict[str, Any]) -> Iterator[Leftovers]:
    left = Leftovers(admin, pods)
    yield left
    left.none()


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    demo: Any,
    image: Any,
    flavor: Any,
    name: str,
    leftovers: Leftovers,
) -> Iterator[Site]:
    site = Site(demo, image, flavor, name)
    yield site
    site.clean()
    # Pods clean up while the next test runs.
    leftovers.none()
    leftovers.expect(request.node.nodeid, site.made, site.routed)


@pytest.fixture
def estate(lab: Lab, admin: Any, pods: dict[str, Any], site: Site) -> Estate:
    return Estate(lab, admin, pods, site)


@pytest.fixture
def external(lab: Lab, admin: Any, name: str) -> Iterator[Any]:
    """Makes the external network, in the pods named. There is one, for one test at a time."""
    made = []

    def make(*regions: str) -> Any:
        for old in admin.network.networks(provider_physical_network=topology.EXTERN):
            admin.network.delete_network(old)
        network = admin.network.create_network(
            name=f"{name}-external",
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network=topology.EXTERN,
            availability_zone_hints=list(regions),
        )
        made.append(network)
        admin.network.create_subnet(
            network_id=network.id,
            name=network.name,
            ip_version=4,
            cidr=topology.EXTERNAL_CIDR,
            gateway_ip=topology.EXTERNAL_GATEWAY,
            is_dhcp_enabled=False,
            # The lab's other users of the range keep below.
            allocation_pools=[{"start": "203.0.113.100", "end": "203.0.113.199"}],
        )
        return network

    with only_one(lab.name, "external-network"):
        yield make
        for network in made:
            eventually("the external network is free", lambda n=network: _deleted(admin, n))


def _deleted(admin: Any, network: Any) -> bool:
    admin.network.delete_network(network, ignore_missing=True)
    return True
