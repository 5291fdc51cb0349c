# SPDX-License-Identifier: Apache-2.0
"""One region over two real clouds of which one knows nothing of our Keystone: servers in both, on
one network, with a key, a volume and a console; and nothing left at the end.
"""

import json
import re
from typing import Any

import pytest
from keystoneauth1 import exceptions

from lab import cli
from lab.settings import Lab
from tests.e2e.site import eventually
from tests.e2e_federated.conftest import FOREIGN, KIND

HEX = re.compile(r"(?<![0-9A-Za-z])[0-9a-f]{32}(?![0-9A-Za-z])")
ZONES = {"here": "az1", "there": "az2"}


def _foreign_ids(there: Any) -> set[str]:
    """The ids of all projects and users of the pod's own Keystone."""
    keystone = there.identity
    return {one.id for one in (*keystone.projects(), *keystone.users())}


def _ours(admin: Any) -> set[str]:
    keystone = admin.identity
    return {one.id for one in (*keystone.projects(), *keystone.users())}


class Scenario:
    """What was made, and every document that users were told."""

    def __init__(self, lab: Lab, demo: Any, image: Any, flavor: Any, name: str) -> None:
        self.lab, self.demo, self.name = lab, demo, name
        self.image, self.flavor = image, flavor
        self.documents: list[tuple[str, str]] = []
        self.servers: dict[str, Any] = {}

    def get(self, service: str, path: str, version: str = "") -> Any:
        headers = {"OpenStack-API-Version": version} if version else {}
        filters = {"service_type": service, "region_name": "RegionOne"}
        answer = self.demo.session.get(path, endpoint_filter=filters, headers=headers)
        self.documents.append((path, answer.text + json.dumps(dict(answer.headers))))
        return answer.json()

    def boot(self) -> None:
        compute = self.demo.compute
        for which, zone in ZONES.items():
            self.servers[which] = compute.create_server(
                name=f"{self.name}-{which}",
                image_id=self.image.id,
                flavor_id=self.flavor.id,
                key_name=self.name,
                networks=[{"uuid": self.network.id}],
                security_groups=[{"name": self.name}],
                availability_zone=zone,
                metadata={"owner": self.demo.current_project_id},
            )
        for which, server in self.servers.items():
            self.servers[which] = compute.wait_for_server(server, wait=120)

    def network_up(self) -> None:
        network = self.demo.network
        self.network = network.create_network(name=self.name)
        network.create_subnet(
            name=self.name, network_id=self.network.id, ip_version=4, cidr="10.91.0.0/24"
        )
        group = network.create_security_group(name=self.name)
        self.group = group
        for protocol in ("icmp",):
            network.create_security_group_rule(
                security_group_id=group.id, direction="ingress", protocol=protocol
            )

    def crawl(self) -> None:
        project = self.demo.current_project_id
        for path in (
            "/servers/detail",
            "/os-keypairs",
            f"/os-quota-sets/{project}/detail",
            f"/os-simple-tenant-usage/{project}",
            "/os-server-groups",
            "/limits",
            *(f"/servers/{one.id}" for one in self.servers.values()),
            *(f"/servers/{one.id}/os-instance-actions" for one in self.servers.values()),
            *(f"/servers/{one.id}/os-interface" for one in self.servers.values()),
        ):
            self.get("compute", path, "compute 2.79")
        for one in self.servers.values():
            self.get("compute", f"/servers/{one.id}/os-security-groups")
        for path in (
            "/volumes/detail",
            "/snapshots/detail",
            f"/os-quota-sets/{project}",
            "/limits",
        ):
            self.get("block-storage", path, "volume 3.60")
        for path in ("/v2.0/ports", "/v2.0/networks", "/v2.0/security-groups"):
            self.get("network", path)


@pytest.fixture
def scenario(lab: Lab, demo: Any, image: Any, flavor: Any, name: str) -> Scenario:
    return Scenario(lab, demo, image, flavor, name)


