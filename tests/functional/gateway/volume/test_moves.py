# SPDX-License-Identifier: Apache-2.0
"""Whole moves of volumes: they arrive, or it is as if nothing had been.

Whatever becomes of the old pod meanwhile, a volume that was read is not lost.
"""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.volume_moves import LIKE, begin, forget, go_on, idle, left_over, step
from tests.functional.volumes import used, volumes
from tricircle.db import definitions, moves
from tricircle.gateway.transport import id_translation

GONE = "The pod it was in is no pod any more."


def like(volume: dict[str, Any]) -> dict[str, Any]:
    return {name: volume[name] for name in LIKE}


def there(cloud: Cloud, region: str) -> dict[str, Any]:
    """The one volume there is, which is in this pod, and nothing of a move."""
    assert left_over(cloud) == []
    ((found, volume),) = volumes(cloud)
    assert found == region
    assert volume["project_id"] == cloud.project_id
    return volume


async def test_a_volume_moves_and_keeps_its_id(gateway: Gateway, cloud: Cloud) -> None:
    volume = cloud.pods["pod1"].cinder.add_volume(**LIKE, readonly=True)
    path = f"/volumes/{volume['id']}"
    body = {"move": {"availability_zone": "az2"}}
    (await gateway.manage("POST", f"{path}/move", body)).ok(202)
    refused = await gateway.volumes.delete(path)
    assert refused.status == 409
    assert "pod2" in refused.message
    await go_on(gateway, volume["id"], "removing")
    # Whoever knew it in its old pod asks there first, and is told where it is.
    shown = (await gateway.volumes.get(path)).ok(200)["volume"]
    await go_on(gateway, volume["id"])
    shown = (await gateway.volumes.get(path)).ok(200)["volume"]
    told = (shown["id"], shown["name"], shown["availability_zone"], shown["bootable"])
    assert told == (volume["id"], "one", "az2", "true")
    assert shown["metadata"] == {"colour": "blue", "readonly": "True"}
    new = there(cloud, "pod2")
    assert like(new) == LIKE
    assert new["id"] != volume["id"]
    assert used(cloud) == {"volumes": 1, "gigabytes": 2, **typed(shown)}
    move = (await gateway.manage("GET", f"{path}/move")).ok(200)["move"]
    assert (move["state"], move["from"], move["to"]) == ("done", "pod1", "pod2")
    assert idle(gateway)


def typed(shown: dict[str, Any]) -> dict[str, int]:
    kind = shown["volume_type"]
    return {f"volumes_{kind}": 1, f"gigabytes_{kind}": shown["size"]}


@pytest.mark.parametrize("readonly", [None, True])
async def test_what_was_copied_wrongly_is_not_handed_over(
    gateway: Gateway, cloud: Cloud, readonly: bool | None
) -> None:
    volume_id = await begin(gateway, readonly=readonly)
    await go_on(gateway, volume_id, "verifying")
    old = cloud.pods["pod1"].cinder.items["volume"][volume_id]
    assert old["readonly"]
    (copy,) = cloud.pods["pod2"].cinder.items["volume"].values()
    copy["content"] = "lettres"
    found = await go_on(gateway, volume_id)
    assert (found.state, found.reason) == (
        moves.UNDONE, "What was copied is not what was read; nothing is changed."
    )  # fmt: skip
    assert like(there(cloud, "pod1")) == LIKE
    assert old["readonly"] is bool(readonly)
    assert definitions.names((moves.KIND,)) == {}
    assert idle(gateway)


@pytest.mark.parametrize("state", moves.REVOCABLE)
async def test_what_is_called_off_leaves_nothing(
    gateway: Gateway, cloud: Cloud, state: str
) -> None:
    volume_id = await begin(gateway)
    await go_on(gateway, volume_id, state)
    (await gateway.manage("DELETE", f"/volumes/{volume_id}/move")).ok(202)
    assert (await go_on(gateway, volume_id)).state == moves.UNDONE
    assert not there(cloud, "pod1")["readonly"]
    assert idle(gateway)
    # And it may be moved after all.
    (await gateway.manage("POST", f"/volumes/{volume_id}/move",
                          {"move": {"region_name": "pod2"}})).ok(202)  # fmt: skip
    assert (await go_on(gateway, volume_id)).state == "done"
    assert like(there(cloud, "pod2")) == LIKE


