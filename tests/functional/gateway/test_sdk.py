# SPDX-License-Identifier: Apache-2.0
"""OpenStack's own SDK, unchanged, against the one region: it sees one cloud."""

import asyncio
from collections.abc import Callable
from typing import Any

import openstack
import pytest
from openstack import exceptions

from tests.functional.fakes.cloud import REGION, Cloud
from tests.functional.gateway_harness import Gateway

pytestmark = pytest.mark.filterwarnings("ignore")


def connect(cloud: Cloud, user: str = "member", project: str = "demo") -> Any:
    return openstack.connection.Connection(
        auth={
            "auth_url": f"{cloud.keystone.url}/v3",
            "username": user,
            "password": "secret",
            "project_name": project,
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
        region_name=REGION,
    )


async def using(gateway: Gateway, work: Callable[[Any], None], *user: str) -> None:
    """Run blocking ``work`` with a connection to the region, beside the gateway's own loop."""
    keystone = gateway.cloud.keystone
    if not [e for e in keystone.endpoints if e["url"].startswith(gateway.compute)]:
        keystone.endpoint(REGION, "compute", f"{gateway.compute}/v2.1")
    await asyncio.to_thread(lambda: work(connect(gateway.cloud, *user)))
    await gateway.idle()


async def test_a_server_from_birth_to_death(gateway: Gateway, cloud: Cloud) -> None:
    def work(client: Any) -> None:
        network = client.network.create_network(name="net")
        client.network.create_subnet(network_id=network.id, ip_version=4, cidr="10.1.0.0/24")
        compute = client.compute
        assert {zone.name for zone in compute.availability_zones()} == {"az1", "az2"}
        flavor = compute.find_flavor("m1.nano")
        keypair = compute.create_keypair(name="k")
        servers = [
            compute.create_server(
                name=f"in-{zone}",
                image_id=cloud.image_id,
                flavor_id=flavor.id,
                key_name=keypair.name,
                networks=[{"uuid": network.id}],
                availability_zone=zone,
                metadata={"a": "1"},
                tags=["t"],
            )
            for zone in ("az1", "az2")
        ]
        servers = [compute.wait_for_server(server, interval=0.05) for server in servers]
        assert [server.availability_zone for server in servers] == ["az1", "az2"]
        listed = list(compute.servers(details=True, limit=1))
        assert {server.id for server in listed} == {server.id for server in servers}
        assert compute.find_server("in-az2").id == servers[1].id
        assert [s.name for s in compute.servers(name="az1")] == ["in-az1"]
        one = servers[0]
        assert compute.get_server_metadata(one).metadata == {"a": "1"}
        (interface,) = compute.server_interfaces(one)
        assert interface.net_id == network.id
        (port,) = client.network.ports(device_id=one.id)
        assert interface.port_id == port.id
        compute.stop_server(one)
        compute.wait_for_server(one, status="SHUTOFF", interval=0.05)
        assert compute.get_server_console_output(one)
        limits = compute.get_limits().absolute
        assert limits.instances_used == 2
        for server in servers:
            compute.delete_server(server)
            compute.wait_for_delete(server, interval=0.05)
        with pytest.raises(exceptions.NotFoundException):
            compute.get_server(one.id)
        compute.delete_keypair(keypair)
        client.network.delete_network(network)

    await using(gateway, work)
    assert cloud.central.tables["networks"] == {}
    assert {region for region, pod in cloud.pods.items() if pod.nova.servers} >= {"pod2"}


async def test_flavors_by_the_operator(gateway: Gateway, cloud: Cloud) -> None:
    def work(client: Any) -> None:
        flavor = client.compute.create_flavor(name="f", ram=64, vcpus=1, disk=1, is_public=False)
        client.compute.create_flavor_extra_specs(flavor, {"a": "b"})
        client.compute.flavor_add_tenant_access(flavor, cloud.project_id)
        assert client.compute.find_flavor("f", get_extra_specs=True).extra_specs == {"a": "b"}

    await using(gateway, work, "admin", "admin")
    for pod in cloud.pods.values():
        (flavor,) = [f for f in pod.nova.flavors.values() if f["name"] == "f"]
        assert flavor["extra_specs"] == {"a": "b"}
        assert flavor["access"] == {cloud.project_id}


async def test_refusals_come_as_the_sdk_knows_them(gateway: Gateway, cloud: Cloud) -> None:
    def work(client: Any) -> None:
        with pytest.raises(exceptions.BadRequestException, match="zone"):
            client.compute.create_server(
                name="x",
                image_id=cloud.image_id,
                flavor_id="1",
                networks="none",
                availability_zone="mars",
            )
        with pytest.raises(exceptions.ForbiddenException):
            client.compute.create_flavor(name="f", ram=64, vcpus=1, disk=1)
        with pytest.raises(exceptions.NotFoundException):
            client.compute.find_server("nobody", ignore_missing=False)

    await using(gateway, work)
