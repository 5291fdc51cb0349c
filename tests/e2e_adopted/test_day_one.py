# SPDX-License-Identifier: Apache-2.0
"""A real pod joins with a tenant in it: what they have becomes the region's, no packet is lost."""

import concurrent.futures
import re
from typing import Any

import pytest

from lab.dataplane import servers, topology
from lab.settings import Lab
from tests.e2e.site import eventually

CIDR = "10.92.0.0/24"


class Tenant:
    """A network, a router to the outside, a group that is open for pings, and two servers: all made
    straight in the pod."""

    def __init__(self, there: Any, operator: Any, image: Any, flavor: Any, name: str) -> None:
        network, compute = there.network, there.compute
        self.public = operator.network.create_network(
            name=f"{name}-public",
            is_router_external=True,
            provider_network_type="flat",
            provider_physical_network=topology.EXTERN,
        )
        operator.network.create_subnet(
            network_id=self.public.id,
            ip_version=4,
            cidr=topology.EXTERNAL_CIDR,
            gateway_ip=topology.EXTERNAL_GATEWAY,
            is_dhcp_enabled=False,
            allocation_pools=[{"start": "203.0.113.20", "end": "203.0.113.60"}],
        )
        self.network = network.create_network(name=name, description="of old")
        self.subnet = network.create_subnet(
            network_id=self.network.id, name=name, ip_version=4, cidr=CIDR
        )
        self.group = network.create_security_group(name=name)
        network.create_security_group_rule(
            security_group_id=self.group.id, direction="ingress", protocol="icmp"
        )
        self.router = network.create_router(
            name=name, external_gateway_info={"network_id": self.public.id}
        )
        network.add_interface_to_router(self.router, subnet_id=self.subnet.id)
        made = [
            compute.create_server(
                name=f"{name}-{number}",
                image_id=image.id,
                flavor_id=flavor.id,
                networks=[{"uuid": self.network.id}],
                security_groups=[{"name": name}],
            )
            for number in (1, 2)
        ]
        self.servers = [compute.wait_for_server(one, wait=120) for one in made]
        self.ports = [next(iter(network.ports(device_id=one.id))) for one in self.servers]
        self.floating_ip = network.create_ip(
            floating_network_id=self.public.id, port_id=self.ports[0].id
        )

    def address(self, number: int) -> str:
        return str(self.ports[number].fixed_ips[0]["ip_address"])


@pytest.fixture
def tenant(there: Any, operator: Any, image: Any, flavor: Any, name: str) -> Tenant:
    eventually("the pod has the flavor", lambda: there.compute.get_flavor(flavor.id))
    return Tenant(there, operator, image, flavor, name)


def lost(done: Any) -> int:
    """How many pings were not answered."""
    sent, received = map(int, re.findall(r"(\d+) packets transmitted, (\d+)", done.stdout)[0])
    return sent - received


def test_a_tenant_notices_nothing(
    lab: Lab, tenant: Tenant, demo: Any, admin: Any, openstack: Any, external: Any, image: Any,
    flavor: Any, name: str, there: Any,
) -> None:  # fmt: skip
    region = lab.pods[0].region
    public = external
    first = tenant.servers[0]
    assert servers.ping(lab, first.id, tenant.address(1))
    before = {port.id: port.mac_address for port in there.network.ports()}
    outside = tenant.floating_ip.floating_ip_address
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        pings = ["ping", "-n", "-i", "0.2", "-w", "40"]
        running = [
            pool.submit(
                servers.server_exec, lab, first.id, [*pings, tenant.address(1)], timeout=60
            ),
            pool.submit(servers.outside_exec, lab, [*pings, outside], timeout=60),
        ]
        project = demo.current_project_id
        options = ("multiregion", "pod", "adopt", region, "--project", project)
        plan = openstack(*options, "--dry-run", cloud="admin")
        assert "leave" not in plan, plan
        print(openstack(*options, cloud="admin"))
        assert [lost(one.result()) for one in running] == [0, 0]
    now = {port.id: port.mac_address for port in there.network.ports()}
    assert now == before

    # To the region's users it is as if it had always been there.
    network = demo.network.get_network(tenant.network.id)
    assert (network.name, network.description) == (name, "of old")
    seen = demo.compute.get_server(first.id)
    assert {one["addr"] for one in seen.addresses[name]} >= {tenant.address(0), outside}
    given = demo.network.create_ip(floating_network_id=public.id, port_id=tenant.ports[1].id)
    third = demo.compute.wait_for_server(
        demo.compute.create_server(
            name=f"{name}-3",
            image_id=image.id,
            flavor_id=flavor.id,
            networks=[{"uuid": network.id}],
            security_groups=[{"name": name}],
        ),
        wait=120,
    )
    assert servers.ping(lab, third.id, tenant.address(0))
    eventually(
        "the address that the region gave leads there",
        lambda: servers.outside_exec(
            lab, ["ping", "-c", "1", "-W", "2", given.floating_ip_address], timeout=10
        ).returncode == 0,
    )  # fmt: skip
    servers_ping_each_other(lab, tenant)
    again = openstack(*options, "-f", "value", cloud="admin")
    assert again.strip() == ""


def servers_ping_each_other(lab: Lab, tenant: Tenant) -> None:
    first, second = tenant.servers
    assert servers.ping(lab, first.id, tenant.address(1))
    assert servers.ping(lab, second.id, tenant.address(0))
