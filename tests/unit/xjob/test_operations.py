# SPDX-License-Identifier: Apache-2.0
"""What xjob makes of creates and deletes that a gateway did not end."""

import dataclasses
import datetime
import json
from typing import Any

import pytest
import sqlalchemy as sa
from keystoneauth1 import exceptions

from tests import database
from tricircle.db import models, operations, pods, routings, session
from tricircle.db.operations import InterfaceAttach, InterfaceDetach, ServerCreate, ServerDelete
from tricircle.pods.pod import Pod
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodServices
from tricircle.pods.rights import Right
from tricircle.xjob.operations import Operations

db = database.db
pytestmark = pytest.mark.usefixtures("db")

SERVER = "5e0f7a5c-0000-4000-8000-000000000001"


@dataclasses.dataclass
class Answer:
    status_code: int
    document: Any = None
    url: str = "http://somewhere"

    @property
    def content(self) -> bytes:
        return b"" if self.document is None else json.dumps(self.document).encode()

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return self.document


class World:
    """Central Neutron's ports, one pod's ports and servers, as the service user meets them."""

    def __init__(self) -> None:
        self.central: dict[str, dict[str, Any]] = {}
        self.inside: dict[str, dict[str, Any]] = {}
        self.servers: dict[str, dict[str, Any]] = {}
        self.pod_answers = True

    def port(self, name: str, device_id: str, held_by: str = "", bound: bool = True) -> None:
        self.central[name] = {
            "id": name,
            "device_id": device_id,
            "binding:host_id": "Pod1" if bound else "",
            "binding:vif_details": {"pod_port_id": f"in-{name}"} if bound else {},
        }
        if bound:
            self.inside[f"in-{name}"] = {"id": f"in-{name}", "device_id": held_by}
        if held_by:
            self.server(held_by)

    def server(self, server_id: str, project_id: str = "p") -> None:
        created = "2026-01-01T00:00:00Z"
        self.servers[server_id] = {"id": server_id, "tenant_id": project_id, "created": created}

    # What ServiceIdentity gives

    def central_network(self, right: Right) -> "Central":
        return Central(self)

    def adapter(self, pod: Pod, right: Right) -> "Inside":
        return Inside(self, right.service)


class Central:
    def __init__(self, world: World) -> None:
        self.ports = world.central

    def request(self, path: str, method: str, json: Any = None, **_: Any) -> Answer:
        if method == "GET":
            device = path.partition("device_id=")[2]
            held = [dict(port) for port in self.ports.values() if port["device_id"] == device]
            return Answer(200, {"ports": held})
        port_id = path.rpartition("/")[2]
        if port_id not in self.ports:
            return Answer(404)
        if method == "DELETE":
            del self.ports[port_id]
            return Answer(204)
        self.ports[port_id].update(json["port"])
        return Answer(200, {"port": self.ports[port_id]})


class Inside:
    def __init__(self, world: World, service: str) -> None:
        self.world, self.service = world, service

    def request(self, path: str, method: str, **_: Any) -> Answer:
        assert method == "GET"
        if not self.world.pod_answers:
            raise exceptions.ConnectFailure("nobody there")
        name = path.rpartition("/")[2]
        if self.service == "network":
            port = self.world.inside.get(name)
            return Answer(404) if port is None else Answer(200, {"port": port})
        if path.startswith("/servers/detail"):
            return Answer(200, {"servers": list(self.world.servers.values())})
        server = self.world.servers.get(name)
        return Answer(404) if server is None else Answer(200, {"server": server})


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def pod_id() -> str:
    row = pods.create({"region_name": "Pod1", "availability_zone": "az1"})
    return str(row.id)


def look(world: World) -> int:
    registry = Registry()
    registry.refresh()
    return Operations(registry, PodServices(world)).run(-1)  # type: ignore[arg-type]


def age(row_id: str, **ago: float) -> None:
    with session.write() as tx:
        created = models.now() - datetime.timedelta(**ago)
        query = sa.update(models.Operation).where(models.Operation.id == row_id)
        tx.execute(query.values(created_at=created))


# A server that was being made


def begun(**detail: Any) -> str:
    began = models.now().isoformat()
    return operations.begin(ServerCreate(**{"name": "one", "began": began, **detail}), "p")


def test_a_server_the_pod_has_is_adopted(world: World, pod_id: str) -> None:
    row = begun(brought=["mine"])
    world.port("made", row, held_by=SERVER)
    world.port("mine", row, held_by="")
    assert look(world) == 1
    routing = routings.get("server", SERVER)
    assert routing is not None
    assert (routing.pod_id, routing.project_id) == (pod_id, "p")
    assert routing.detail == {"ports": ["made"]}
    assert {port["device_id"] for port in world.central.values()} == {SERVER}
    assert operations.get(row) is None


def test_adopting_keeps_the_ports_noted_before(world: World, pod_id: str) -> None:
    """The gateway wrote the routing, gave one port over and died."""
    row = begun()
    routings.put("server", SERVER, pod_id, "p", {"ports": ["first", "second"]})
    world.port("first", SERVER, held_by=SERVER)
    world.port("second", row, held_by=SERVER)
    look(world)
    routing = routings.get("server", SERVER)
    assert routing is not None
    assert routing.detail == {"ports": ["first", "second"]}
    assert world.central["second"]["device_id"] == SERVER


