# SPDX-License-Identifier: Apache-2.0
"""A client that is not OpenStack's own: Apache Libcloud, as its documentation says to use it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from libcloud.compute.providers import get_driver
from libcloud.compute.types import NodeState, Provider, StorageVolumeState

from lab.settings import PASSWORD, REGION, Lab
from tests.e2e.networks import Estate
from tests.e2e.site import Site, eventually


@pytest.fixture(scope="module")
def driver(lab: Lab, user: str) -> Any:
    return get_driver(Provider.OPENSTACK)(
        user,
        PASSWORD,
        api_version="2.2",
        ex_force_auth_url=lab.url("identity"),
        ex_force_auth_version="3.x_password",
        ex_tenant_name=user,
        ex_force_service_region=REGION,
        ex_domain_name="Default",
    )


@pytest.fixture
def network(external: Callable[..., Any], estate: Estate, site: Site) -> Iterator[Any]:
    """One with a way out, in the first pod."""
    outside = external("Pod1")
    network = site.network("10.97.0.0/24")
    router = estate.router(network)
    site.demo.network.update_router(router, external_gateway_info={"network_id": outside.id})
    network.outside = outside
    return network


def _state(driver: Any, node: Any) -> Any:
    return driver.ex_get_node_details(node.id).state


def test_a_node_from_birth_to_death(driver: Any, network: Any, name: str, flavor: Any) -> None:
    (size,) = (one for one in driver.list_sizes() if one.name == flavor.name)
    (image,) = (one for one in driver.list_images() if one.name == "tiny")
    assert driver.list_locations()
    (where,) = (one for one in driver.ex_list_networks() if one.id == network.id)
    assert size.ram == flavor.ram

    node = driver.create_node(
        name=name,
        size=size,
        image=image,
        networks=[where],
        ex_availability_zone="az1",
        ex_metadata={"colour": "blue"},
    )
    volume = address = None
    try:
        ((node, _addresses),) = driver.wait_until_running(
            [node], wait_period=1, timeout=90, ssh_interface="private_ips"
        )
        assert node.private_ips[0].startswith("10.97.0.")
        assert node.id in [one.id for one in driver.list_nodes()]
        assert driver.ex_get_metadata(node) == {"colour": "blue"}

        assert driver.ex_hard_reboot_node(node)
        eventually("it runs again", lambda: _state(driver, node) == NodeState.RUNNING)
        assert driver.ex_stop_node(node)
        eventually("it is stopped", lambda: _state(driver, node) == NodeState.STOPPED)
        assert driver.ex_start_node(node)
        eventually("it is started", lambda: _state(driver, node) == NodeState.RUNNING)

        volume = driver.create_volume(1, name, location="az1")
        _in_state(driver, volume, StorageVolumeState.AVAILABLE)
        assert driver.attach_volume(node, volume, device="auto")
        _in_state(driver, volume, StorageVolumeState.INUSE)
        attached = driver.ex_get_volume(volume.id).extra["attachments"]
        assert [one["server_id"] for one in attached] == [node.id]
        assert driver.detach_volume(driver.ex_get_volume(volume.id))
        _in_state(driver, volume, StorageVolumeState.AVAILABLE)

        (pool,) = (
            one for one in driver.ex_list_floating_ip_pools() if one.id == network.outside.id
        )
        address = driver.ex_create_floating_ip(pool.name)
        assert driver.ex_attach_floating_ip_to_node(node, address)
        eventually(
            "the node has the address",
            lambda: _holder(driver, address) == node.id,
        )
        assert driver.ex_detach_floating_ip_from_node(node, address)
    finally:
        if address is not None:
            assert driver.ex_delete_floating_ip(address)
        assert driver.destroy_node(node)
        if volume is not None:
            eventually("the volume goes", lambda: driver.destroy_volume(volume))
    eventually("it is gone", lambda: node.id not in [one.id for one in driver.list_nodes()])


def _holder(driver: Any, address: Any) -> str | None:
    port = driver.ex_get_floating_ip(address.ip_address).extra["port_details"]
    return port["device_id"] if port else None


def _in_state(driver: Any, volume: Any, state: Any) -> None:
    eventually(f"the volume is {state}", lambda: driver.ex_get_volume(volume.id).state == state)
