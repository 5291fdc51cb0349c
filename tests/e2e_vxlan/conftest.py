# SPDX-License-Identifier: Apache-2.0
"""A lab of two pods with Neutron's own agents, joined by tunnels.

It is another one than that of the other end-to-end tests, and may stand beside it. One that is up
is reused, else it is brought up and taken down.
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
    tricircle_api,
    user,
)
from tests.e2e.labs import standing
from tests.e2e.site import Leftovers, Site
from tests.e2e_vxlan.estate import TunnelEstate

LAB_NAME = os.environ.get("VXLAN_LAB_NAME", "vxlan")


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing(LAB_NAME, profile="ovs", pods=2)


@pytest.fixture
def site(
    request: pytest.FixtureRequest,
    demo: Any,  # noqa: F811
    image: Any,  # noqa: F811
    flavor: Any,  # noqa: F811
    name: str,  # noqa: F811
    leftovers: Leftovers,  # noqa: F811
) -> Iterator[Site]:
    """What a test makes. Nothing of it is left when the next begins: agents that take a network
    away and bring another at once may mix them up."""
    made = Site(demo, image, flavor, name)
    yield made
    made.clean()
    leftovers.expect(request.node.nodeid, made.made, made.routed)
    leftovers.none()


@pytest.fixture
def estate(lab: Lab, admin: Any, pods: dict[str, Any], site: Site) -> TunnelEstate:  # noqa: F811
    return TunnelEstate(lab, admin, pods, site)
