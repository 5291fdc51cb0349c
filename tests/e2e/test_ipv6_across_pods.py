# SPDX-License-Identifier: Apache-2.0
"""IPv6 over pods: addresses that servers make themselves, and routers."""

import ipaddress

import pytest

from tests.e2e.networks import Estate
from tests.e2e.packets import in_server, tcp
from tests.e2e.site import eventually


@pytest.fixture(autouse=True)
def _open(estate: Estate) -> None:
    estate.let_in("tcp")


def test_a_stretched_network_whose_servers_make_their_addresses(estate: Estate) -> None:
    """SLAAC: the router of each pod advertises the prefix to its own servers."""
    network = estate.network("10.103.0.0/24")
    subnet = estate.six(network, "fd00:103::/64", "slaac")
    router = estate.router(network)
    estate.demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    here, there = estate.servers(("az1", network), ("az2", network))
    assert here.ip6 != there.ip6
    for server in (here, there):
        assert ipaddress.ip_address(server.ip6[0]) in ipaddress.ip_network("fd00:103::/64")
    for server in (here, there):
        eventually("a router is advertised", lambda s=server: estate.routers_of(s))
    estate.reaches(here, there.ip6[0])
    estate.reaches(there, here.ip6[0])
    seen, _ = tcp(
        in_server(estate.lab, here), in_server(estate.lab, there), there.ip6[0], size=200_000
    )
    assert seen == here.ip6[0]
    estate.remove_all()


def test_a_router_joins_networks_of_ipv6(estate: Estate) -> None:
    one, two = estate.network("10.104.0.0/24"), estate.network("10.105.0.0/24")
    subnets = [
        estate.six(network, f"fd00:{n}::/64", "slaac") for network, n in ((one, 104), (two, 105))
    ]
    router = estate.router(one, two)
    for subnet in subnets:
        estate.demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    here, there = estate.servers(("az1", one), ("az2", two))
    estate.reaches(here, there.ip6[0])
    estate.reaches(there, here.ip6[0])
    estate.reaches(here, there.ip)
    seen, _ = tcp(
        in_server(estate.lab, here), in_server(estate.lab, there), there.ip6[0], size=200_000
    )
    assert seen == here.ip6[0]
    estate.remove_all()
