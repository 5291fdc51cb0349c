# SPDX-License-Identifier: Apache-2.0
"""The lab the tests run on: one that is up is reused, else it is brought up and taken down."""

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import cli, dataplane, process, settings, tricircle
from lab.settings import REGION, Lab, LabError

LAB_NAME = os.environ.get("LAB_NAME", "lab")
#: The second pod runs an older series, so every test below is one of a mixed cloud.
RELEASES = {"pod2": "2025.1"}


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    try:
        found = settings.load(LAB_NAME)
        reused = process.alive(found, tricircle.GATEWAY) is not None
    except LabError:
        reused = False
    if reused:
        yield from _used(cli.ensure_up(LAB_NAME, with_tricircle=True))
        return
    try:
        yield from _used(
            cli.ensure_up(
                LAB_NAME,
                profile="ovn",
                pods=3,
                releases=RELEASES,
                external="pod1,pod3",
                with_tricircle=True,
            )
        )
    finally:
        cli.down(settings.load(LAB_NAME))


def _used(lab: Lab) -> Iterator[Lab]:
    """The lab for all tests; a switch that crashed meanwhile fails the run."""
    yield lab
    crashes = dataplane.check(lab)
    assert not crashes, "\n".join(crashes)


@pytest.fixture(scope="session")
def admin(lab: Lab) -> Any:
    return tricircle.connect(lab)


@pytest.fixture(scope="session")
def demo(lab: Lab) -> Any:
    """An ordinary member's connection to the one region."""
    return tricircle.connect(lab, "demo")


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
def openstack(lab: Lab) -> Callable[..., str]:
    """The stock client, as a user runs it: ``openstack("server", "list")`` -> what it printed."""

    def run(*arguments: str, cloud: str = "demo", check: bool = True) -> str:
        done = subprocess.run(
            [str(Path(sys.executable).parent / "openstack"), *arguments],
            env=process.environment(
                lab,
                {
                    "OS_CLIENT_CONFIG_FILE": str(lab.clouds_yaml),
                    "OS_CLOUD": cloud,
                    "OS_REGION_NAME": REGION,
                    "PYTHONWARNINGS": "ignore",
                },
            ),
            capture_output=True,
            text=True,
            timeout=180,
        )
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


def eventually(what: str, probe: Callable[[], object], timeout: float = 60) -> Any:
    """Poll until ``probe`` gives something true, and give that; fails with ``what`` otherwise."""
    deadline = time.monotonic() + timeout
    last: object = None
    while time.monotonic() < deadline:
        try:
            last = probe()
            if last:
                return last
        except Exception as error:
            last = error
        time.sleep(0.5)
    raise AssertionError(f"not within {timeout:.0f} s: {what} (last: {last!r})")


def pod_objects(pod: Any, central_id: str) -> list[Any]:
    """Every Neutron object in a pod that carries the marker of a central resource."""
    marker = f"tricircle:{central_id}"
    network = pod.network
    kinds = (network.networks, network.subnets, network.ports, network.routers)
    found = [item for kind in kinds for item in kind() if item.description == marker]
    groups = [group for group in network.security_groups() if group.description == marker]
    return found + groups


class Site:
    """What a test made, removed at its end in an order that works."""

    def __init__(self, demo: Any, image: Any, flavor: Any, name: str) -> None:
        self.demo, self.image, self.flavor, self.name = demo, image, flavor, name
        self.servers: list[Any] = []
        self.networks: list[Any] = []
        self.routers: list[Any] = []
        self.groups: list[Any] = []

    def network(self, cidr: str = "10.80.0.0/24", **more: Any) -> Any:
        network = self.demo.network.create_network(name=f"{self.name}-{len(self.networks)}", **more)
        self.networks.append(network)
        network.subnet = self.demo.network.create_subnet(
            network_id=network.id, name=network.name, ip_version=4, cidr=cidr
        )
        return network

    def group(self) -> Any:
        """A security group that lets ICMP in."""
        group = self.demo.network.create_security_group(name=f"{self.name}-{len(self.groups)}")
        self.groups.append(group)
        self.demo.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="icmp", ether_type="IPv4"
        )
        return group

    def server(self, zone: str | None, networks: Any, wait: bool = True, **more: Any) -> Any:
        if zone:
            more["availability_zone"] = zone
        server = self.demo.compute.create_server(
            name=f"{self.name}-{len(self.servers)}",
            image_id=self.image.id,
            flavor_id=self.flavor.id,
            networks=networks,
            **more,
        )
        self.servers.append(server)
        if wait:
            server = self.demo.compute.wait_for_server(server, wait=90, interval=0.5)
        return server

    def delete_servers(self) -> None:
        compute = self.demo.compute
        for server in self.servers:
            compute.delete_server(server, ignore_missing=True)
        for server in self.servers:
            compute.wait_for_delete(server, wait=90, interval=0.5)
        self.servers = []

    def clean(self) -> None:
        network = self.demo.network
        self.delete_servers()
        for router in self.routers:
            # A route of the user's keeps its interface.
            network.update_router(router, routes=[])
            for port in list(network.ports(device_id=router.id)):
                if port.device_owner != "network:router_gateway":
                    network.remove_interface_from_router(router, port_id=port.id)
            network.delete_router(router)
        self.routers = []
        for item in self.networks:
            eventually("the network is free", lambda item=item: self._gone(item))
        for group in self.groups:
            network.delete_security_group(group, ignore_missing=True)
        self.networks, self.groups = [], []

    def _gone(self, item: Any) -> bool:
        self.demo.network.delete_network(item, ignore_missing=True)
        return True


@pytest.fixture
def site(demo: Any, image: Any, flavor: Any, name: str) -> Iterator[Site]:
    site = Site(demo, image, flavor, name)
    yield site
    site.clean()
