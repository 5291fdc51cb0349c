# SPDX-License-Identifier: Apache-2.0
"""Every row of both APIs, asked by those who may not: answered as a pod answers, nothing touched.

Each caller goes through all rows, at the lowest and at the newest microversion.
"""

import copy
import re
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway.volume.test_types import group_type, make, qos
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.db import models, session
from tricircle.gateway.compute.routes import ROUTES as COMPUTE
from tricircle.gateway.http.routing import Route
from tricircle.gateway.volume.routes import ROUTES as VOLUME

Object = dict[str, Any]
NOT_OF_THE_PROJECT = ("unscoped", "domain reader", "domain admin", "system reader", "system admin")
CALLERS = ("other", "reader", *NOT_OF_THE_PROJECT)
# What callers may make or change for themselves: keys, who has no project, too.
_KEYS = r"\w+ /os-keypairs.*"
_THINGS = (
    r"POST /(servers|os-volumes_boot|os-server-groups|os-volumes|volumes|groups|consistencygroups"
    r"|os-security-groups|os-floating-ips)"
)
OWN = {
    "other": re.compile(f"{_THINGS}|{_KEYS}"),
    "reader": re.compile(_KEYS),
    "unscoped": re.compile(_KEYS),
}
# The domain's and the system's administrators are Cinder's: they may do all this.
CINDERS = ("domain admin", "system admin")
CHANGES = re.compile(r"(?!GET )|GET .*associate(_all)?$")


async def _world(gateway: Gateway) -> dict[str, str]:
    """One of most things there are, the project's; {name of a path's parameter: id}."""
    cloud = gateway.cloud
    nova, cinder = cloud.pods["pod1"].nova, cloud.pods["pod1"].cinder
    server, volume = nova.add_server("one"), cinder.add_volume("one")
    project, user = cinder.owner("member")
    kind = await make(gateway)
    group_kind, specs = await group_type(gateway), await qos(gateway)
    of = {"volume_id": volume["id"], "size": 1, "group_snapshot_id": None, "use_quota": True}
    snapshot = cinder.put("snapshot", project, user, **of)
    backup = cinder.add_backup(volume)
    flavor = {"flavor": {"name": "big", "ram": 512, "vcpus": 2, "disk": 10, "id": "7"}}
    (await gateway.post("/flavors", flavor, user="admin")).ok(200)
    key = {"keypair": {"name": "prod", "public_key": "ssh-rsa AAAA me"}}
    (await gateway.post("/os-keypairs", key)).ok(200)
    default = {"default_type": {"volume_type": kind}}
    path = f"/default-types/{project}"
    (await gateway.volumes.put(path, default, user="admin", version="3.71")).ok(200)
    group = {"server_group": {"name": "g", "policies": ["affinity"]}}
    group_id = (await gateway.post("/os-server-groups", group)).ok(200)["server_group"]["id"]
    await gateway.idle()
    return {
        "/servers": server.id, "/os-volumes_boot": server.id, "/os-keypairs": "prod",
        "/flavors": "7", "/os-server-groups": group_id, "/os-quota-sets": project,
        "/os-quota-class-sets": "default", "/os-simple-tenant-usage": project,
        "/volumes": volume["id"], "/os-volumes": volume["id"], "/snapshots": snapshot["id"],
        "/os-snapshots": snapshot["id"], "/backups": backup["id"], "/types": kind,
        "/group_types": group_kind, "/qos-specs": specs, "/default-types": project,
    }  # fmt: skip


