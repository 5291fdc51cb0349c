# SPDX-License-Identifier: Apache-2.0
"""Two pods with ML2/OVS, joined by VXLAN: real packets, then nothing is left."""

from tests.e2e.conftest import eventually
from tests.e2e_vxlan.estate import TunnelEstate


def test_a_network_in_two_pods(estate: TunnelEstate) -> None:
    network = estate.network("10.131.0.0/24")
    assert estate.admin.network.get_network(network.id).provider_network_type == "vxlan"
    here, there = estate.servers(("az1", network), ("az2", network))
    estate.all_reach(here, there)
    eventually("each is known in the other pod", lambda: all(map(estate.shadows, estate.pods)))
    estate.remove_all()