def test_ports_no_server_took_are_undone(world: World, pod_id: str) -> None:
    row = begun(brought=["mine"])
    world.port("made", row)
    world.port("unbound", row, bound=False)
    world.port("mine", row)
    world.port("anothers", "another device")
    assert look(world) == 1
    assert sorted(world.central) == ["anothers", "mine"]
    assert world.central["mine"]["device_id"] == ""
    assert world.central["mine"]["binding:host_id"] == ""
    assert world.central["anothers"]["device_id"] == "another device"


def test_another_projects_server_is_not_adopted(world: World, pod_id: str) -> None:
    """In the pod somebody wrote it on their own port."""
    row = begun()
    world.port("made", row, held_by=SERVER)
    world.server(SERVER, project_id="victim")
    routings.put("server", SERVER, pod_id, "victim")
    assert look(world) == 1
    routing = routings.get("server", SERVER)
    assert routing is not None
    assert (routing.project_id, routing.detail.get("ports")) == ("victim", None)
    assert world.central == {}


def test_a_server_still_building_keeps_its_ports(world: World, pod_id: str) -> None:
    row = begun()
    world.port("made", row)
    created = models.now().strftime("%Y-%m-%dT%H:%M:%SZ")
    world.servers[SERVER] = {"id": SERVER, "tenant_id": "p", "created": created}
    assert look(world) == 0
    assert world.central["made"]["device_id"] == row
    world.inside["in-made"]["device_id"] = SERVER
    assert look(world) == 1
    assert routings.get("server", SERVER) is not None


def test_nothing_is_undone_while_the_pod_is_silent(world: World, pod_id: str) -> None:
    row = begun()
    world.port("made", row)
    world.pod_answers = False
    assert look(world) == 0
    assert "made" in world.central
    assert operations.get(row) is not None


def test_one_that_never_made_a_port_is_forgotten(world: World, pod_id: str) -> None:
    row = begun()
    assert look(world) == 1
    assert operations.get(row) is None


# A server that was being deleted


def deleted(pod_id: str) -> str:
    routings.put("server", SERVER, pod_id, "p", {"ports": ["made"]})
    return operations.begin(ServerDelete(SERVER, ["made"]), "p", pod_id)


def test_a_gone_servers_ports_go_and_the_users_stay(world: World, pod_id: str) -> None:
    deleted(pod_id)
    world.port("made", SERVER)
    world.port("mine", SERVER)
    assert look(world) == 1
    assert list(world.central) == ["mine"]
    assert world.central["mine"]["device_id"] == ""
    assert routings.get("server", SERVER) is None


@pytest.mark.parametrize(
    "server",
    [
        {"status": "ACTIVE", "OS-EXT-STS:task_state": "deleting"},
        {"status": "SOFT_DELETED", "OS-EXT-STS:task_state": None},
    ],
)
def test_a_server_on_its_way_out_is_waited_for_however_long(
    world: World, pod_id: str, server: dict[str, Any]
) -> None:
    row = deleted(pod_id)
    world.port("made", SERVER, held_by=SERVER)
    world.servers[SERVER] = server
    age(row, hours=5)
    assert look(world) == 0
    assert world.central["made"]["device_id"] == SERVER
    del world.servers[SERVER]
    assert look(world) == 1
    assert world.central == {}


def test_a_server_told_to_be_deleted_is_gone(world: World, pod_id: str) -> None:
    deleted(pod_id)
    world.port("made", SERVER)
    world.servers[SERVER] = {"status": "DELETED", "OS-EXT-STS:task_state": None}
    assert look(world) == 1
    assert world.central == {}
    assert routings.get("server", SERVER) is None


def test_a_server_that_looks_at_rest_may_still_go(world: World, pod_id: str) -> None:
    """Nova clears the task before the server is out of its answers."""
    row = deleted(pod_id)
    world.port("made", SERVER, held_by=SERVER)
    world.servers[SERVER] = {"status": "ACTIVE", "OS-EXT-STS:task_state": None}
    age(row, minutes=5)
    assert look(world) == 0
    age(row, minutes=11)
    assert look(world) == 1
    assert world.central["made"]["device_id"] == SERVER
    assert routings.get("server", SERVER) is not None


# Interfaces


def test_an_interface_plugged_in_is_kept(world: World, pod_id: str) -> None:
    routings.put("server", SERVER, pod_id, "p", {"ports": ["first"]})
    row = operations.begin(InterfaceAttach(SERVER), "p", pod_id)
    world.port("made", row, held_by=SERVER)
    assert look(world) == 1
    routing = routings.get("server", SERVER)
    assert routing is not None
    assert routing.detail == {"ports": ["first", "made"]}
    assert world.central["made"]["device_id"] == SERVER


def test_an_interface_that_was_not_is_undone(world: World, pod_id: str) -> None:
    row = operations.begin(InterfaceAttach(SERVER), "p", pod_id)
    world.port("made", row)
    assert look(world) == 1
    assert world.central == {}


@pytest.mark.parametrize("made", [True, False])
def test_a_detached_port_goes_or_is_its_users_again(world: World, pod_id: str, made: bool) -> None:
    routings.put("server", SERVER, pod_id, "p", {"ports": ["one"] if made else []})
    row = operations.begin(InterfaceDetach(SERVER, "one", "in-one", made), "p", pod_id)
    world.port("one", SERVER, held_by=SERVER)
    assert look(world) == 0
    world.inside["in-one"]["device_id"] = ""
    assert look(world) == 1
    assert ("one" in world.central) is not made
    if not made:
        assert world.central["one"]["device_id"] == ""
    routing = routings.get("server", SERVER)
    assert routing is not None
    assert routing.detail == {"ports": []}
    assert operations.get(row) is None