def _body(cloud: Cloud, world: dict[str, str], route: Route) -> Object | None:
    """Something a pod would take, as far as it is known here."""
    volume, kind = world["/volumes"], world["/types"]
    server = {"name": "x", "imageRef": cloud.image_id, "flavorRef": "1", "networks": "auto"}
    bodies: dict[str, Object] = {
        "POST /servers": {"server": server},
        "POST /os-volumes_boot": {"server": server},
        "PUT /servers/{id}": {"server": {"name": "y"}},
        "POST /servers/{id}/action": {"os-stop": None},
        "POST /os-volumes_boot/{id}/action": {"os-stop": None},
        "POST /flavors": {"flavor": {"name": "x", "ram": 1, "vcpus": 1, "disk": 1}},
        "PUT /flavors/{id}": {"flavor": {"description": "x"}},
        "POST /flavors/{id}/action": {"addTenantAccess": {"tenant": "x"}},
        "POST /flavors/{flavor_id}/os-extra_specs": {"extra_specs": {"a": "1"}},
        "POST /os-keypairs": {"keypair": {"name": "mine", "public_key": "ssh-rsa AAAA"}},
        "POST /os-server-groups": {"server_group": {"name": "x", "policies": ["affinity"]}},
        "PUT /os-quota-sets/{id}": {"quota_set": {}},
        "PUT /os-quota-class-sets/{id}": {"quota_class_set": {}},
        "POST /os-aggregates": {"aggregate": {"name": "x", "availability_zone": None}},
        "POST /os-volumes": {"volume": {"size": 1}},
        "POST /os-snapshots": {"snapshot": {"volume_id": volume}},
        "POST /volumes": {"volume": {"size": 1}},
        "PUT /volumes/{id}": {"volume": {"name": "y"}},
        "POST /volumes/{id}/action": {"os-extend": {"new_size": 9}},
        "POST /snapshots": {"snapshot": {"volume_id": volume}},
        "POST /backups": {"backup": {"volume_id": volume}},
        "POST /backups/{id}/restore": {"restore": {"volume_id": volume}},
        "POST /volume-transfers": {"transfer": {"volume_id": volume}},
        "POST /os-volume-transfer": {"transfer": {"volume_id": volume}},
        "POST /attachments": {"attachment": {"volume_uuid": volume, "instance_uuid": "x"}},
        "POST /groups": {"group": {"group_type": world["/group_types"], "volume_types": [kind]}},
        "POST /groups/action": {"create-from-src": {"source_group_id": "x"}},
        "POST /group_snapshots": {"group_snapshot": {"group_id": "x"}},
        "POST /types": {"volume_type": {"name": "x"}},
        "PUT /types/{id}": {"volume_type": {"name": "y"}},
        "POST /types/{id}/action": {"addProjectAccess": {"project": "x"}},
        "POST /types/{type_id}/extra_specs": {"extra_specs": {"a": "1"}},
        "PUT /types/{type_id}/extra_specs/{id}": {"a": "2"},
        "PUT /group_types/{group_type_id}/group_specs/{id}": {"a": "2"},
        "PUT /flavors/{flavor_id}/os-extra_specs/{id}": {"a": "2"},
        "POST /types/{type_id}/encryption": {
            "encryption": {"provider": "luks", "control_location": "front-end"}
        },
        "POST /group_types": {"group_type": {"name": "x"}},
        "PUT /group_types/{id}": {"group_type": {"name": "y"}},
        "POST /group_types/{group_type_id}/group_specs": {"group_specs": {"a": "1"}},
        "POST /qos-specs": {"qos_specs": {"name": "x"}},
        "PUT /qos-specs/{id}": {"qos_specs": {"a": "1"}},
        "PUT /default-types/{id}": {"default_type": {"volume_type": kind}},
    }
    if route.method in ("GET", "DELETE"):
        return None
    return bodies.get(f"{route.method} {route.path}", {"x": {}})


def _path(world: dict[str, str], route: Route) -> str:
    """A row's path with ids in it: the first is one of its collection, any other is nobody's."""
    collection = "/" + route.path.split("/")[1]
    found = re.sub("{[^}]*}", world.get(collection, "1"), route.path, count=1)
    return re.sub("{[^}]*}", "a", found)


