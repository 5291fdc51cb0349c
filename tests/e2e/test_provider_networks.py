# SPDX-License-Identifier: Apache-2.0
"""Networks whose segment an administrator names, or has set aside for a project."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab.dataplane import topology
from tests.e2e.networks import Estate

SEGMENT = ("provider_network_type", "provider_physical_network", "provider_segmentation_id")


def segments(estate: Estate, network: Any) -> set[tuple[Any, ...]]:
    """What both pods say of the network."""
    copies = [estate.copy(region, "network", network.id) for region in ("Pod1", "Pod2")]
    return {tuple(getattr(copy, name) for name in SEGMENT) for copy in copies}


def test_an_administrators_vlan(estate: Estate) -> None:
    network = estate.network(
        "10.171.0.0/24", "vlan", provider_physical_network="physnet1", provider_segmentation_id=177
    )
    here, there = estate.servers(("az1", network), ("az2", network))
    assert segments(estate, network) == {("vlan", "physnet1", 177)}
    estate.all_reach(here, there)
    # What routes there is not ours: the gateway is what was set, in each pod.
    assert estate.default_route(here) == estate.default_route(there) == "10.171.0.1"
    estate.remove_all()


def test_a_flat_network(estate: Estate) -> None:
    network = estate.network("10.172.0.0/24", "flat", provider_physical_network="physnet1")
    here, there = estate.servers(("az1", network), ("az2", network))
    assert segments(estate, network) == {("flat", "physnet1", None)}
    estate.all_reach(here, there)
    estate.remove_all()


@pytest.fixture
def own_range(admin: Any, demo: Any, name: str) -> Iterator[range]:
    """Segments that are the project's alone."""
    made = admin.network.create_network_segment_range(
        name=name, shared=False, project_id=demo.current_project_id, network_type="vlan",
        physical_network=topology.PHYSNET, minimum=1900, maximum=1909,
    )  # fmt: skip
    yield range(1900, 1910)
    admin.network.delete_network_segment_range(made)


def test_a_projects_own_segments(own_range: range, estate: Estate) -> None:
    network = estate.network("10.173.0.0/24")
    here, there = estate.servers(("az1", network), ("az2", network))
    ((kind, physical, number),) = segments(estate, network)
    assert (kind, physical) == ("vlan", topology.PHYSNET)
    assert number in own_range
    estate.all_reach(here, there)
    # They are given out like others: gateways are the pods' own.
    assert estate.default_route(here) != estate.default_route(there)
    estate.remove_all()
