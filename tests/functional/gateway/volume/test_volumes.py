# SPDX-License-Identifier: Apache-2.0
"""Volumes over three pods: where they are made, and how they are found."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.volumes import Object, make, used, volumes
from tricircle.db import routings


@pytest.mark.parametrize("zone", ["az1", "az2"])
async def test_a_zone_decides(gateway: Gateway, cloud: Cloud, zone: str) -> None:
    made = (await make(gateway, availability_zone=zone)).ok(202)["volume"]
    ((region, volume),) = volumes(cloud)
    assert cloud.zones[region] == zone
    assert made["id"] == volume["id"]
    assert made["availability_zone"] == zone
    assert volume["availability_zone"] == "nova"
    shown = (await gateway.volumes.get(f"/volumes/{made['id']}")).ok(200)["volume"]
    assert (shown["availability_zone"], shown["status"]) == (zone, "available")
    row = routings.get("volume", made["id"])
    assert row is not None
    assert (row.pod_id, row.project_id) == (gateway.pod_ids[region], cloud.project_id)
    assert used(cloud) == {"volumes": 1, "gigabytes": 1, "volumes___DEFAULT__": 1,
                           "gigabytes___DEFAULT__": 1}  # fmt: skip


async def test_an_unknown_zone_is_400(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway, availability_zone="az9")
    assert (answer.status, answer.message) == (
        400, "Invalid input received: Availability zone 'az9' is invalid."
    )  # fmt: skip
    assert cloud.journal.find("pod", "POST", "/volumes") == []
    assert used(cloud) == {}


async def test_links_lead_to_us(gateway: Gateway, cloud: Cloud) -> None:
    answer = await make(gateway)
    made = answer.ok(202)["volume"]
    for pod in cloud.pods.values():
        assert pod.cinder.url not in answer.body.decode()
    for link in made["links"]:
        assert link["href"].startswith(gateway.volume)
    own = next(link["href"] for link in made["links"] if link["rel"] == "self")
    assert (await gateway.volumes.get(own, base="")).ok(200)["volume"]["id"] == made["id"]


async def test_deleted_is_forgotten(gateway: Gateway, cloud: Cloud) -> None:
    made = (await make(gateway)).ok(202)["volume"]
    (await gateway.volumes.delete(f"/volumes/{made['id']}")).ok(202)
    await gateway.idle()
    assert volumes(cloud) == []
    assert routings.get("volume", made["id"]) is None
    assert used(cloud) == {}
    assert (await gateway.volumes.get(f"/volumes/{made['id']}")).status == 404


# -- which pod a volume is made in ---------------------------------------------------------------


@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
@pytest.mark.parametrize("source", ["source_volid", "snapshot_id", "backup_id", "group_id"])
async def test_a_source_decides(gateway: Gateway, cloud: Cloud, source: str, region: str) -> None:
    cinder = cloud.pods[region].cinder
    volume = cinder.add_volume("source", size=2)
    found = {
        "source_volid": volume["id"],
        "snapshot_id": cinder.add_snapshot(volume)["id"],
        "backup_id": cinder.add_backup(volume)["id"],
        "group_id": cinder.add_group()["id"],
    }
    size = {"size": 2} if source == "group_id" else {"size": None}
    made = await make(gateway, version="3.60", **{source: found[source]}, **size)
    new = made.ok(202)["volume"]
    assert new["size"] == 2
    assert new["id"] in cinder.items["volume"]
    assert used(cloud)["gigabytes"] == 2


async def test_a_group_snapshot_decides(gateway: Gateway, cloud: Cloud) -> None:
    cinder = cloud.pods["pod2"].cinder
    snapshot = cinder.add_group_snapshot(cinder.add_group())
    body = {"create-from-src": {"name": "copy", "group_snapshot_id": snapshot["id"]}}
    made = (await gateway.volumes.post("/groups/action", body, version="3.71")).ok(202)["group"]
    assert made["id"] in cinder.items["group"]
    assert used(cloud) == {"groups": 1}


async def test_a_zone_that_is_not_the_sources_is_400(gateway: Gateway, cloud: Cloud) -> None:
    volume = cloud.pods["pod2"].cinder.add_volume("source")
    answer = await make(gateway, source_volid=volume["id"], availability_zone="az1")
    assert answer.status == 400
    for word in (volume["id"], "pod2", "az1"):
        assert word in answer.message
    assert len(volumes(cloud)) == 1
    assert used(cloud) == {}


async def test_sources_in_two_pods_are_400(gateway: Gateway, cloud: Cloud) -> None:
    first = cloud.pods["pod1"].cinder.add_volume("source")
    group = cloud.pods["pod2"].cinder.add_group()
    answer = await make(gateway, version="3.60", source_volid=first["id"], group_id=group["id"])
    assert answer.status == 400
    assert "pod1" in answer.message
    assert "pod2" in answer.message


async def test_a_source_that_is_nowhere(gateway: Gateway, cloud: Cloud) -> None:
    nowhere = "00000000-0000-0000-0000-000000000000"
    answer = await make(gateway, source_volid=nowhere)
    assert (answer.status, answer.message) == (404, f"Volume {nowhere} could not be found.")
    await asyncio.to_thread(cloud.pods["pod2"].cinder.stop)
    assert (await make(gateway, source_volid=nowhere)).status == 503


async def test_a_hinted_server_decides(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod2"].nova.add_server("there")
    body = {
        "volume": {"size": 1},
        "OS-SCH-HNT:scheduler_hints": {"local_to_instance": server.id},
    }
    (await gateway.volumes.post("/volumes", body)).ok(202)
    assert [region for region, _ in volumes(cloud)] == ["pod2"]
    # Whoever asks where something is, for whatever service, has it written down.
    row = routings.get("server", server.id)
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod2"]


@pytest.mark.parametrize("how", ["error", "quota", "stopped", "no type", "no zone"])
async def test_the_next_pod_is_tried(gateway: Gateway, cloud: Cloud, how: str) -> None:
    more: Object = {}
    first = (await make(gateway, availability_zone="az1")).ok(202)["volume"]
    ((region, _),) = volumes(cloud)
    (await gateway.volumes.delete(f"/volumes/{first['id']}")).ok(202)
    await gateway.idle()
    cinder, other = cloud.pods[region].cinder, {"pod1": "pod3", "pod3": "pod1"}[region]
    if how == "error":
        cinder.fail(Kind.ERROR, "POST", "/volumes$")
    elif how == "quota":
        cinder.quotas["volumes"] = 0
    elif how == "stopped":
        await asyncio.to_thread(cinder.stop)
    elif how == "no zone":
        await gateway.set_pod(region, pod_availability_zone="of-another-name")
    else:
        cloud.pods[other].cinder.add_type("fast")
        more["volume_type"] = "fast"
    (await make(gateway, availability_zone="az1", **more)).ok(202)
    assert [region for region, _ in volumes(cloud)] == [other]
    assert used(cloud)["volumes"] == 1


async def test_no_pod_takes_it(gateway: Gateway, cloud: Cloud) -> None:
    for pod in cloud.pods.values():
        pod.cinder.quotas["volumes"] = 0
    answer = await make(gateway)
    assert answer.status == 413
    assert used(cloud) == {}
    for pod in cloud.pods.values():
        await asyncio.to_thread(pod.cinder.stop)
    assert (await make(gateway)).status == 503
    assert used(cloud) == {}


@pytest.mark.parametrize(
    "body",
    [
        {"volume": {"name": "no size"}},
        {"volume": {"size": 0}},
        {"volume": {"size": "many"}},
        {"volume": []},
        {"nothing": {}},
        {"volume": {"size": 1, "volume_type": "nonsense"}},
        {"volume": {"size": 1, "availability_zone": 7}},
    ],
)
async def test_what_cinder_refuses(gateway: Gateway, cloud: Cloud, body: Object) -> None:
    answer = await gateway.volumes.post("/volumes", body)
    theirs = await gateway.volumes.post(
        "/volumes", body, base=f"{cloud.pods['pod1'].cinder.url}/v3"
    )
    assert 400 <= theirs.status < 500
    assert (answer.status, answer.message) == (theirs.status, theirs.message)
    assert volumes(cloud) == []
    assert used(cloud) == {}


async def test_readers_make_nothing(gateway: Gateway, cloud: Cloud) -> None:
    assert (await make(gateway, user="reader")).status == 403
    assert used(cloud) == {}


# -- what lives in one pod -----------------------------------------------------------------------


async def test_a_lost_routing_is_healed(gateway: Gateway, cloud: Cloud) -> None:
    volume = cloud.pods["pod2"].cinder.add_volume("one")
    body = {"volume": {"name": "other"}}
    (await gateway.volumes.put(f"/volumes/{volume['id']}", body)).ok(200)
    assert volume["name"] == "other"
    row = routings.get("volume", volume["id"])
    assert row is not None
    assert (row.pod_id, row.project_id) == (gateway.pod_ids["pod2"], cloud.project_id)
    # It is moved, and the routing is wrong.
    cloud.pods["pod3"].cinder.items["volume"][volume["id"]] = volume
    cloud.pods["pod3"].cinder.types |= cloud.pods["pod2"].cinder.types
    del cloud.pods["pod2"].cinder.items["volume"][volume["id"]]
    shown = (await gateway.volumes.get(f"/volumes/{volume['id']}")).ok(200)["volume"]
    assert shown["availability_zone"] == "az1"
    row = routings.get("volume", volume["id"])
    assert row is not None
    assert row.pod_id == gateway.pod_ids["pod3"]


async def test_the_owner_is_learned_not_the_asker(gateway: Gateway, cloud: Cloud) -> None:
    cinder = cloud.pods["pod2"].cinder
    volume = cinder.add_volume("one")
    snapshot, backup, group = cinder.add_snapshot(volume), cinder.add_backup(volume), None
    group = cinder.add_group()
    for kind, item in (("volume", volume), ("snapshot", snapshot), ("backup", backup),
                       ("group", group)):  # fmt: skip
        path = f"/{kind}s/{item['id']}"
        (await gateway.volumes.get(path, user="admin", version="3.71")).ok(200)
        row = routings.get(kind, item["id"])
        assert row is not None
        assert row.project_id == cloud.project_id, kind


ONE = ["volume", "snapshot", "backup", "group", "group_snapshot", "message", "transfer",
       "attachment"]  # fmt: skip
PATHS = {"transfer": "/os-volume-transfer"}


@pytest.mark.parametrize("kind", ONE)
async def test_never_a_false_404(gateway: Gateway, cloud: Cloud, kind: str) -> None:
    """While the pod that may have it is away it is 503, for what is known and what is not."""
    cinder = cloud.pods["pod2"].cinder
    volume = cinder.add_volume("one")
    group = cinder.add_group()
    made = {
        "volume": lambda: volume,
        "snapshot": lambda: cinder.add_snapshot(volume),
        "backup": lambda: cinder.add_backup(volume),
        "group": lambda: group,
        "group_snapshot": lambda: cinder.add_group_snapshot(group),
        "message": cinder.add_message,
        "attachment": lambda: cinder.add_attachment(volume, "server"),
        "transfer": lambda: cinder.put(
            "transfer", *cinder.owner("member"), volume_id=volume["id"], no_snapshots=True
        ),
    }[kind]
    known, unknown = made(), made()
    base = PATHS.get(kind, f"/{kind}s")
    (await gateway.volumes.get(f"{base}/{known['id']}", version="3.71")).ok(200)
    await asyncio.to_thread(cinder.stop)
    for one in (known, unknown):
        answer = await gateway.volumes.get(f"{base}/{one['id']}", version="3.71")
        assert answer.status == 503, answer.body
        assert "pod2" in answer.message
    await asyncio.to_thread(cinder.start)
    gateway.close_breakers()
    nowhere = "00000000-0000-0000-0000-000000000000"
    ours = await gateway.volumes.get(f"{base}/{nowhere}", version="3.71")
    theirs = await gateway.volumes.get(f"{base}/{nowhere}", version="3.71", base=f"{cinder.url}/v3")
    assert (ours.status, ours.message) == (404, theirs.message)


async def test_other_projects_see_nothing(gateway: Gateway, cloud: Cloud) -> None:
    volume = cloud.pods["pod2"].cinder.add_volume("mine")
    assert (await gateway.volumes.get(f"/volumes/{volume['id']}")).status == 200
    path = f"/volumes/{volume['id']}"
    assert (await gateway.volumes.get(path, user="other")).status == 404
    assert (await gateway.volumes.delete(path, user="other")).status == 404
    assert routings.get("volume", volume["id"]) is not None
    assert (await gateway.volumes.get(path)).status == 200


async def test_metadata_and_actions(gateway: Gateway, cloud: Cloud) -> None:
    volume = (await make(gateway, availability_zone="az2")).ok(202)["volume"]
    path = f"/volumes/{volume['id']}"
    wanted = {"metadata": {"a": "1"}}
    assert (await gateway.volumes.post(f"{path}/metadata", wanted)).ok(200) == wanted
    assert (await gateway.volumes.get(f"{path}/metadata")).ok(200) == wanted
    (await gateway.volumes.delete(f"{path}/metadata/a")).ok(200)
    assert (await gateway.volumes.delete(f"{path}/metadata/a")).status == 404
    body = {"os-reset_status": {"status": "error"}}
    assert (await gateway.volumes.post(f"{path}/action", body)).status == 403
    (await gateway.volumes.post(f"{path}/action", body, user="admin")).ok(202)
    assert (await gateway.volumes.get(path)).ok()["volume"]["status"] == "error"
    (await gateway.volumes.post(f"{path}/action", {"os-force_delete": {}}, user="admin")).ok(202)
    await gateway.idle()
    assert volumes(cloud) == []
    assert used(cloud) == {}
