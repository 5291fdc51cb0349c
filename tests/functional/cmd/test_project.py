# SPDX-License-Identifier: Apache-2.0
"""``tricircle-manage project``: what a project leaves behind is told of, and goes."""

import asyncio
import itertools
from typing import Any

import pytest

from tests.functional.client.shell import register
from tests.functional.client.test_sdk import connect
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.cmd import project, purge
from tricircle.db import projects

pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def region(gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Gateway:
    """An administrator's environment names the region."""
    register(gateway)
    monkeypatch.setattr(project, "_region", lambda: connect(cloud))
    monkeypatch.setattr(purge, "_POLL", 0.05)
    return gateway


#: Images of the project, by id, that a plain list does not tell of.
_IMAGES = {
    "8d5a4c1e-0000-4000-8000-000000000001": {"visibility": "community"},
    "8d5a4c1e-0000-4000-8000-000000000002": {"os_hidden": True},
}


async def _furnish(gateway: Gateway, cloud: Cloud) -> None:
    """The project demo has one of much."""
    mine, central = cloud.project_id, cloud.central
    outside = central.network("operator", "public", "203.0.113.0/24", **{"router:external": True})
    net = central.network(mine)
    (subnet,) = [one for one in central.tables["subnets"].values() if one["name"] == "net"]
    group = central.make("security-groups", mine, name="web")
    central.make("address-groups", mine, name="addresses")
    central.make("policies", mine, name="slow")
    router = central.make("routers", mine, name="r")
    admin = await asyncio.to_thread(connect, cloud)

    def join() -> None:
        admin.network.add_interface_to_router(router["id"], subnet_id=subnet["id"])
        admin.network.update_router(
            router["id"], external_gateway_info={"network_id": outside["id"]}
        )

    await asyncio.to_thread(join)
    body = {
        "server": {
            "name": "one",
            "flavorRef": "1",
            "imageRef": cloud.image_id,
            "networks": [{"uuid": net["id"]}],
            "security_groups": [{"name": "web"}],
        }
    }
    server = (await gateway.post("/servers", body, version="2.90")).ok(202)["server"]["id"]
    assert group
    (port,) = [one for one in central.tables["ports"].values() if one["device_id"] == server]
    central.make("floatingips", mine, floating_network_id=outside["id"], port_id=port["id"])
    central.make("ports", mine, network_id=net["id"], name="loose")
    group_body = {"server_group": {"name": "g", "policy": "affinity"}}
    (await gateway.post("/os-server-groups", group_body, version="2.64")).ok(200)
    volume = {"volume": {"name": "v", "size": 1}}
    made = (await gateway.volumes.post("/volumes", volume)).ok(202)["volume"]["id"]
    snapshot = {"snapshot": {"name": "s", "volume_id": made}}
    (await gateway.volumes.post("/snapshots", snapshot)).ok(202)
    await _group_volumes(gateway, cloud)
    for name, more in _IMAGES.items():
        cloud.images[name] = {"id": name, "name": name, "owner": mine, "status": "active", **more}


async def _group_volumes(gateway: Gateway, cloud: Cloud) -> None:
    """A group of volumes with a snapshot, and a volume that is offered to another project."""
    volumes = gateway.volumes
    types = {"group_type": "default_cgsnapshot_type", "volume_types": ["__DEFAULT__"]}
    made = await volumes.post("/groups", {"group": {"name": "g", **types}}, version="3.71")
    group = made.ok(202)["group"]["id"]
    volume = {"size": 1, "group_id": group, "volume_type": "__DEFAULT__"}
    (await volumes.post("/volumes", {"volume": volume}, version="3.71")).ok(202)
    snapshot = {"group_snapshot": {"group_id": group, "name": "s"}}
    (await volumes.post("/group_snapshots", snapshot, version="3.71")).ok(202)
    made = await volumes.post("/volumes", {"volume": {"name": "offered", "size": 1}})
    offered = {"transfer": {"volume_id": made.ok(202)["volume"]["id"], "name": "t"}}
    (await volumes.post("/volume-transfers", offered, version="3.71")).ok(202)


def _left(cloud: Cloud) -> dict[str, list[Any]]:
    """What central Neutron and the pods have of the project."""
    neutron = {
        name: [one["id"] for one in table.values() if one.get("project_id") == cloud.project_id]
        for name, table in cloud.central.tables.items()
    }
    found = {name: ids for name, ids in neutron.items() if ids}
    for region, pod in cloud.pods.items():
        servers = [
            one.id
            for one in pod.nova.servers.values()
            if one.project_id == cloud.project_id and not one.deleted
        ]
        if servers:
            found[f"servers of {region}"] = servers
        for kind in ("volume", "snapshot", "group", "group_snapshot", "transfer"):
            if there := list(pod.cinder.items[kind]):
                found[f"{kind}s of {region}"] = there
    if images := [one for one in cloud.images.values() if one.get("owner") == cloud.project_id]:
        found["images"] = images
    return found


async def test_a_project_is_purged(
    region: Gateway, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    await _furnish(region, cloud)
    before = _left(cloud)
    assert {"networks", "subnets", "routers", "ports", "floatingips", "images"} < before.keys()
    stored = {name.partition("s of ")[0] for name in before if "s of " in name}
    assert {"volume", "snapshot", "group", "group_snapshot", "transfer"} < stored
    known = await asyncio.to_thread(projects.rows_of, cloud.project_id)
    assert {"allocations", "bindings", "routings", "server_groups"} < known.keys()

    told = await asyncio.to_thread(project.purge, cloud.project_id, True, 30)
    assert told == 0, capsys.readouterr().err
    said = capsys.readouterr().out
    for kind in ("server ", "snapshot ", "volume ", "floating IP ", "router ", "network "):
        assert kind in said, kind
    assert "bindings: 1" in said
    assert _left(cloud) == before

    # A service that fails on the way: the rest goes, and what is left is told.
    cloud.central.fail(Kind.ERROR, method="DELETE", path="/floatingips/")
    assert await asyncio.to_thread(project.purge, cloud.project_id, False, 30) == 1
    assert "floating IP " in capsys.readouterr().err
    assert "servers of pod1" not in _left(cloud)
    assert await asyncio.to_thread(projects.rows_of, cloud.project_id)
    cloud.central.faults.clear()
    told = await asyncio.to_thread(project.purge, cloud.project_id, False, 30)
    said = capsys.readouterr()
    assert told == 0, said.err
    assert "Nothing is left" in said.out
    assert _left(cloud) == {}
    assert await asyncio.to_thread(projects.rows_of, cloud.project_id) == {}
    # Once more there is nothing to do.
    assert await asyncio.to_thread(project.purge, cloud.project_id, False, 30) == 0


async def test_projects_that_keystone_forgot_are_told_of(
    region: Gateway, cloud: Cloud, capsys: pytest.CaptureFixture[str]
) -> None:
    await _furnish(region, cloud)
    assert await asyncio.to_thread(project.report) == 0
    assert capsys.readouterr().out == ""
    gone = cloud.project_id
    del cloud.keystone.projects["demo"]
    assert await asyncio.to_thread(project.report) == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{gone}  ")
    assert "bindings: 1" in line


def test_what_uses_something_goes_before_it() -> None:
    order = [kind.name for kind in purge.KINDS]
    for first, then in itertools.pairwise(
        [
            "server",
            "group snapshot",
            "snapshot",
            "volume group",
            "volume",
            "floating IP",
            "router",
            "port",
            "network",
            "subnet pool",
        ]
    ):
        assert order.index(first) < order.index(then)
