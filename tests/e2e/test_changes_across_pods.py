# SPDX-License-Identifier: Apache-2.0
"""What a user changes is changed in every pod, also in one that was away at the time."""

from typing import Any

import pytest

from lab import cli
from lab.dataplane import servers as lab_servers
from tests.e2e.networks import Estate
from tests.e2e.site import eventually

REGIONS = ("Pod1", "Pod2")


def everywhere(estate: Estate, kind: str, central_id: str, **wanted: Any) -> None:
    """Both pods' copies are so before long."""
    for region in REGIONS:
        eventually(
            f"{kind} in {region} has {wanted}",
            lambda r=region: _is(estate.copy(r, kind, central_id), wanted),
        )


def _is(copy: Any, wanted: dict[str, Any]) -> bool:
    found = {name: getattr(copy, name) for name in wanted}
    assert found == wanted, found
    return True


def test_changes_reach_every_pod(estate: Estate) -> None:
    update = estate.demo.network
    network = estate.network("10.161.0.0/24")
    here, there = estate.servers(("az1", network), ("az2", network))
    estate.all_reach(here, there)

    update.update_network(network, name="renamed", mtu=1300)
    everywhere(estate, "network", network.id, name="renamed", mtu=1300)
    subnet = network.subnet.id
    update.update_subnet(subnet, name="renamed", dns_nameservers=["192.0.2.53", "192.0.2.54"])
    everywhere(
        estate, "subnet", subnet, name="renamed", dns_nameservers=["192.0.2.53", "192.0.2.54"]
    )
    update.update_subnet(subnet, is_dhcp_enabled=False)
    everywhere(estate, "subnet", subnet, is_dhcp_enabled=False)
    update.update_subnet(subnet, is_dhcp_enabled=True)
    everywhere(estate, "subnet", subnet, is_dhcp_enabled=True)
    # New addresses come out of the new pool, whatever pod they are for.
    update.update_subnet(
        subnet, allocation_pools=[{"start": "10.161.0.200", "end": "10.161.0.220"}]
    )
    (third,) = estate.servers(("az2", network))
    assert 200 <= int(third.ip.rpartition(".")[2]) <= 220
    estate.reaches(here, third.ip)

    update.update_port(there.port, name="renamed", is_admin_state_up=False)
    eventually(
        "the port is down in its pod",
        lambda: _is(
            estate.copy("Pod2", "port", there.port), {"name": "renamed", "is_admin_state_up": False}
        ),
    )
    eventually("it is silent", lambda: not lab_servers.ping(estate.lab, here.id, there.ip, tries=1))
    update.update_port(there.port, is_admin_state_up=True)
    estate.reaches(here, there.ip)
    update.update_network(network, is_admin_state_up=False)
    everywhere(estate, "network", network.id, is_admin_state_up=False)
    update.update_network(network, is_admin_state_up=True)
    everywhere(estate, "network", network.id, is_admin_state_up=True)
    estate.all_reach(here, there)
    estate.remove_all()


def test_an_address_pair_and_no_port_security(estate: Estate) -> None:
    """An address that a server shares is let through; a port without security lets all in."""
    network = estate.network("10.162.0.0/24")
    here, there = estate.servers(("az1", network), ("az2", network))
    shared = "10.162.0.250"
    argv = ["ip", "address", "add", f"{shared}/24", "dev", "eth0"]
    assert lab_servers.server_exec(estate.lab, there.id, argv).returncode == 0
    estate.cannot_reach(here, shared)
    estate.demo.network.update_port(there.port, allowed_address_pairs=[{"ip_address": shared}])
    estate.reaches(here, shared)
    estate.demo.network.update_port(there.port, allowed_address_pairs=[])
    eventually("it is silent", lambda: not lab_servers.ping(estate.lab, here.id, shared, tries=1))
    estate.demo.network.update_port(there.port, security_groups=[], is_port_security_enabled=False)
    estate.reaches(here, shared)
    estate.remove_all()


@pytest.mark.disturbs
def test_what_is_deleted_while_a_pod_is_away_goes_when_it_is_back(
    estate: Estate, tricircle_api: Any
) -> None:
    network, other = estate.network("10.163.0.0/24"), estate.network("10.164.0.0/24")
    router = estate.router(network, other)
    here, there = estate.servers(("az1", network), ("az2", network))
    (port,) = [estate.demo.network.get_port(there.port)]
    spare = estate.demo.network.create_port(network_id=other.id)
    estate.admin.network.update_port(spare, binding_host_id="Pod2")
    estate.made.append(spare.id)
    assert estate.copy("Pod2", "port", spare.id) is not None
    cli.pod_kill(estate.lab, estate.lab.pod("pod2"))
    try:
        demo = estate.demo.network
        demo.delete_port(spare)
        estate.leave(router, other)
        demo.delete_network(other)
        demo.update_port(port, name="renamed meanwhile")
        # Nobody waits for the pod that is away.
        estate.reaches(here, estate.default_route(here))
    finally:
        cli.pod_start(estate.lab, estate.lab.pod("pod2"))
    estate.site.networks.remove(other)

    eventually("it is all gone", lambda: not estate.copies("Pod2", other.id), 120)
    eventually("the spare port is gone", lambda: estate.copy("Pod2", "port", spare.id) is None)
    eventually(
        "the port has its new name",
        lambda: estate.copy("Pod2", "port", port.id).name == "renamed meanwhile",
    )
    estate.all_reach(here, there)
    estate.remove_all()
