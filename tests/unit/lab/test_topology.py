# SPDX-License-Identifier: Apache-2.0
"""Names and addresses that the data plane derives from a lab."""

import ipaddress
import itertools

import pytest

from lab import settings
from lab.dataplane import topology

LINK_NAME_BYTES = 15
SOCKET_PATH_BYTES = 107


@pytest.fixture
def lab():
    return settings.new("sidelab1", pods=9, hosts=9, external="pod2")


def every_host(lab):
    return [host for pod in lab.pods for host in topology.hosts(lab, pod)]


def test_every_host_has_an_address_of_its_own_on_one_tunnel_network(lab):
    addresses = [ipaddress.ip_address(host.tunnel_address) for host in every_host(lab)]
    assert len(set(addresses)) == len(addresses) == 81
    assert len({ipaddress.ip_network(f"{address}/16", strict=False) for address in addresses}) == 1


def test_every_host_has_an_address_of_its_own_on_the_management_network(lab):
    addresses = {ipaddress.ip_address(host.management_address) for host in every_host(lab)}
    addresses.add(ipaddress.ip_address(lab.management_address))
    assert len(addresses) == 82
    assert len({ipaddress.ip_network(f"{one}/24", strict=False) for one in addresses}) == 1


def test_link_names_fit_the_kernel_and_differ(lab):
    cables = [*topology.SWITCHES, topology.MANAGEMENT]
    plugs = [host.plug(switch) for host in every_host(lab) for switch in cables]
    plugs += [topology.management_link(lab), topology.MANAGEMENT]
    assert len(set(plugs)) == len(plugs)
    bridges = [f"br-{switch}" for switch in topology.SWITCHES]
    assert max(len(name.encode()) for name in plugs + bridges) <= LINK_NAME_BYTES


def test_sockets_fit_the_kernel(lab):
    sockets = [host.ovsdb_socket for host in every_host(lab)]
    sockets += [topology.ovn_socket(lab, pod) for pod in lab.pods]
    assert max(len(str(path).encode()) for path in sockets) <= SOCKET_PATH_BYTES


def test_only_the_external_pod_reaches_the_external_network(lab):
    reach = {host.pod.key for host in every_host(lab) if topology.EXTERN in host.switches}
    assert reach == {"pod2"}
    mapped = {
        host.pod.key for host in every_host(lab) if f"{topology.EXTERN}:" in host.bridge_mappings
    }
    assert mapped == {"pod2"}


def test_every_host_reaches_the_vlans_but_the_tunnels_are_no_physical_network(lab):
    for host in every_host(lab):
        networks = dict(pair.split(":") for pair in host.bridge_mappings.split(","))
        assert networks[topology.PHYSNET] == "br-physnet1"
        assert topology.TUNNEL not in networks
        assert topology.TUNNEL in host.switches


def test_each_pod_has_one_gateway(lab):
    for pod in lab.pods:
        assert [host.gateway for host in topology.hosts(lab, pod)] == [True] + [False] * 8


def test_labs_side_by_side_share_no_name():
    labs = [settings.new(name) for name in ("lab", "lab2", "la")]
    for one, other in itertools.permutations(labs, 2):
        for host in every_host(one):
            assert not host.netns.startswith(other.netns_prefix)
        assert not topology.outside_netns(one).startswith(other.netns_prefix)
        assert one.sockets != other.sockets


def test_the_gateway_lies_on_the_external_network():
    for cidr, gateway in (
        (topology.EXTERNAL_CIDR, topology.EXTERNAL_GATEWAY),
        (topology.EXTERNAL_CIDR_V6, topology.EXTERNAL_GATEWAY_V6),
    ):
        assert ipaddress.ip_address(gateway) in ipaddress.ip_network(cidr)
    beyond = ipaddress.ip_address(topology.OUTSIDE_HOST)
    assert beyond not in ipaddress.ip_network(topology.EXTERNAL_CIDR)
