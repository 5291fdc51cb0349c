# SPDX-License-Identifier: Apache-2.0
"""Several servers by one request: their ports are made together, a failure leaves nothing."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import Refusal
from tests.functional.fakes.neutron import Object
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import everywhere, make, nothing_left, settled
from tests.waiting import eventually
from tricircle.gateway.compute.servers import multiple_creation
from tricircle.pods.rest import PodServices
from tricircle.xjob.operations import Operations


@pytest.fixture
def network(cloud: Cloud) -> Object:
    """A network that a server was on, so that its copies are in the pods."""
    return cloud.central.network(cloud.project_id, cidr="10.0.0.0/20")


def _posts(cloud: Cloud, service: str) -> list[int]:
    """How many ports each POST was about."""
    calls = cloud.journal.find(service, "POST", "/ports$")
    return [len(call.json.get("ports", [None])) for call in calls]


async def _used(gateway: Gateway) -> int:
    limits = (await gateway.get("/limits")).ok()["limits"]["absolute"]
    return int(limits["totalInstancesUsed"])


async def _look(gateway: Gateway) -> None:
    """What xjob does about what is left open."""
    worker = Operations(gateway.services.registry, PodServices(gateway.services.identity))
    await asyncio.to_thread(worker.run, -60)
    await settled(gateway)


def _plugged(cloud: Cloud, region: str, number: int) -> None:
    """So many servers in the pod, each with a port of its own and no other."""
    servers = cloud.pods[region].nova.live()
    assert len(servers) == number
    for server in servers:
        (port,) = cloud.central.ports(device_id=server.id)
        (inside,) = cloud.pods[region].neutron.ports(device_id=server.id)
        assert port["binding:vif_details"]["pod_port_id"] == inside["id"]
        assert port["project_id"] == cloud.project_id
    assert len(cloud.pods[region].neutron.ports()) == number


async def test_their_ports_are_made_by_one_call(
    gateway: Gateway, cloud: Cloud, network: Object
) -> None:
    nics = [{"uuid": network["id"]}]
    (await make(gateway, networks=nics, min_count=8, availability_zone="az2")).ok(202)
    await settled(gateway)
    _plugged(cloud, "pod2", 8)
    # The first shows that they may have them; its port is bound by itself.
    assert _posts(cloud, "central/network") == [1, 7]
    assert _posts(cloud, "pod2/network") == [1, 7]
    written = [call.json["port"] for call in cloud.journal.find("central/network", "PUT")]
    assert [body for body in written if "binding:host_id" in body] == [{"binding:host_id": "pod2"}]
    first, others = cloud.journal.find("central/network", "POST", "/ports$")
    assert first.headers["X-Auth-Token"] == gateway.token("member")
    for body in others.json["ports"]:
        ours = ("device_id", "project_id", "binding:host_id")
        like = {**first.json["port"], **{name: body[name] for name in ours}}
        assert (body, body["project_id"]) == (like, cloud.project_id)


async def test_many_are_made_some_at_a_time(
    gateway: Gateway, cloud: Cloud, network: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiple_creation, "_TOGETHER", 4)
    other = cloud.central.network(cloud.project_id, cidr="10.1.0.0/24")
    nics = [{"uuid": network["id"]}, {"uuid": other["id"]}]
    (await make(gateway, networks=nics, min_count=6, availability_zone="az2")).ok(202)
    await settled(gateway)
    assert _posts(cloud, "central/network") == [1, 1, 4, 4, 1, 1]
    for server in cloud.pods["pod2"].nova.live():
        ports = cloud.pods["pod2"].neutron.ports(device_id=server.id)
        assert len({port["network_id"] for port in ports}) == 2
    assert len(cloud.central.ports()) == 12


async def test_no_server_is_asked_for_before_all_have_their_ports(
    gateway: Gateway, cloud: Cloud, network: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pod that builds servers makes ports slowly."""
    monkeypatch.setattr(multiple_creation, "_TOGETHER", 4)
    monkeypatch.setattr(multiple_creation, "_CALLS", 1)
    held = cloud.central.fail(Kind.HELD, "POST", "/ports$", skip=2, times=1)
    nics = [{"uuid": network["id"]}]
    making = asyncio.ensure_future(
        make(gateway, networks=nics, min_count=9, availability_zone="az2")
    )
    await eventually("the last ports are asked for", held.hit.is_set)
    (await gateway.get("/servers")).ok()
    asked = cloud.journal.find("pod2/compute", "POST", "/servers$")
    held.go.set()
    (await making).ok(202)
    await settled(gateway)
    assert (len(asked), _posts(cloud, "central/network")) == (1, [1, 4, 4])
    _plugged(cloud, "pod2", 9)


