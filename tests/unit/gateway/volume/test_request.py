# SPDX-License-Identifier: Apache-2.0
"""What the gateway reads of a create of a volume or group, and what it leaves alone."""

import dataclasses
from typing import Any, cast

import pytest

from tricircle.gateway.volume.request import RefusedByCinder, parse
from tricircle.pods.pod import Pod

A, B = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
HINTS = "OS-SCH-HNT:scheduler_hints"


@dataclasses.dataclass
class Zoned:
    pod_availability_zone: str


def body(**volume: Any) -> dict[str, Any]:
    return {"volume": {"name": "v", "size": 1, **volume}}


@pytest.mark.parametrize(
    ("wanted", "needs"),
    [
        (body(), ()),
        (body(source_volid=A), (("volume", A),)),
        (body(snapshot_id=A, group_id=B), (("snapshot", A), ("group", B))),
        (body(backup_id=A), (("backup", A),)),
        (body(consistencygroup_id=A), (("group", A),)),
        (body(source_volid=None, snapshot_id=""), ()),
        (body(source_volid=7), ()),
        ({**body(), HINTS: {"local_to_instance": A}}, (("server", A),)),
        ({**body(), HINTS: {"same_host": [A, B, A]}}, (("volume", A), ("volume", B))),
        ({**body(), HINTS: {"different_host": [A]}}, ()),
        ({**body(), HINTS: "nonsense"}, ()),
        (body(scheduler_hints={"same_host": A}, source_volid=A), (("volume", A),)),
    ],
)
def test_what_must_be_in_the_same_pod(wanted: Any, needs: Any) -> None:
    assert parse(wanted, "volume").needs == needs


@pytest.mark.parametrize(
    "wanted",
    [None, [], "volume", {}, {"volume": []}, {"group": {}}, body(availability_zone=7),
     body(availability_zone=["az1"])],
)  # fmt: skip
def test_what_cinder_refuses_itself(wanted: Any) -> None:
    with pytest.raises(RefusedByCinder):
        parse(wanted, "volume")


@pytest.mark.parametrize(
    ("names", "name"),
    [({"name": " a "}, "a"), ({"display_name": "b"}, "b"), ({"name": None}, None), ({}, None)],
)
def test_the_name(names: dict[str, Any], name: str | None) -> None:
    assert parse({"volume": {"size": 1, **names}}, "volume").name == name


@pytest.mark.parametrize(
    ("wanted", "zone", "sent"),
    [
        (body(availability_zone="az1"), "nova", body(availability_zone="nova")),
        (body(), "nova", body(availability_zone="nova")),
        (body(availability_zone="az1"), "", body()),
        (body(availability_zone=None), "", body()),
    ],
)
def test_toward_a_pod(wanted: Any, zone: str, sent: Any) -> None:
    before = {**wanted, "volume": dict(wanted["volume"])}
    assert parse(wanted, "volume").toward(cast(Pod, Zoned(zone))) == sent
    assert wanted == before


def test_hints_stay() -> None:
    wanted = {**body(), HINTS: {"same_host": A}}
    assert parse(wanted, "volume").toward(cast(Pod, Zoned("")))[HINTS] == {"same_host": A}
