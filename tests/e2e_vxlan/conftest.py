# SPDX-License-Identifier: Apache-2.0
"""A lab of two pods with Neutron's own agents, joined by tunnels.

It is another one than that of the other end-to-end tests: they never stand at once, for both have
much to carry. One that is up is reused, else it is brought up and taken down.
"""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from lab.settings import Lab
from tests.e2e.conftest import (  # noqa: F401  (fixtures)
    admin,
    demo,
    external,
    flavor,
    image,
    leftovers,
    name,
    pods,
    site,
    tricircle_api,
    user,
)
from tests.e2e.labs import standing
from tests.e2e.site import Site
from tests.e2e_vxlan.estate import TunnelEstate

LAB_NAME = os.environ.get("VXLAN_LAB_NAME", "vxlan")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing(LAB_NAME, profile="ovs", pods=2)


@pytest.fixture
def estate(lab: Lab, admin: Any, pods: dict[str, Any], site: Site) -> TunnelEstate:  # noqa: F811
    return TunnelEstate(lab, admin, pods, site)
