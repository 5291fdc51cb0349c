# SPDX-License-Identifier: Apache-2.0
"""Servers: acted on, changed in their parts, gone with all they had."""

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import Body, make, nothing_left, plugged, settled
from tricircle.db import operations, routings


async def test_delete_takes_the_ports_and_the_routing(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    (await gateway.delete(f"/servers/{made}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)
    assert routings.get("server", made) is None
    assert (await gateway.get(f"/servers/{made}")).status == 404
    assert (await gateway.delete(f"/servers/{made}")).status == 404


async def test_a_delete_refused_changes_nothing(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    (await gateway.post(f"/servers/{made}/action", {"lock": None})).ok(202)
    assert (await gateway.delete(f"/servers/{made}")).status == 409
    assert (await gateway.delete(f"/servers/{made}", user="other")).status == 404
    assert (await gateway.delete(f"/servers/{made}", user="reader")).status == 403
    await settled(gateway)
    plugged(cloud)
    assert operations.stale(-60) == []


ACTIONS: list[tuple[Body, str]] = [
    ({"os-stop": None}, "SHUTOFF"),
    ({"pause": None}, "PAUSED"),
    ({"suspend": None}, "SUSPENDED"),
    ({"reboot": {"type": "SOFT"}}, "ACTIVE"),
    ({"shelve": None}, "SHELVED_OFFLOADED"),
    ({"resize": {"flavorRef": "1"}}, "VERIFY_RESIZE"),
    ({"rescue": {}}, "RESCUE"),
    ({"changePassword": {"adminPass": "x"}}, "ACTIVE"),
]


@pytest.mark.parametrize(("body", "status"), ACTIONS, ids=str)
async def test_actions_reach_the_server(
    gateway: Gateway, cloud: Cloud, body: Body, status: str
) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    (await gateway.post(f"/servers/{server.id}/action", body)).ok(202)
    assert server.status == status
    (entry,) = cloud.journal.find("pod", "POST", "/action$")
    assert entry.json == body


async def test_actions_answers(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("one")
    path = f"/servers/{server.id}/action"
    output = (await gateway.post(path, {"os-getConsoleOutput": {"length": 5}})).ok(200)
    assert output == {"output": "console of one"}
    image = await gateway.post(path, {"createImage": {"name": "i"}})
    assert image.status == 202
    assert image.headers["Location"].startswith(gateway.compute)
    assert (
        "image_id"
        in (await gateway.post(path, {"createImage": {"name": "i"}}, version="2.45")).ok()
    )
    rebuilt = await gateway.post(path, {"rebuild": {"imageRef": cloud.image_id}})
    assert rebuilt.ok(202)["server"]["id"] == server.id
    assert (await gateway.post(path, {"os-start": None})).status == 409
    assert (await gateway.post(path, {"nonsense": None})).status == 400
    assert (await gateway.post(path, {})).status == 400
    assert (await gateway.post(path, {"os-resetState": {"state": "error"}})).status == 403
    assert (
        await gateway.post(path, {"os-resetState": {"state": "error"}}, user="admin")
    ).status == 202
    assert (await gateway.post(path, {"os-stop": None}, user="reader")).status == 403
    (await gateway.post(path, {"forceDelete": None})).ok(202)
    assert (await gateway.get(f"/servers/{server.id}")).status == 404


async def test_parts_of_a_server(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    path = f"/servers/{server.id}"
    (await gateway.post(f"{path}/metadata", {"metadata": {"a": "1"}})).ok(200)
    assert (await gateway.get(f"{path}/metadata")).ok() == {"metadata": {"a": "1"}}
    assert (await gateway.get(f"{path}/metadata/a")).ok() == {"meta": {"a": "1"}}
    (await gateway.delete(f"{path}/metadata/a")).ok(204)
    assert (await gateway.get(f"{path}/metadata/a")).status == 404
    (await gateway.put(f"{path}/tags", {"tags": ["t"]}, version="2.26")).ok(200)
    added = await gateway.put(f"{path}/tags/u", None, version="2.26")
    assert added.status == 201
    assert added.headers["Location"].startswith(gateway.compute)
    assert (await gateway.get(f"{path}/tags", version="2.26")).ok() == {"tags": ["t", "u"]}
    assert (await gateway.get(f"{path}/tags")).status == 404
    assert (await gateway.get(f"{path}/ips")).ok() == {"addresses": {}}
    assert (await gateway.get(f"{path}/diagnostics")).status == 403
    assert (await gateway.get(f"{path}/diagnostics", user="admin")).status == 200
    actions = (await gateway.get(f"{path}/os-instance-actions")).ok()
    assert actions == {"instanceActions": []}
    updated = (await gateway.put(path, {"server": {"name": "two"}})).ok(200)["server"]
    assert updated["name"] == server.name == "two"
    assert updated["OS-EXT-AZ:availability_zone"] == "az1"


async def test_instance_actions_know_the_request(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    path = f"/servers/{server.id}"
    done = await gateway.post(f"{path}/action", {"os-stop": None})
    request_id = done.headers["x-compute-request-id"]
    shown = (await gateway.get(f"{path}/os-instance-actions/{request_id}")).ok()
    assert shown["instanceAction"]["action"] == "os-stop"


async def test_actions_of_a_server_that_is_gone(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("one")
    path = f"/servers/{server.id}"
    (await gateway.post(f"{path}/action", {"os-stop": None})).ok(202)
    server.deleted = True
    assert (await gateway.get(path)).status == 404
    told = (await gateway.get(f"{path}/os-instance-actions", version="2.21")).ok()
    assert [action["action"] for action in told["instanceActions"]] == ["os-stop"]
    assert (await gateway.get(f"{path}/os-instance-actions", version="2.20")).status == 404
    by_others = await gateway.get(f"{path}/os-instance-actions", version="2.21", user="other")
    assert by_others.status == 404
