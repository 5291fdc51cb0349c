# SPDX-License-Identifier: Apache-2.0
"""What users and operators can do in each kind of pod: the table of docs/federation.md is right."""

from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from tests.functional import what_works_where
from tests.functional.fakes.cloud import MEMBERS, Cloud
from tests.functional.fakes.glance import fill
from tests.functional.fakes.http import LoopThread
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.access.test_who_may_what import AWAY, KEY
from tests.functional.gateway.images.conftest import DATA, image, xjob
from tests.functional.gateway.volume.test_attach_moves import attach
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.servers import wanted

VERSION = "2.90"


@pytest.fixture(params=what_works_where.COLUMNS)
def entered(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cloud(fakes: LoopThread, entered: str) -> Iterator[Cloud]:
    """A pod whose Keystone is its own has a Glance of its own, too."""
    own = entered != "shared"
    cloud = Cloud(fakes, federated={FOREIGN: entered} if own else {}, glances=[FOREIGN] * own)
    fill(cloud.images[cloud.image_id], DATA)
    yield cloud
    cloud.close()
    assert cloud.journal.broken == []


def _said(answer: Answer) -> str:
    return "" if answer.status < 300 else answer.message


class Trial:
    """One pod of a kind, and what a user and an operator try there."""

    def __init__(self, gateway: Gateway, cloud: Cloud, kind: str) -> None:
        self.gateway, self.cloud, self.kind = gateway, cloud, kind
        cloud.pods[FOREIGN].nova.console_bases["novnc"] = "http://127.0.0.1:6080/vnc.html"

    async def begin(self) -> None:
        """The operator of a pod with credentials gives one for the project."""
        keystone = self.cloud.pods[FOREIGN].keystone
        if keystone is None or self.kind not in ("credentials", MEMBERS):
            return
        self.cloud.central.judges.pop(FOREIGN)
        if self.kind == "credentials":
            keystone.user("tenant", "tenant project", "member", "reader")
        path = f"/pods/{self.gateway.pod_ids[FOREIGN]}/credentials/{self.cloud.project_id}"
        given = {"credential": keystone.credential("tenant")}
        (await self.gateway.manage("PUT", path, given)).ok()

    async def boot(self, hints: dict[str, str] | None = None, **more: Any) -> Answer:
        told = {"availability_zone": "az2", "networks": "none"} | more
        body = wanted(self.cloud, **told) | ({"os:scheduler_hints": hints} if hints else {})
        return await self.gateway.post("/servers", body, version=VERSION)

    async def server(self) -> str:
        return str((await self.boot()).ok(202)["server"]["id"])

    async def servers(self) -> str:
        answer = await self.boot()
        if answer.status != 202:
            return answer.message
        path = f"/servers/{answer.json['server']['id']}"
        console = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        for answer in (
            await self.gateway.get(path, version=VERSION),
            await self.gateway.post(f"{path}/remote-consoles", console, version=VERSION),
            await self.gateway.post(f"{path}/action", {"os-stop": None}, version=VERSION),
            await self.gateway.delete(path),
        ):
            if _said(answer):
                return answer.message
        return ""

    async def keypairs(self) -> str:
        key = {"keypair": {"name": "mine", "public_key": KEY, "type": "ssh"}}
        (await self.gateway.post("/os-keypairs", key, version=VERSION)).ok()
        return _said(await self.boot(key_name="mine"))

    async def server_groups(self) -> str:
        body = {"server_group": {"name": "g", "policy": "anti-affinity"}}
        told = await self.gateway.post("/os-server-groups", body, version=VERSION)
        group = told.ok()["server_group"]["id"]
        if said := _said(await self.boot({"group": group})):
            return said
        told = await self.gateway.get(f"/os-server-groups/{group}", version=VERSION)
        return "" if len(told.ok()["server_group"]["members"]) == 1 else "no members"

    async def _of_flavor(self, **more: Any) -> str:
        flavor = {"name": f"f{len(more)}", "ram": 64, "vcpus": 1, "disk": 1, **more}
        told = await self.gateway.post("/flavors", {"flavor": flavor}, user="admin")
        made = told.ok()["flavor"]["id"]
        if more:
            access = {"addTenantAccess": {"tenant": self.cloud.project_id}}
            await self.gateway.post(f"/flavors/{made}/action", access, user="admin")
        return _said(await self.boot(flavorRef=made))

    async def flavors(self) -> str:
        return await self._of_flavor()

    async def private_flavors(self) -> str:
        return await self._of_flavor(**{"os-flavor-access:is_public": False})

    async def images(self) -> str:
        return _said(await self.boot(imageRef=image(self.cloud)))

    async def snapshots(self) -> str:
        path = f"/servers/{await self.server()}/action"
        body = {"createImage": {"name": "snap"}}
        told = await self.gateway.post(path, body, version=VERSION)
        if _said(told):
            return told.message
        return "" if told.json["image_id"] in self.cloud.images else "not in the region"

    async def _volume(self, **more: Any) -> Answer:
        body = {"volume": {"size": 1, "availability_zone": "az2", **more}}
        return await self.gateway.volumes.post("/volumes", body)

    async def volumes(self) -> str:
        told = await self._volume()
        if _said(told):
            return told.message
        volume, server = told.json["volume"]["id"], await self.server()
        return _said(await attach(self.gateway, server, volume))

    async def volume_types(self) -> str:
        body = {"volume_type": {"name": "fast"}}
        (await self.gateway.volumes.post("/types", body, user="admin")).ok()
        return _said(await self._volume(volume_type="fast"))

    async def moving(self) -> str:
        cinder = self.cloud.pods["pod1"].cinder
        volume = cinder.add_volume(size=1, content="letters")["id"]
        body = {"move": {"region_name": FOREIGN}}
        return _said(await self.gateway.manage("POST", f"/volumes/{volume}/move", body))

    async def quotas(self) -> str:
        path = f"/os-quota-sets/{self.cloud.project_id}"
        await self.server()
        return _said(await self.gateway.get(path, version=VERSION))

    async def _everybodys(self, path: str) -> str:
        told = await self.gateway.get(path, version=VERSION, user="admin")
        if _said(told):
            return told.message
        return f"left out: {told.headers[AWAY]}" if AWAY in told.headers else ""

    async def all_projects(self) -> str:
        return await self._everybodys("/servers?all_tenants=1")

    async def hypervisors(self) -> str:
        return await self._everybodys("/os-hypervisors")

    async def administrators(self) -> str:
        path = f"/servers/{await self.server()}/action"
        return _said(
            await self.gateway.post(path, {"migrate": None}, version=VERSION, user="admin")
        )


ROWS: dict[str, Callable[[Trial], Awaitable[str]]] = {
    "servers: make, show, stop, console, delete": Trial.servers,
    "keypairs": Trial.keypairs,
    "server groups": Trial.server_groups,
    "flavors that the region makes": Trial.flavors,
    "flavors for some projects only": Trial.private_flavors,
    "images of the region": Trial.images,
    "images of servers there": Trial.snapshots,
    "volumes, attached": Trial.volumes,
    "volume types that the region makes": Trial.volume_types,
    "volumes with data moved into the pod": Trial.moving,
    "a project's quotas and usage": Trial.quotas,
    "administrators: servers of all projects": Trial.all_projects,
    "administrators: hypervisors, services, aggregates": Trial.hypervisors,
    "administrators: migrate a server inside the pod": Trial.administrators,
}


async def test_the_table(gateway: Gateway, cloud: Cloud, entered: str) -> None:
    assert list(ROWS) == what_works_where.names(of_networks=False)
    trial = Trial(gateway, cloud, entered)
    await trial.begin()
    tried = {}
    async with xjob(gateway):
        for name, way in ROWS.items():
            tried[name] = await way(trial)
    assert not (found := what_works_where.wrong(entered, tried)), "\n".join(found)
