# SPDX-License-Identifier: Apache-2.0
"""What the gateway reads of POST /servers, and what it leaves alone."""

from typing import Any

import pytest

from tricircle.gateway.compute.server_request import (
    AUTO,
    NONE,
    NetworkWish,
    RefusedByNova,
    parse,
    toward_pod,
)
from tricircle.gateway.http.errors import Fault
from tricircle.scheduling.zones import Zone

NET = "11111111-1111-4111-8111-111111111111"
PORT = "22222222-2222-4222-8222-222222222222"


def body(**server: Any) -> dict[str, Any]:
    return {"server": {"name": "s", "flavorRef": "1", "imageRef": NET, **server}}


@pytest.mark.parametrize(
    ("networks", "version", "wanted"),
    [
        (None, (2, 1), None),
        ([], (2, 1), None),
        ([], (2, 37), None),
        ("auto", (2, 37), AUTO),
        ("none", (2, 37), NONE),
        ([{"uuid": NET}], (2, 1), (NetworkWish(NET),)),
        ([{"port": PORT, "tag": "t"}], (2, 42), (NetworkWish(None, PORT, None, "t"),)),
        ([{"uuid": NET, "port": PORT}], (2, 1), (NetworkWish(None, PORT),)),
        ([{"uuid": NET, "fixed_ip": "10.0.0.9"}], (2, 1), (NetworkWish(NET, None, "10.0.0.9"),)),
        ([{"uuid": NET, "port": None}], (2, 1), (NetworkWish(NET),)),
    ],
)
def test_networks_are_read_in_every_form(
    networks: Any, version: tuple[int, int], wanted: Any
) -> None:
    given = {} if networks is None else {"networks": networks}
    assert parse(body(**given), version).networks == wanted


@pytest.mark.parametrize(
    ("document", "version"),
    [
        ([], (2, 1)),
        ({}, (2, 1)),
        ({"server": []}, (2, 1)),
        ({"server": {"flavorRef": "1"}}, (2, 1)),
        (body(name=3), (2, 1)),
        (body(networks="auto"), (2, 36)),
        (body(), (2, 37)),
        (body(networks=[{"uuid": "no uuid"}]), (2, 1)),
        (body(networks=[{}]), (2, 1)),
        (body(networks=[{"uuid": NET, "colour": 1}]), (2, 1)),
        (body(networks=[{"port": PORT}, {"port": PORT}]), (2, 1)),
        (body(networks=[{"port": PORT, "fixed_ip": "10.0.0.9"}]), (2, 1)),
        (body(min_count=2, max_count=1), (2, 1)),
        (body(min_count=0), (2, 1)),
        (body(min_count="many"), (2, 1)),
        (body(min_count=2.5), (2, 1)),
        (body(max_count=2.5), (2, 1)),
        (body(max_count=float("inf")), (2, 1)),
        (body(max_count=True), (2, 1)),
        (body(max_count=2, hostname="h", networks=[{"uuid": NET}]), (2, 90)),
        (body(max_count=2, networks=[{"port": PORT}]), (2, 1)),
        (body(max_count=2, networks=[{"uuid": NET, "fixed_ip": "10.0.0.9"}]), (2, 1)),
        (body(security_groups=["default"]), (2, 1)),
        (body(availability_zone=7), (2, 1)),
    ],
)
def test_what_nova_refuses_by_itself_is_left_to_it(document: Any, version: tuple[int, int]) -> None:
    with pytest.raises(RefusedByNova):
        parse(document, version)


def test_a_zone_that_cannot_be_read_is_the_users_error() -> None:
    with pytest.raises(Fault, match="Unable to parse availability_zone") as caught:
        parse(body(availability_zone="a:b:c:d"), (2, 1))
    assert caught.value.status == 400


def test_security_groups_are_named_once_and_default_alone_is_none() -> None:
    def named(*names: str) -> tuple[str, ...]:
        groups = [{"name": name} for name in names]
        return parse(body(security_groups=groups), (2, 1)).security_groups

    assert named("default") == ()
    assert named("a", "b", "a") == ("a", "b")
    assert named("default", "a") == ("default", "a")


def test_what_must_be_in_the_same_pod_is_found() -> None:
    document = body(
        block_device_mapping_v2=[
            {"source_type": "volume", "uuid": "v1", "boot_index": 0},
            {"source_type": "snapshot", "uuid": "s1"},
            {"source_type": "image", "uuid": "i1"},
            {"volume_id": "v2"},
        ],
        block_device_mapping=[{"volume_id": "v3"}, {"snapshot_id": "s2"}],
    )
    document["os:scheduler_hints"] = {"same_host": ["x1", "x2"]}
    assert set(parse(document, (2, 1)).needs) == {
        ("volume", "v1"),
        ("volume", "v2"),
        ("volume", "v3"),
        ("snapshot", "s1"),
        ("snapshot", "s2"),
        ("server", "x1"),
        ("server", "x2"),
    }


def test_one_of_many_is_named_as_nova_names_it() -> None:
    wanted = parse(
        body(min_count="2", max_count=3, return_reservation_id="true", key_name="k"), (2, 1)
    )
    assert (wanted.min_count, wanted.max_count, wanted.wants_reservation) == (2, 3, True)
    third = wanted.one_of_many(2)
    assert third.server == {"name": "s-3", "flavorRef": "1", "imageRef": NET, "key_name": "k"}
    assert wanted.server["name"] == "s"


def test_only_what_differs_in_a_pod_is_changed() -> None:
    document = body(
        user_data="aGk=",
        personality=[{"path": "/x", "contents": ""}],
        metadata={"a": "b"},
        config_drive=True,
        tags=["t"],
        availability_zone="az1",
        security_groups=[{"name": "mine"}],
        networks=[{"uuid": NET}],
        **{"OS-DCF:diskConfig": "AUTO"},
    )
    document["os:scheduler_hints"] = {"group": NET, "query": "[]"}
    wanted = parse(document, (2, 52))
    assert wanted.group == NET
    sent, version = toward_pod(wanted, "inside", [{"port": PORT}], (2, 52), "g")
    assert version == (2, 52)
    expected = {k: v for k, v in document["server"].items() if k != "security_groups"}
    expected |= {"availability_zone": "inside", "networks": [{"port": PORT}]}
    assert sent == {"server": expected, "os:scheduler_hints": {"group": "g", "query": "[]"}}
    assert document["os:scheduler_hints"]["group"] == NET


def test_no_zone_is_named_to_a_pod_that_has_none() -> None:
    wanted = parse(body(availability_zone="az1", networks="none"), (2, 50))
    sent, _ = toward_pod(wanted, None, [], (2, 50))
    assert "availability_zone" not in sent["server"]


def test_no_nic_is_said_at_a_microversion_that_knows_the_word() -> None:
    """Older, Nova would attach the one network that the pod has for the project."""
    wanted = parse(body(), (2, 1))
    sent, version = toward_pod(wanted, None, [], (2, 1))
    assert version == (2, 37)
    assert sent["server"]["networks"] == "none"
    # From 2.19 on the name is no description any more; the client's version says it is.
    assert sent["server"]["description"] == "s"
    _, newer = toward_pod(parse(body(networks="none"), (2, 60)), Zone("x").name, [], (2, 60))
    assert newer == (2, 60)
