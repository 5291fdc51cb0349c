# SPDX-License-Identifier: Apache-2.0
"""Both databases dumped while all works, and brought back when more has happened since: what
docs/operating.md says of it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import openstack
import pytest

from lab import process, tricircle
from lab.settings import PASSWORD, Lab
from tests.waiting import until

DATABASES = ("tricircle", "central_neutron")


def _client(lab: Lab, program: str, *more: str) -> list[str]:
    return [program, "-S", str(lab.mysql_socket), "-u", "root", f"-p{PASSWORD}", *more]


def dump(lab: Lab, path: Path) -> None:
    """Both at one moment."""
    with path.open("wb") as file:
        subprocess.run(
            _client(lab, "mariadb-dump", "--single-transaction", "--databases", *DATABASES),
            stdout=file, check=True,
        )  # fmt: skip


def restore(lab: Lab, path: Path) -> None:
    tricircle.down(lab)
    gone = "".join(f"drop database {name};" for name in DATABASES)
    subprocess.run(_client(lab, "mariadb", "-e", gone), check=True)
    with path.open("rb") as file:
        subprocess.run(_client(lab, "mariadb"), stdin=file, check=True)
    manage = [Path(sys.executable).parent / "tricircle-manage", "--config-file"]
    process.run([*manage, tricircle.config_file(lab), "db", "restored"])
    tricircle.up(lab)


class Project:
    """What a user makes; all of it begins with ``back``."""

    def __init__(self, lab: Lab) -> None:
        self.cloud: Any = tricircle.connect(lab, "demo")
        self.image = self.cloud.image.find_image("tiny", ignore_missing=False).id

    def network(self, name: str, cidr: str) -> str:
        network = self.cloud.network.create_network(name=f"back-{name}")
        self.cloud.network.create_subnet(network_id=network.id, ip_version=4, cidr=cidr)
        return str(network.id)

    def server(self, name: str, zone: str, network: str, flavor: str, **more: str) -> str:
        server = self.cloud.compute.create_server(
            name=f"back-{name}", image_id=self.image, flavor_id=flavor, availability_zone=zone,
            networks=[{"uuid": network, **more}],
        )  # fmt: skip
        return str(self.cloud.compute.wait_for_server(server, wait=180).id)

    def volume(self, name: str, zone: str) -> str:
        storage = self.cloud.block_storage
        volume = storage.create_volume(name=f"back-{name}", size=1, availability_zone=zone)
        return str(storage.wait_for_status(volume, "available", wait=120).id)

    def names(self) -> list[str]:
        """Of servers and volumes, as lists have them."""
        found = [*self.cloud.compute.servers(), *self.cloud.block_storage.volumes()]
        return sorted(one.name for one in found if one.name.startswith("back-"))


@pytest.fixture
def flavor(lab: Lab) -> str:
    compute = tricircle.connect(lab, "admin").compute
    made = compute.find_flavor("back") or compute.create_flavor(
        name="back", vcpus=1, ram=128, disk=1
    )
    return str(made.id)


def test_an_older_backup_is_brought_back(lab: Lab, flavor: str, tmp_path: Path) -> None:
    project, backup = Project(lab), tmp_path / "backup.sql"
    kept_network = project.network("kept", "10.90.0.0/24")
    kept = project.server("kept", "az1", kept_network, flavor)
    ended = project.server("ended", "az1", kept_network, flavor)
    project.volume("kept", "az1")
    dump(lab, backup)

    lost_network = project.network("lost", "10.91.0.0/24")
    later = project.server("later", "az2", kept_network, flavor)
    on_lost = project.server("on-lost", "az2", lost_network, flavor)
    later_volume = project.volume("later", "az2")
    compute = project.cloud.compute
    gone = compute.get_server(ended)
    compute.delete_server(gone)
    compute.wait_for_delete(gone, wait=120)
    restore(lab, backup)

    # What pods have is there once, whatever the database knows of it; what is gone is gone.
    wanted = ["back-kept", "back-kept", "back-later", "back-later", "back-on-lost"]
    until("the region shows what pods have", lambda: project.names() == wanted, 60)
    for server in (kept, later, on_lost):
        assert project.cloud.compute.get_server(server).status == "ACTIVE"
    assert project.cloud.block_storage.get_volume(later_volume).name == "back-later"
    with pytest.raises(openstack.exceptions.NotFoundException):
        project.cloud.compute.get_server(ended)
    (port,) = project.cloud.network.ports(device_id=kept)
    assert port.status == "ACTIVE"

    # Networks are as in the backup; what servers use in a pod is left there.
    assert project.cloud.network.find_network(lost_network) is None
    pod = tricircle.connect(lab, "demo", region="Pod2")
    for server in (later, on_lost):
        assert len(list(pod.network.ports(device_id=server))) == 1
    assert not list(project.cloud.network.ports(device_id=later))

    # And it goes on, at the first try on a network that the backup did not know in that pod. An
    # address is named that no server has which the region has forgotten.
    again = project.server("again", "az2", kept_network, flavor, fixed_ip="10.90.0.200")
    copies = [one for one in tricircle.connect(lab, "admin", region="Pod2").network.networks()
              if one.name == "back-kept"]  # fmt: skip
    assert len(copies) == 1
    for server in (kept, later, on_lost, again):
        project.cloud.compute.delete_server(server)
    for volume in project.cloud.block_storage.volumes():
        project.cloud.block_storage.delete_volume(volume)
    until("all of it is deleted", lambda: project.names() == [], 120)
