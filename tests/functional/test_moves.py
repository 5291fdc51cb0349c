# SPDX-License-Identifier: Apache-2.0
"""Moves of volumes whose old pod is no pod any more."""

import asyncio

import pytest

from tests.functional.bed import Gateway
from tests.functional.fakes.cloud import Cloud
from tricircle.db import definitions, moves, pods
from tricircle.db.models import VolumeMove
from tricircle.xjob.moves import Moves


async def forgotten(gateway: Gateway, cloud: Cloud, state: str, detail: dict[str, str]) -> str:
    """A move that got so far, and then its old pod was forgotten; the volume's id."""
    volume = cloud.pods["pod1"].cinder.add_volume("one")
    volume_id, source, target = volume["id"], gateway.pod_ids["pod1"], gateway.pod_ids["pod2"]

    def change() -> None:
        moves.begin(volume_id, volume["project_id"], source, target)
        moves.save(volume_id, state, detail)
        if "inside" in detail and state == "removing":
            moves.arrive(volume_id, target, detail["inside"])
        pods.delete(source, force=True)

    await asyncio.to_thread(change)
    await gateway.refresh()
    return str(volume_id)


async def worked(gateway: Gateway, volume_id: str) -> VolumeMove:
    """The move after xjob had to do with it for a while."""
    services = gateway.services
    (pod,) = [one for one in services.registry.all() if one.region_name == "pod2"]
    work = Moves(services.identity, services.registry)
    for _ in range(5):
        await asyncio.to_thread(work.run, pod)
    found = moves.get(volume_id)
    assert found is not None
    assert await asyncio.to_thread(work.run, pod) == 0
    return found


@pytest.mark.parametrize("state", ["preparing", "uploading", "copying", "verifying"])
async def test_what_was_on_its_way_is_called_off(
    gateway: Gateway, cloud: Cloud, state: str
) -> None:
    volume_id = await forgotten(gateway, cloud, state, {})
    found = await worked(gateway, volume_id)
    assert (found.state, found.reason) == (moves.UNDONE, "The pod it was in is no pod any more.")
    # Nothing is to be looked for under another id, and it may be moved again.
    assert definitions.names((moves.KIND,)) == {}
    assert moves.under_way(volume_id) is None


async def test_what_was_being_undone_is_undone(gateway: Gateway, cloud: Cloud) -> None:
    volume_id = await forgotten(gateway, cloud, moves.UNDOING, {})
    assert (await worked(gateway, volume_id)).state == moves.UNDONE


async def test_what_had_arrived_is_there(gateway: Gateway, cloud: Cloud) -> None:
    new = cloud.pods["pod2"].cinder.add_volume("one")
    volume_id = await forgotten(gateway, cloud, "removing", {"inside": new["id"]})
    assert (await worked(gateway, volume_id)).state == "done"
    shown = (await gateway.volumes.get(f"/volumes/{volume_id}")).ok(200)["volume"]
    assert (shown["id"], shown["name"]) == (volume_id, "one")