def _there(cloud: Cloud) -> dict[str, Any]:
    """What the pods have, but for what callers may make for themselves."""
    members = cloud.keystone.users["member"].id
    told: dict[str, Any] = {}
    for region, pod in cloud.pods.items():
        told[region] = {
            "servers": [(one.id, one.name, one.status, one.deleted) for one in
                        pod.nova.servers.values() if one.project_id == cloud.project_id],
            "flavors": pod.nova.flavors,
            "keypairs": {key: key for key in pod.nova.keypairs if key[0] == members},
            "items": {kind: {id: (item["name"], item["status"]) for id, item in items.items()
                             if item["project_id"] == cloud.project_id}
                      for kind, items in pod.cinder.items.items()},
            "types": [pod.cinder.types, pod.cinder.group_types, pod.cinder.qos],
            "defaults": pod.cinder.defaults,
        }  # fmt: skip
    return copy.deepcopy(told)


def _rows() -> dict[str, Any]:
    """What our own tables hold of definitions, quotas and the project's things."""
    with session.read() as tx:
        return {
            table.name: sorted(map(repr, tx.execute(table.select()).all()))
            for name, table in models.Base.metadata.tables.items()
            if name in ("definitions", "quotas", "server_groups", "storage_allocations")
        }


def _lowest_and_newest(service: str) -> tuple[str, str]:
    return {"compute": ("2.1", "2.104"), "volume": ("3.0", "3.71")}[service]


async def _ask(
    gateway: Gateway, service: str, world: dict[str, str], route: Route, user: str, version: str
) -> Answer:
    api = gateway if service == "compute" else gateway.volumes
    path, body = _path(world, route), _body(gateway.cloud, world, route)
    victim = gateway.cloud.keystone.users["member"].id
    query = {"user_id": victim} if path == "/os-keypairs/prod" else {}
    if path.endswith("associate"):
        query = {"vol_type_id": world["/types"]}
    return await api.call(route.method, path, body, user=user, version=version, query=query)


@pytest.mark.parametrize("newest", [False, True], ids=["lowest", "newest"])
@pytest.mark.parametrize("user", CALLERS)
async def test_all_rows(gateway: Gateway, cloud: Cloud, user: str, newest: bool) -> None:
    world = await _world(gateway)
    before, rows = _there(cloud), _rows()
    cloud.journal.clear()
    wrong = []
    for service, routes in (("compute", COMPUTE), ("volume", VOLUME)):
        version = _lowest_and_newest(service)[newest]
        for route in routes:
            row = f"{route.method} {route.path}"
            if user in CINDERS and service == "volume" and CHANGES.match(row):
                continue
            if (own := OWN.get(user)) and own.fullmatch(row):
                continue
            told = await _ask(gateway, service, world, route, user, version)
            if told.status == 500 or (told.status < 300 and route.method != "GET"):
                wrong.append((row, told.status, told.body[:150]))
    await gateway.idle()
    assert wrong == []
    assert _there(cloud) == before
    assert _rows() == rows
    assert _written_by_us(cloud) == []


@pytest.mark.parametrize("newest", [False, True], ids=["lowest", "newest"])
@pytest.mark.parametrize("user", CINDERS)
async def test_administrators_of_no_project(
    gateway: Gateway, cloud: Cloud, user: str, newest: bool
) -> None:
    """To Cinder they are administrators: what they change there goes by a pod's yes to them."""
    world, version = await _world(gateway), _lowest_and_newest("volume")[newest]
    for route in VOLUME:
        if not CHANGES.match(f"{route.method} {route.path}"):
            continue
        cloud.journal.clear()
        told = await _ask(gateway, "volume", world, route, user, version)
        await gateway.idle()
        assert told.status != 500, (route, told.body)
        if not 200 <= told.status < 300:
            assert _written_by_us(cloud) == [], route


def _written_by_us(cloud: Cloud) -> list[Any]:
    """What the service user changed in pods."""
    ours = {one.id for one in cloud.keystone.tokens.values() if one.user.name == "tricircle"}
    return [
        entry
        for entry in cloud.journal.find("pod")
        if entry.headers.get("X-Auth-Token") in ours and entry.method != "GET"
    ]