@pytest.mark.parametrize("state", ["preparing", "uploading", "saving"])
async def test_a_volume_that_was_not_read_is_lost_with_its_pod(
    gateway: Gateway, cloud: Cloud, state: str
) -> None:
    volume_id = await begin(gateway)
    if state == "saving":
        await go_on(gateway, volume_id, "uploading")
        while len(cloud.images) == 1:
            await step(gateway, volume_id)
    else:
        await go_on(gateway, volume_id, state)
    await forget(gateway)
    found = await go_on(gateway, volume_id)
    assert (found.state, found.reason) == (moves.UNDONE, GONE)
    assert volumes(cloud) == left_over(cloud) == []
    assert used(cloud) == {}
    assert idle(gateway)
    # Nothing is to be looked for under another id, and nobody is kept from it.
    assert definitions.names((moves.KIND,)) == {}
    assert moves.under_way(volume_id) is None


@pytest.mark.parametrize("state", ["copying", "verifying", "handing over", "removing"])
async def test_a_volume_that_was_read_outlives_its_pod(
    gateway: Gateway, cloud: Cloud, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # However old what the gateway remembers of its ids.
    monkeypatch.setattr("tricircle.gateway.transport.id_translation._BELIEVED", 60.0)
    volume_id = await begin(gateway)
    path = f"/volumes/{volume_id}"
    (await gateway.volumes.get(path)).ok(200)
    await go_on(gateway, volume_id, state)
    await forget(gateway)
    assert (await go_on(gateway, volume_id)).state == "done"
    assert like(there(cloud, "pod2")) == LIKE
    shown = (await gateway.volumes.get(path)).ok(200)["volume"]
    assert (shown["id"], shown["name"]) == (volume_id, "one")
    assert used(cloud) == {"volumes": 1, "gigabytes": 2, **typed(shown)}
    assert idle(gateway)
    (await gateway.volumes.delete(path)).ok(202)
    await gateway.idle()
    assert used(cloud) == {}


@pytest.mark.parametrize("gone", [False, True])
async def test_what_is_only_in_the_image_is_copied_until_it_is_right(
    gateway: Gateway, cloud: Cloud, gone: bool
) -> None:
    volume_id = await begin(gateway)
    await go_on(gateway, volume_id, "verifying")
    await forget(gateway)
    copies = cloud.pods["pod2"].cinder.items["volume"]
    (copy,) = copies.values()
    if gone:
        copies.clear()
    else:
        copy["content"] = "lettres"
    assert (await go_on(gateway, volume_id)).state == "done"
    assert like(there(cloud, "pod2")) == LIKE


async def test_what_is_being_undone_is_undone_without_the_pod(
    gateway: Gateway, cloud: Cloud
) -> None:
    volume_id = await begin(gateway)
    await go_on(gateway, volume_id, "verifying")
    (await gateway.manage("DELETE", f"/volumes/{volume_id}/move")).ok(202)
    await forget(gateway)
    assert (await go_on(gateway, volume_id)).state == moves.UNDONE
    assert volumes(cloud) == left_over(cloud) == []


KINDS = [Kind.CUT, Kind.CUT_AFTER, Kind.ERROR, Kind.GARBAGE_AFTER]


@pytest.mark.parametrize("lost", [False, True])
@pytest.mark.parametrize("kind", KINDS)
async def test_it_arrives_though_every_call_goes_wrong_once(
    gateway: Gateway, cloud: Cloud, kind: Kind, lost: bool
) -> None:
    volume_id = await begin(gateway)
    fault = cloud.fail_each_once(kind)
    for state in moves.STATES[1:]:
        await go_on(gateway, volume_id, state)
        if lost and state == "copying":
            await forget(gateway)
        fault.forget()
    assert fault.struck > 20
    assert (await go_on(gateway, volume_id)).state == "done"
    assert like(there(cloud, "pod2")) == LIKE
    assert definitions.names((moves.KIND,), gateway.pod_ids["pod2"])
    assert idle(gateway)


@pytest.mark.parametrize("state", ["uploading", "verifying"])
@pytest.mark.parametrize("kind", KINDS)
async def test_it_is_undone_though_every_call_goes_wrong_once(
    gateway: Gateway, cloud: Cloud, kind: Kind, state: str
) -> None:
    volume_id = await begin(gateway)
    fault = cloud.fail_each_once(kind)
    await go_on(gateway, volume_id, state)
    await asyncio.to_thread(moves.call_off, volume_id, "It was called off.")
    fault.forget()
    assert (await go_on(gateway, volume_id)).state == moves.UNDONE
    assert not there(cloud, "pod1")["readonly"]
    assert idle(gateway)


@pytest.mark.parametrize("knows_where", [False, True])
async def test_who_knows_it_as_it_was_learns_better(
    gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch, knows_where: bool
) -> None:
    """A gateway that read what it is called, and where it is or not, just before it arrived."""
    volume_id = await begin(gateway)
    await go_on(gateway, volume_id, "handing over")
    path = f"/volumes/{volume_id}"
    monkeypatch.setattr(id_translation, "_BELIEVED", 60)
    (await gateway.volumes.get(path)).ok(200)
    await go_on(gateway, volume_id)
    if not knows_where:
        gateway.services.routings.drop("volume", volume_id)
    shown = await gateway.volumes.get(path)
    assert definitions.names((moves.KIND,), gateway.pod_ids["pod2"])
    assert shown.ok(200)["volume"]["id"] == volume_id


async def test_what_is_called_off_while_it_is_made_readonly_is_writable(
    gateway: Gateway, cloud: Cloud
) -> None:
    volume_id = await begin(gateway)
    cloud.pods["pod1"].cinder.fail(Kind.CUT_AFTER, "POST", "action$")
    old = cloud.pods["pod1"].cinder.items["volume"][volume_id]
    for _ in range(2):
        await step(gateway, volume_id)
    assert old["readonly"]
    cloud.heal()
    await asyncio.to_thread(moves.call_off, volume_id, "It was called off.")
    assert (await go_on(gateway, volume_id)).state == moves.UNDONE
    assert not there(cloud, "pod1")["readonly"]


@pytest.mark.parametrize("state", ["preparing", "uploading"])
async def test_what_is_deleted_behind_our_back_is_on_its_way_no_more(
    gateway: Gateway, cloud: Cloud, state: str
) -> None:
    volume_id = await begin(gateway)
    (await gateway.volumes.get(f"/volumes/{volume_id}")).ok(200)
    await go_on(gateway, volume_id, state)
    await step(gateway, volume_id)
    cloud.pods["pod1"].cinder.end_volume(volume_id)
    assert (await gateway.volumes.get(f"/volumes/{volume_id}")).status == 404
    assert (await go_on(gateway, volume_id)).state == moves.UNDONE
    assert volumes(cloud) == left_over(cloud) == []
    assert (await gateway.volumes.get(f"/volumes/{volume_id}")).status == 404
    assert idle(gateway)


async def test_the_service_user_is_a_member_no_longer_than_needed(
    gateway: Gateway, cloud: Cloud
) -> None:
    volume_id = await begin(gateway)
    fault = cloud.keystone.fail(Kind.ERROR, "DELETE", "/roles/", times=1)
    assert (await go_on(gateway, volume_id)).state == "done"
    assert fault.struck == 1
    assert left_over(cloud) == []


async def test_who_was_a_member_stays_one(gateway: Gateway, cloud: Cloud) -> None:
    service = cloud.keystone.users["tricircle"].id
    volume_id = await begin(gateway)
    cloud.keystone.user("tricircle", "demo", "member")
    assert (await go_on(gateway, volume_id)).state == "done"
    assert cloud.keystone.grants[service, cloud.project_id] == ("member",)
