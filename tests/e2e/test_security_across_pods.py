# SPDX-License-Identifier: Apache-2.0
"""A security group admits another one's members, also those in another pod."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import cli
from tests.e2e.site import Site, eventually, pod_objects
from tricircle.pods.markers import named


class Groups:
    """``web`` admits ICMP of the members of ``clients`` and of nobody else."""

    def __init__(self, network: Any, name: str) -> None:
        self._network = network
        self.web, self.clients, self.plain = (
            network.create_security_group(name=f"{name}-{word}")
            for word in ("web", "clients", "plain")
        )
        network.create_security_group_rule(
            security_group_id=self.web.id,
            direction="ingress",
            ether_type="IPv4",
            protocol="icmp",
            remote_group_id=self.clients.id,
        )

    def delete(self) -> None:
        for group in (self.web, self.clients, self.plain):
            self._network.delete_security_group(group, ignore_missing=True)


@pytest.fixture
def groups(demo: Any, name: str) -> Iterator[Groups]:
    made = Groups(demo.network, name)
    yield made
    made.delete()


def test_a_remote_group_with_a_member_in_another_pod(
    lab: Any, demo: Any, pods: Any, groups: Groups, site: Site
) -> None:
    network = site.network("10.95.0.0/24")

    def server(zone: str, group: Any) -> Any:
        return site.server(zone, [{"uuid": network.id}], security_groups=[{"name": group.name}])

    web, near = server("az1", groups.web), server("az1", groups.clients)
    far = server("az2", groups.plain)
    address = web.addresses[network.name][0]["addr"]
    (far_port,) = demo.network.ports(device_id=far.id)

    def known() -> list[str]:
        """What pod 1 knows of members of ``clients`` elsewhere."""
        return [
            one
            for group in pods["Pod1"].network.address_groups()
            if named(group.description) == groups.clients.id
            for one in group.addresses
        ]

    eventually("a member in the same pod is admitted", lambda: cli.ping(lab, near.id, address))
    assert not cli.ping(lab, far.id, address), "somebody who is no member is admitted"
    assert known() == []

    demo.network.update_port(far_port, security_groups=[groups.clients.id])
    eventually("a member in another pod is admitted", lambda: cli.ping(lab, far.id, address))
    assert known() == [f"{far_port.fixed_ips[0]['ip_address']}/32"]

    demo.network.update_port(far_port, security_groups=[groups.plain.id])
    eventually("one that has left is not", lambda: not cli.ping(lab, far.id, address))
    assert cli.ping(lab, near.id, address)

    demo.network.update_port(far_port, security_groups=[groups.clients.id])
    eventually("one that comes again is", lambda: cli.ping(lab, far.id, address))
    site.delete_servers()
    eventually("no address is left in the pod", lambda: not known())
    eventually("nor a group", lambda: not pod_objects(pods["Pod1"], groups.web.id))
