# SPDX-License-Identifier: Apache-2.0
"""Servers are found again wherever they are, and never said to be gone when they may be there."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import make, nothing_left, plugged, settled
from tricircle.db import routings
from tricircle.gateway.transport.central_neutron import Central
from tricircle.pods import rights
from tricircle.pods.errors import PodUnreachable


async def test_a_server_made_behind_our_back_is_learned(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("theirs")
    shown = (await gateway.get(f"/servers/{server.id}")).ok()["server"]
    assert shown["id"] == server.id
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]
    cloud.journal.clear()
    (await gateway.get(f"/servers/{server.id}")).ok()
    assert {entry.service for entry in cloud.journal.find("pod")} == {"pod3/compute"}


async def test_a_wrong_routing_heals(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod3"].nova.add_server("moved")
    routings.put("server", server.id, gateway.pod_ids["pod1"], cloud.project_id)
    assert (await gateway.get(f"/servers/{server.id}")).ok()["server"]["id"] == server.id
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]


UNKNOWN = "00000000-0000-0000-0000-00000000dead"


async def test_an_id_nobody_has_is_404(gateway: Gateway) -> None:
    answer = await gateway.get(f"/servers/{UNKNOWN}")
    assert answer.status == 404
    assert answer.message == f"Instance {UNKNOWN} could not be found."


@pytest.mark.parametrize("kind", [Kind.HANG, Kind.CUT, Kind.ERROR, Kind.GARBAGE, Kind.REDIRECT])
async def test_an_id_that_may_be_in_a_sick_pod_is_503(
    gateway: Gateway, cloud: Cloud, kind: Kind
) -> None:
    cloud.pods["pod2"].fail(kind)
    answer = await gateway.get(f"/servers/{UNKNOWN}")
    assert answer.status == 503
    assert "pod2" in answer.message
    here = cloud.pods["pod1"].nova.add_server("here")
    assert (await gateway.get(f"/servers/{here.id}")).status == 200


async def test_a_known_server_of_a_dead_pod(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("away")
    (await gateway.get(f"/servers/{server.id}")).ok()
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    for answer in (
        await gateway.get(f"/servers/{server.id}"),
        await gateway.delete(f"/servers/{server.id}"),
        await gateway.post(f"/servers/{server.id}/action", {"os-stop": None}),
    ):
        assert answer.status in (503, 504)
        assert "pod2" in answer.message
    await asyncio.to_thread(cloud.pods["pod2"].start)
    assert server.status == "ACTIVE"


@pytest.mark.parametrize("method", ["GET", "DELETE", "forceDelete"])
async def test_another_projects_server_is_404(gateway: Gateway, cloud: Cloud, method: str) -> None:
    network = cloud.central.network(cloud.project_id)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]["id"]
    if method == "forceDelete":
        body = {"forceDelete": None}
        answer = await gateway.post(f"/servers/{made}/action", body, user="other")
    else:
        answer = await gateway.call(method, f"/servers/{made}", user="other")
    assert answer.status == 404
    await settled(gateway)
    plugged(cloud)  # their 404 takes nothing from its owner
    assert routings.get("server", made) is not None
    assert (await gateway.get(f"/servers/{made}", user="admin")).status == 200
    (await gateway.delete(f"/servers/{made}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)


async def test_who_is_gone_is_gone_also_while_keystone_is_away(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only what follows the end of a server takes a token of ours."""
    server = cloud.pods["pod1"].nova.add_server("one")
    (await gateway.get(f"/servers/{server.id}")).ok(200)
    server.deleted = True
    identity = gateway.services.identity
    monkeypatch.setattr(identity, "_made", None)
    cloud.keystone.fail(Kind.ERROR)
    assert (await gateway.get(f"/servers/{server.id}")).status == 404
    central = Central(gateway.services.client, identity)
    with pytest.raises(PodUnreachable, match="cannot be asked now"):
        await central.list("ports", by=rights.PORTS_SEEN, request_id="req-1")
