# SPDX-License-Identifier: Apache-2.0
"""Servers are born with all that was asked for."""

import base64
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import Body, everywhere, make, nothing_left, settled, the_one, wanted

EVERYTHING: list[tuple[str, Body]] = [
    ("2.1", {"user_data": base64.b64encode(b"#!/bin/sh").decode()}),
    ("2.1", {"metadata": {"a": "1", "b": "ü"}}),
    ("2.1", {"adminPass": "S3cret!"}),
    ("2.1", {"accessIPv4": "192.0.2.1", "accessIPv6": "2001:db8::1"}),
    ("2.1", {"config_drive": True}),
    ("2.1", {"OS-DCF:diskConfig": "MANUAL"}),
    ("2.1", {"personality": [{"path": "/a", "contents": "YQ=="}]}),
    ("2.19", {"description": "what it is"}),
    ("2.52", {"tags": ["red", "blue"]}),
    ("2.63", {"trusted_image_certificates": ["674736e3-f25c-405c-8362-bbf991e0ce0a"]}),
    ("2.90", {"hostname": "named"}),
]


@pytest.mark.parametrize(("version", "more"), EVERYTHING, ids=lambda value: str(value)[:30])
async def test_every_field_reaches_the_pod(
    gateway: Gateway, cloud: Cloud, version: str, more: Body
) -> None:
    network = cloud.central.network(cloud.project_id)
    body = wanted(cloud, networks=[{"uuid": network["id"]}], **more)
    (await gateway.post("/servers", body, version=version)).ok(202)
    _, server = the_one(cloud)
    sent = server.request["server"]
    for name in ("name", "imageRef", "flavorRef", *more):
        assert sent[name] == body["server"][name]
    assert set(sent) - set(body["server"]) <= {"availability_zone"}
    (entry,) = cloud.journal.find("pod", "POST", "/servers$")
    assert entry.headers["OpenStack-API-Version"] == f"compute {version}"
    assert entry.headers["X-Auth-Token"] == gateway.token("member")


async def test_block_devices_and_hints_reach_the_pod(gateway: Gateway, cloud: Cloud) -> None:
    device = {
        "boot_index": 0,
        "uuid": cloud.image_id,
        "source_type": "image",
        "destination_type": "local",
        "delete_on_termination": True,
        "tag": "root",
    }
    body = wanted(cloud, networks="none", block_device_mapping_v2=[device])
    body["os:scheduler_hints"] = {"query": '[">=", "$free_ram_mb", 1]', "custom": ["a"]}
    (await gateway.post("/servers", body, version="2.90")).ok(202)
    _, server = the_one(cloud)
    assert server.request["server"]["block_device_mapping_v2"] == [device]
    assert server.request["os:scheduler_hints"] == body["os:scheduler_hints"]


async def test_the_answer_is_the_pods(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, networks="none", adminPass="S3cret!")
    made = answer.ok(202)["server"]
    assert set(made) == {"id", "links", "OS-DCF:diskConfig", "security_groups", "adminPass"}
    assert made["adminPass"] == "S3cret!"
    assert answer.headers["Location"] == f"{gateway.compute}/v2.1/servers/{made['id']}"
    for link in made["links"]:
        assert link["href"].startswith(gateway.compute)
    assert "X-Tricircle-Pod" not in answer.headers


async def test_a_body_nova_refuses_is_refused_in_its_words(gateway: Gateway, cloud: Cloud) -> None:
    for body in (
        {"server": {}},
        {"server": {"name": "", "flavorRef": "1", "imageRef": cloud.image_id, "networks": "none"}},
        {"nothing": {}},
        wanted(cloud, networks="something"),
        wanted(cloud, networks=[{"uuid": "no-uuid"}]),
        wanted(cloud, networks="none", min_count=3, max_count=2),
        wanted(cloud),  # networks are required since 2.37
    ):
        answer = await gateway.post("/servers", body, version="2.90")
        assert answer.status == 400, body
        assert answer.json["badRequest"]["code"] == 400
    answer = await gateway.post("/servers", b"{not json", version="2.90")
    assert answer.status == 400
    assert not any(everywhere(cloud).values())


@pytest.mark.parametrize("network", ["none", "id"])
async def test_several_at_once(gateway: Gateway, cloud: Cloud, network: str) -> None:
    net = cloud.central.network(cloud.project_id)
    nics: Any = "none" if network == "none" else [{"uuid": net["id"]}]
    answer = await make(gateway, networks=nics, min_count=2, max_count=3, availability_zone="az1")
    first = answer.ok(202)["server"]["id"]
    await settled(gateway)
    made = [server for servers in everywhere(cloud).values() for server in servers]
    assert sorted(server.name for server in made) == ["one-1", "one-2", "one-3"]
    assert first in {server.id for server in made}
    assert len(cloud.central.ports()) == (0 if network == "none" else 3)
    listed = (await gateway.get("/servers")).ok()["servers"]
    assert len(listed) == 3


async def test_fewer_than_the_least_is_none(gateway: Gateway, cloud: Cloud) -> None:
    network = cloud.central.network(cloud.project_id)
    cloud.pods["pod2"].nova.quotas["instances"] = 1
    answer = await make(
        gateway, networks=[{"uuid": network["id"]}], min_count=2, availability_zone="az2"
    )
    assert answer.status == 403
    await settled(gateway)
    nothing_left(cloud)