async def test_none_is_asked_for_when_too_few_have_ports(
    gateway: Gateway, cloud: Cloud, network: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(multiple_creation, "_TOGETHER", 4)
    cloud.central.fail(Kind.ERROR, "POST", "/ports$", skip=2, times=1)
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, min_count=8, max_count=9, availability_zone="az2")
    assert answer.status == 503
    await settled(gateway)
    await _look(gateway)
    assert len(cloud.journal.find("pod2/compute", "POST", "/servers$")) == 1
    nothing_left(cloud)
    assert await _used(gateway) == 0


async def test_too_few_ports_for_all(gateway: Gateway, cloud: Cloud, network: Object) -> None:
    cloud.central.quota["port"] = 3
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, min_count=2, max_count=5, availability_zone="az2")
    answer.ok(202)
    await settled(gateway)
    _plugged(cloud, "pod2", 3)
    assert await _used(gateway) == 3
    refused = await make(gateway, networks=nics, min_count=2, availability_zone="az2")
    assert (refused.status, refused.message) == (403, "Maximum number of ports exceeded")
    assert await _used(gateway) == 3
    assert len(cloud.central.ports()) == 3


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.GARBAGE_AFTER, Kind.CUT, Kind.ERROR])
async def test_the_answer_about_their_ports_is_lost(
    gateway: Gateway, cloud: Cloud, network: Object, kind: Kind
) -> None:
    cloud.central.fail(kind, "POST", "/ports$", skip=1, times=1)
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, min_count=5, availability_zone="az2")
    assert answer.status in (500, 503, 504)
    await settled(gateway)
    await _look(gateway)
    nothing_left(cloud)
    assert await _used(gateway) == 0


async def test_ports_that_come_to_be_later_are_found(
    gateway: Gateway, cloud: Cloud, network: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Central Neutron was silent and made them after all was undone."""
    late: list[Any] = []
    create = cloud.central._create

    def refuse(collection: str, values: Object, token: Any) -> Object:
        if collection == "ports" and "project_id" in values:
            late.append((values, token))
            raise Refusal(500, "the connection to its database was lost")
        return create(collection, values, token)

    monkeypatch.setattr(cloud.central, "_create", refuse)
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, min_count=3, availability_zone="az2")
    assert answer.status == 503
    for values, token in late:
        create("ports", values, token)
    assert cloud.central.ports() != []
    await settled(gateway)
    await _look(gateway)
    nothing_left(cloud)


async def test_a_port_that_the_pod_refuses(
    gateway: Gateway, cloud: Cloud, network: Object, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = cloud.pods["pod2"].neutron._create
    bad: set[str] = set()

    def refuse(collection: str, values: Object, token: Any) -> Object:
        if collection == "ports":
            if len(cloud.pods["pod2"].neutron.ports()) == 2 and not bad:
                bad.add(values["mac_address"])
            if values["mac_address"] in bad:
                raise Refusal(409, "its MAC address is in use", "MacAddressInUse")
        return create(collection, values, token)

    monkeypatch.setattr(cloud.pods["pod2"].neutron, "_create", refuse)
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, min_count=2, max_count=5, availability_zone="az2")
    answer.ok(202)
    await settled(gateway)
    assert bad
    _plugged(cloud, "pod2", 4)
    assert await _used(gateway) == 4
    assert len(cloud.central.ports()) == 4


async def test_what_one_pod_has_no_room_for_goes_to_another(
    gateway: Gateway, cloud: Cloud, network: Object
) -> None:
    cloud.pods["pod1"].nova.quotas["instances"] = 3
    cloud.pods["pod3"].nova.quotas["instances"] = 3
    nics = [{"uuid": network["id"]}]
    (await make(gateway, networks=nics, min_count=6)).ok(202)
    await settled(gateway)
    made = {region: len(servers) for region, servers in everywhere(cloud).items() if servers}
    assert sum(made.values()) == 6
    for region, number in made.items():
        _plugged(cloud, region, number)
    assert len(cloud.central.ports()) == 6


async def test_a_pod_that_stops_taking_them_leaves_nothing(
    gateway: Gateway, cloud: Cloud, network: Object
) -> None:
    cloud.pods["pod2"].nova.quotas["instances"] = 5
    nics = [{"uuid": network["id"]}]
    answer = await make(gateway, networks=nics, min_count=8, availability_zone="az2")
    assert answer.status == 403
    await settled(gateway)
    nothing_left(cloud)
    assert await _used(gateway) == 0


async def test_servers_without_ports(gateway: Gateway, cloud: Cloud) -> None:
    (await make(gateway, networks="none", min_count=5, availability_zone="az2")).ok(202)
    await settled(gateway)
    assert len(cloud.pods["pod2"].nova.live()) == 5
    assert cloud.journal.find("central/network", "POST") == []