def test_one_region_over_two_keystones(
    scenario: Scenario, lab: Lab, admin: Any, demo: Any, there: Any, reader: Any, stranger: Any
) -> None:
    compute, volumes = demo.compute, demo.block_storage
    compute.create_keypair(name=scenario.name)
    scenario.network_up()
    scenario.boot()
    inside = there.compute.get_server(scenario.servers["there"].id)
    assert inside.project_id in _foreign_ids(there)
    assert inside.project_id not in _ours(admin)
    assert inside.user_id not in _ours(admin)

    # Every document tells our ids, and what a user wrote is what they wrote.
    project, user = demo.current_project_id, demo.current_user_id
    # Where all users of a project are one account it is the project's name that stands there.
    owners = {"here": user, "there": project if KIND == "credentials" else user}
    for which, server in scenario.servers.items():
        shown = compute.get_server(server.id)
        assert (shown.project_id, shown.user_id) == (project, owners[which])
        assert (shown.metadata, shown.key_name) == ({"owner": project}, scenario.name)

    # Packets go between the clouds.
    addresses = {
        which: next(iter(server.addresses.values()))[0]["addr"]
        for which, server in scenario.servers.items()
    }
    for source, target in (("here", "there"), ("there", "here")):
        server = scenario.servers[source].id
        eventually(
            f"{source} reaches {target}",
            lambda server=server, target=target: cli.ping(lab, server, addresses[target]),
        )

    # A volume in each, attached.
    made = []
    for which, zone in ZONES.items():
        volume = volumes.create_volume(
            name=f"{scenario.name}-{which}", size=1, availability_zone=zone
        )
        volume = volumes.wait_for_status(volume, "available", wait=60)
        compute.create_volume_attachment(scenario.servers[which], volume_id=volume.id)
        made.append(volumes.wait_for_status(volume, "in-use", wait=60))
    assert there.block_storage.get_volume(made[1].id)

    for server in scenario.servers.values():
        assert compute.create_console(server, "novnc")["url"].startswith(lab.url("console"))

    # Who may only read, reads; who has nothing to do with it, does not see it.
    remote = scenario.servers["there"]
    assert reader.compute.get_server(remote.id).user_id == owners["there"]
    with pytest.raises(exceptions.Forbidden):
        reader.session.delete(
            f"/servers/{remote.id}",
            endpoint_filter={"service_type": "compute", "region_name": "RegionOne"},
        )
    assert stranger.compute.find_server(remote.id, ignore_missing=True) is None

    scenario.crawl()
    foreign = _foreign_ids(there)
    for path, text in scenario.documents:
        assert not foreign & set(HEX.findall(text)), path

    for server, volume in zip(scenario.servers.values(), made, strict=True):
        compute.delete_volume_attachment(server, volume.id)
        volumes.wait_for_status(volume, "available", wait=60)
        volumes.delete_volume(volume)
        compute.delete_server(server)
    for server in scenario.servers.values():
        compute.wait_for_delete(server, wait=60)
    eventually("ports are gone", lambda: not list(demo.network.ports(network_id=scenario.network.id,
               device_owner="compute:nova")))  # fmt: skip
    demo.network.delete_network(scenario.network)
    demo.network.delete_security_group(scenario.group)
    compute.delete_keypair(scenario.name)

    def nothing_left() -> bool:
        return (
            not list(there.compute.servers(all_projects=True))
            and not list(there.block_storage.volumes(all_projects=True))
            and not [one for one in there.network.networks() if one.name == scenario.name]
            and not [one for one in there.network.security_groups() if one.name == scenario.name]
        )

    eventually("nothing is left in the pod", nothing_left, 120)


def test_an_administrator_here_is_none_there(lab: Lab, admin: Any) -> None:
    """Lists go without the pod, and say so."""
    answer = admin.session.get(
        "/os-hypervisors",
        endpoint_filter={"service_type": "compute", "region_name": "RegionOne"},
    )
    assert answer.headers["X-Tricircle-Unavailable-Pods"] == lab.pod(FOREIGN).region
    assert len(answer.json()["hypervisors"]) == 2
