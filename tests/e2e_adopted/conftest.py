# SPDX-License-Identifier: Apache-2.0
"""A lab of one pod in which a tenant has things of their own before the region knows of them."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from lab import tricircle
from lab.dataplane import topology
from lab.settings import Lab
from tests.e2e.conftest import (  # noqa: F401  (fixtures)
    admin,
    demo,
    flavor,
    image,
    name,
    openstack,
)
from tests.e2e.labs import standing

LAB_NAME = os.environ.get("ADOPTED_LAB_NAME", "adopted")


@pytest.fixture(scope="session")
def user() -> str:
    return "demo"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing(LAB_NAME, profile="ovn", pods=1, external="pod1")


@pytest.fixture(scope="session")
def there(lab: Lab, user: str) -> Any:
    """The tenant's connection straight to the pod."""
    return tricircle.connect(lab, user, region=lab.pods[0].region)


@pytest.fixture(scope="session")
def operator(lab: Lab) -> Any:
    """The pod's administrator."""
    return tricircle.connect(lab, region=lab.pods[0].region)


@pytest.fixture(scope="session")
def external(lab: Lab, admin: Any) -> Any:  # noqa: F811  (fixtures)
    """The region's external network, where the pod has its own; it goes with the lab."""
    network = admin.network.create_network(
        name="public",
        is_router_external=True,
        provider_network_type="flat",
        provider_physical_network=topology.EXTERN,
        availability_zone_hints=[lab.pods[0].region],
    )
    admin.network.create_subnet(
        network_id=network.id,
        ip_version=4,
        cidr=topology.EXTERNAL_CIDR,
        gateway_ip=topology.EXTERNAL_GATEWAY,
        is_dhcp_enabled=False,
        allocation_pools=[{"start": "203.0.113.100", "end": "203.0.113.199"}],
    )
    return network
