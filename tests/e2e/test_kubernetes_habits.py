# SPDX-License-Identifier: Apache-2.0
"""What a Kubernetes cluster asks of its cloud: its provider finds nodes by their names, its storage
driver claims, attaches and moves volumes by theirs, and a machine is replaced under its name and
address. Nothing is remembered between two steps but names.
"""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.site import Site, eventually
from tests.e2e.test_volumes import Storage

CIDR = "10.84.0.0/24"
ZONES = "OS-EXT-AZ:availability_zone"


class Cluster:
    """Nodes and claims, known by their names. A name is one thing at the most."""

    def __init__(self, demo: Any, site: Site, storage: Storage) -> None:
        self.demo, self.site, self.storage = demo, site, storage
        self.network = site.network(CIDR)

    # -- machines ----------------------------------------------------------------------------

    def machine(self, name: str, zone: str, address: str) -> None:
        """A port with the address, and a server on it; both under the node's name."""
        port = self.demo.network.create_port(
            network_id=self.network.id, name=name, fixed_ips=[{"ip_address": address}]
        )
        body = {
            "name": name,
            "imageRef": self.site.image.id,
            "flavorRef": self.site.flavor.id,
            "networks": [{"port": port.id}],
            "availability_zone": zone,
            "metadata": {"cluster": self.site.name},
        }
        answer = self.demo.compute.post("/servers", json={"server": body}, microversion="2.60")
        assert answer.status_code == 202, answer.text
        self.site.servers.append(self.demo.compute.get_server(answer.json()["server"]["id"]))

    def node(self, name: str) -> Any:
        """As the provider looks for it; None when there is none."""
        query = {"name": f"^{re.escape(name)}$"}
        answer = self.demo.compute.get("/servers/detail", params=query, microversion="2.60")
        assert answer.status_code == 200, answer.text
        found = answer.json()["servers"]
        assert len(found) <= 1, found
        return found[0] if found else None

    def ready(self, name: str) -> Any:
        def active() -> Any:
            found = self.node(name)
            assert found is None or found["status"] != "ERROR", found.get("fault")
            return found if found and found["status"] == "ACTIVE" else None

        return eventually(f"{name} is ready", active, 90)

    def replace(self, name: str) -> None:
        """The machine is deleted with its port, and one like it is made."""
        node, port = self.node(name), self.port(name)
        (address,) = [ip["ip_address"] for ip in port.fixed_ips]
        self.demo.compute.delete_server(node["id"])
        eventually(f"{name} is gone", lambda: self.node(name) is None, 90)
        self.demo.network.delete_port(port)
        self.machine(name, node[ZONES], address)

    def port(self, name: str) -> Any:
        (found,) = self.demo.network.ports(name=name)
        return found

    # -- volumes -----------------------------------------------------------------------------

    def claim(self, name: str, zone: str | None = None) -> Any:
        """A volume of the name: the one there is, else a new one."""
        known = self.volume(name)
        if known is None:
            self.storage.volume(zone, name=name)
            known = self.volume(name)
        return known

    def volume(self, name: str) -> Any:
        found = self.demo.block_storage.get("/volumes/detail", params={"name": name})
        volumes = found.json()["volumes"]
        assert len(volumes) <= 1, volumes
        return volumes[0] if volumes else None

    def attach(self, claim: str, node: str) -> None:
        volume, server = self.volume(claim), self.node(node)
        body = {"volumeAttachment": {"volumeId": volume["id"]}}
        path = f"/servers/{server['id']}/os-volume_attachments"
        answer = self.demo.compute.post(path, json=body)
        assert answer.status_code == 200, answer.text
        eventually(f"{claim} is attached", lambda: self.holders(claim) == [server["id"]])

    def detach(self, claim: str) -> None:
        volume = self.volume(claim)
        (server,) = self.holders(claim)
        path = f"/servers/{server}/os-volume_attachments/{volume['id']}"
        assert self.demo.compute.delete(path).status_code == 202
        self.is_free(claim)

    def is_free(self, claim: str) -> None:
        eventually(f"{claim} is free", lambda: self.volume(claim)["status"] == "available")

    def holders(self, claim: str) -> list[str]:
        """The servers that have a volume, once it is in use."""
        volume = self.volume(claim)
        held = volume["attachments"] if volume["status"] == "in-use" else []
        return [one["server_id"] for one in held]


@pytest.fixture
def cluster(demo: Any, admin: Any, site: Site, name: str) -> Iterator[Cluster]:
    storage = Storage(demo, admin, name)
    cluster = Cluster(demo, site, storage)
    yield cluster
    site.delete_servers()
    storage.clean()
    for port in list(demo.network.ports(network_id=cluster.network.id)):
        demo.network.delete_port(port)


def test_a_cluster_over_two_zones(cluster: Cluster, name: str) -> None:
    zones = {f"{name}-a": "az1", f"{name}-b": "az1", f"{name}-c": "az2"}
    addresses = {node: f"10.84.0.{number}" for number, node in enumerate(zones, 11)}
    for node, zone in zones.items():
        cluster.machine(node, zone, addresses[node])
    seen = {node: cluster.ready(node) for node in zones}
    for node, server in seen.items():
        ((label, entries),) = server["addresses"].items()
        assert label == cluster.network.name
        assert [entry["addr"] for entry in entries] == [addresses[node]]
        assert server[ZONES] == zones[node]
        port = cluster.port(node)
        assert (port.device_id, port.is_admin_state_up) == (server["id"], True)

    first, second, third = (f"{name}-pvc-{number}" for number in range(3))
    for claim, zone in ((first, "az1"), (second, "az2"), (third, None)):
        volume = cluster.claim(claim, zone)
        # Asked for again, as after a time-out, it is the one.
        assert cluster.claim(claim, zone)["id"] == volume["id"]
        assert zone in (None, volume["availability_zone"])
    a, b, c = zones
    cluster.attach(first, a)
    cluster.attach(second, c)
    # What was claimed without a zone is used where it came to be, if a node is there.
    here = cluster.volume(third)["availability_zone"]
    for node in [node for node, zone in zones.items() if zone == here][-1:]:
        cluster.attach(third, node)
    cluster.detach(first)
    cluster.attach(first, b)

    # Its volumes are free when it is gone, and the next of its name has them again.
    old = cluster.node(c)["id"]
    cluster.replace(c)
    cluster.is_free(second)
    assert not cluster.holders(second)
    new = cluster.ready(c)
    assert new["id"] != old
    assert [entry["addr"] for entry in new["addresses"][cluster.network.name]] == [addresses[c]]
    assert cluster.port(c).device_id == new["id"]
    cluster.attach(second, c)
    assert cluster.holders(second) == [new["id"]]
    assert cluster.holders(first) == [cluster.node(b)["id"]]
