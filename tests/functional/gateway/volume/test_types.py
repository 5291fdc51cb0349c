# SPDX-License-Identifier: Apache-2.0
"""Volume types, group types, QoS specs, default types: one for users, each pod with its own ids."""

import asyncio
from typing import Any

import pytest

from tests.functional.fakes.cinder_types import DEFAULT, DEFAULT_GROUP
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import new_id
from tests.functional.gateway_harness import Gateway
from tricircle.db import definitions as store
from tricircle.db.work_queue import own_queue
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.definitions import Definitions

Object = dict[str, Any]
ADMIN: Object = {"user": "admin", "version": "3.71"}


async def xjob(gateway: Gateway, adopt: bool = False, later: bool = False) -> None:
    """The reconciler's turn for definitions, in every pod; ``later``: all its time has come."""
    gateway.close_breakers()
    await gateway.refresh()
    definitions = Definitions(PodServices(gateway.services.identity))
    worker = Worker(own_queue(), [definitions])
    for pod in gateway.services.registry.all():
        if later:
            await asyncio.to_thread(own_queue().requeue_now, pod.id)
        if adopt:
            await asyncio.to_thread(definitions.adopt, pod)
        await asyncio.to_thread(worker.run, pod)
    if adopt:  # what the later pods brought is new to the earlier
        for pod in gateway.services.registry.all():
            await asyncio.to_thread(worker.run, pod)
    gateway.services.names.forget()


def types(cloud: Cloud, name: str, what: str = "types") -> dict[str, Object]:
    """{region: the one of a name} as each pod has it."""
    return {
        region: item
        for region, pod in cloud.pods.items()
        for item in getattr(pod.cinder, what).values()
        if item["name"] == name
    }


async def make(gateway: Gateway, name: str = "fast", **more: Any) -> str:
    body = {"volume_type": {"name": name, **more}}
    return str((await gateway.volumes.post("/types", body, **ADMIN)).ok(200)["volume_type"]["id"])


async def group_type(gateway: Gateway, name: str = "grouped") -> str:
    body = {"group_type": {"name": name}}
    answer = await gateway.volumes.post("/group_types", body, **ADMIN)
    return str(answer.ok(202)["group_type"]["id"])


async def qos(gateway: Gateway, name: str = "limited", **specs: str) -> str:
    body = {"qos_specs": {"name": name, "consumer": "front-end", **specs}}
    answer = await gateway.volumes.post("/qos-specs", body, **ADMIN)
    return str(answer.ok(200)["qos_specs"]["id"])


@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
async def test_a_servers_volumes_may_name_a_type_by_id(
    gateway: Gateway, cloud: Cloud, region: str
) -> None:
    type_id = await make(gateway)
    for other in cloud.pods.keys() - {region}:
        await gateway.set_pod(other, state="disabled")
    device = {
        "boot_index": 0, "uuid": cloud.image_id, "source_type": "image", "volume_size": 1,
        "destination_type": "volume", "volume_type": type_id,
    }  # fmt: skip
    body = {"server": {"name": "one", "flavorRef": "1", "networks": "none",
                       "block_device_mapping_v2": [device]}}  # fmt: skip
    (await gateway.post("/servers", body, version="2.67")).ok(202)
    (made,) = cloud.pods[region].nova.servers.values()
    (inside,) = made.request["server"]["block_device_mapping_v2"]
    assert inside["volume_type"] == types(cloud, "fast")[region]["id"]


@pytest.mark.parametrize("zone", ["az1", "az2"])
async def test_an_image_may_name_the_type_of_its_volumes_by_id(
    gateway: Gateway, cloud: Cloud, zone: str
) -> None:
    type_id = await make(gateway)
    image_id = new_id()
    cloud.images[image_id] = {"id": image_id, "name": "i", "owner": cloud.project_id,
                              "cinder_img_volume_type": type_id}  # fmt: skip
    for _ in range(3):
        wanted = {"size": 1, "imageRef": image_id, "availability_zone": zone}
        made = (await gateway.volumes.post("/volumes", {"volume": wanted})).ok(202)["volume"]
        assert made["volume_type"] == "fast"


async def test_a_type_is_in_every_pod(gateway: Gateway, cloud: Cloud) -> None:
    type_id = await make(gateway, description="d", extra_specs={"a": "1"})
    found = types(cloud, "fast")
    assert found.keys() == cloud.pods.keys()
    ids = {item["id"] for item in found.values()}
    assert len(ids) == 3
    assert type_id in ids
    for item in found.values():
        assert (item["description"], item["extra_specs"]) == ("d", {"a": "1"})
    # Users know it by one id, whichever pod answers.
    for region in cloud.pods:
        others = [pod.cinder for name, pod in cloud.pods.items() if name != region]
        for cinder in others:
            cinder.fail(Kind.CUT)
        shown = (await gateway.volumes.get(f"/types/{type_id}", **ADMIN)).ok(200)["volume_type"]
        assert (shown["id"], shown["name"]) == (type_id, "fast")
        listed = (await gateway.volumes.get("/types", **ADMIN)).ok(200)["volume_types"]
        assert type_id in {item["id"] for item in listed}
        for cinder in others:
            cinder.heal()
        gateway.close_breakers()


async def test_a_change_reaches_all_pods(gateway: Gateway, cloud: Cloud) -> None:
    type_id = await make(gateway, **{"os-volume-type-access:is_public": False})
    path = f"/types/{type_id}"
    body: Object = {"volume_type": {"name": "faster", "description": "d"}}
    (await gateway.volumes.put(path, body, **ADMIN)).ok(200)
    body = {"extra_specs": {"a": "1", "b": "2"}}
    (await gateway.volumes.post(f"{path}/extra_specs", body, **ADMIN)).ok(200)
    (await gateway.volumes.put(f"{path}/extra_specs/a", {"a": "3"}, **ADMIN)).ok(200)
    (await gateway.volumes.delete(f"{path}/extra_specs/b", **ADMIN)).ok(202)
    body = {"addProjectAccess": {"project": cloud.project_id}}
    (await gateway.volumes.post(f"{path}/action", body, **ADMIN)).ok(202)
    assert types(cloud, "fast") == {}
    found = types(cloud, "faster")
    assert len(found) == 3
    for item in found.values():
        assert item["extra_specs"] == {"a": "3"}
        assert item["access"] == {cloud.project_id}
        assert item["description"] == "d"
    access = await gateway.volumes.get(f"{path}/os-volume-type-access", **ADMIN)
    assert access.ok(200)["volume_type_access"] == [
        {"volume_type_id": type_id, "project_id": cloud.project_id}
    ]
    assert (await gateway.volumes.get(path)).status == 200
    assert (await gateway.volumes.get(path, user="other")).status == 404
    (await gateway.volumes.delete(path, **ADMIN)).ok(202)
    assert types(cloud, "faster") == {}
    assert (await gateway.volumes.get(path, **ADMIN)).status == 404


async def test_encryption_is_everywhere_and_in_no_log(
    gateway: Gateway, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG", "tricircle")
    type_id = await make(gateway)
    path = f"/types/{type_id}/encryption"
    wanted = {"provider": "luks", "cipher": "aes-xts-secret", "key_size": 256,
              "control_location": "front-end"}  # fmt: skip
    (await gateway.volumes.post(path, {"encryption": wanted}, **ADMIN)).ok(200)
    for item in types(cloud, "fast").values():
        assert wanted.items() <= item["encryption"].items()
    shown = (await gateway.volumes.get(path, **ADMIN)).ok(200)
    assert shown["volume_type_id"] == type_id
    change = {"encryption": {"key_size": 512}}
    (await gateway.volumes.put(f"{path}/{shown['encryption_id']}", change, **ADMIN)).ok(200)
    assert {i["encryption"]["key_size"] for i in types(cloud, "fast").values()} == {512}
    (await gateway.volumes.delete(f"{path}/{shown['encryption_id']}", **ADMIN)).ok(202)
    assert [item["encryption"] for item in types(cloud, "fast").values()] == [None] * 3
    assert "aes-xts-secret" not in caplog.text


async def test_who_may_change_them(gateway: Gateway, cloud: Cloud) -> None:
    type_id = await make(gateway)
    for user in ("member", "reader", "other"):
        answer = await gateway.volumes.post("/types", {"volume_type": {"name": "x"}}, user=user)
        assert answer.status == 403
        assert (await gateway.volumes.delete(f"/types/{type_id}", user=user)).status == 403
        body = {"volume_type": {"name": "y"}}
        assert (await gateway.volumes.put(f"/types/{type_id}", body, user=user)).status == 403
    again = await gateway.volumes.post("/types", {"volume_type": {"name": "fast"}}, **ADMIN)
    assert again.status == 409
    assert (await gateway.volumes.post("/types", {"volume_type": {}}, **ADMIN)).status == 400
    assert len(types(cloud, "fast")) == 3
    assert types(cloud, "x") == types(cloud, "y") == {}


@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
async def test_ids_are_translated(gateway: Gateway, cloud: Cloud, region: str) -> None:
    """In paths, queries, bodies and answers, of a pod that has other ids."""
    type_id, grouped = await make(gateway), await group_type(gateway)
    cinder = cloud.pods[region].cinder
    there = types(cloud, "fast")[region]["id"]
    source = cinder.add_volume("source")
    body: Object = {"volume": {"size": 1, "source_volid": source["id"], "volume_type": type_id}}
    made = (await gateway.volumes.post("/volumes", body, version="3.71")).ok(202)["volume"]
    assert cinder.items["volume"][made["id"]]["volume_type_id"] == there
    assert (made["volume_type"], made["volume_type_id"]) == ("fast", type_id)
    listed = (await gateway.volumes.get("/volumes/detail", version="3.71")).ok()["volumes"]
    shown = {volume["id"]: volume for volume in listed}[made["id"]]
    assert shown["volume_type_id"] == type_id
    query = {"volume_type_id": type_id, "all_tenants": "1"}
    found = (await gateway.volumes.get("/volumes", query=query, **ADMIN)).ok(200)["volumes"]
    assert [volume["id"] for volume in found] == [made["id"]]
    body = {"os-retype": {"new_type": type_id, "migration_policy": "never"}}
    path = f"/volumes/{source['id']}/action"
    (await gateway.volumes.post(path, body, version="3.71")).ok(202)
    assert source["volume_type_id"] == there
    body = {"group": {"name": "g", "group_type": grouped, "volume_types": [type_id]}}
    group = (await gateway.volumes.post("/groups", body, version="3.71")).ok(202)["group"]
    where = next(name for name, pod in cloud.pods.items()
                 if group["id"] in pod.cinder.items["group"])  # fmt: skip
    inside = cloud.pods[where].cinder.items["group"][group["id"]]
    assert inside["volume_types"] == [types(cloud, "fast")[where]["id"]]
    assert inside["group_type"] == types(cloud, "grouped", "group_types")[where]["id"]
    answer = await gateway.volumes.get(f"/groups/{group['id']}", version="3.71")
    shown = answer.ok(200)["group"]
    assert (shown["group_type"], shown["volume_types"]) == (grouped, [type_id])


async def test_qos_specs(gateway: Gateway, cloud: Cloud) -> None:
    type_id, qos_id = await make(gateway), await qos(gateway, iops="100", burst="7")
    path, of = f"/qos-specs/{qos_id}", {"vol_type_id": type_id}
    (await gateway.volumes.get(f"{path}/associate", query=of, **ADMIN)).ok(202)
    specs = types(cloud, "limited", "qos")
    assert len({item["id"] for item in specs.values()}) == 3
    for region, item in types(cloud, "fast").items():
        assert item["qos_specs_id"] == specs[region]["id"]
    told = (await gateway.volumes.get(f"{path}/associations", **ADMIN)).ok(200)
    assert [one["id"] for one in told["qos_associations"]] == [type_id]
    shown = (await gateway.volumes.get(f"/types/{type_id}", **ADMIN)).ok()["volume_type"]
    assert shown["qos_specs_id"] == qos_id
    body: Object = {"qos_specs": {"iops": "200"}}
    (await gateway.volumes.put(path, body, **ADMIN)).ok(200)
    (await gateway.volumes.put(f"{path}/delete_keys", {"keys": ["burst"]}, **ADMIN)).ok(202)
    for item in types(cloud, "limited", "qos").values():
        assert item["specs"] == {"iops": "200"}
    assert (await gateway.volumes.delete(path, **ADMIN)).status == 400
    (await gateway.volumes.get(f"{path}/disassociate_all", **ADMIN)).ok(202)
    assert [item["qos_specs_id"] for item in types(cloud, "fast").values()] == [None] * 3
    (await gateway.volumes.get(f"{path}/associate", query=of, **ADMIN)).ok(202)
    (await gateway.volumes.get(f"{path}/disassociate", query=of, **ADMIN)).ok(202)
    assert [item["qos_specs_id"] for item in types(cloud, "fast").values()] == [None] * 3
    (await gateway.volumes.delete(path, **ADMIN)).ok(202)
    assert types(cloud, "limited", "qos") == {}


async def test_default_types(gateway: Gateway, cloud: Cloud) -> None:
    type_id = await make(gateway)
    path = f"/default-types/{cloud.project_id}"
    body: Object = {"default_type": {"volume_type": type_id}}
    told = (await gateway.volumes.put(path, body, **ADMIN)).ok(200)["default_type"]
    assert told == {"project_id": cloud.project_id, "volume_type_id": type_id}
    for region, item in types(cloud, "fast").items():
        assert cloud.pods[region].cinder.defaults == {cloud.project_id: item["id"]}
    assert (await gateway.volumes.get(path, **ADMIN)).ok(200)["default_type"] == told
    body = {"volume": {"size": 1, "availability_zone": "az2"}}
    made = (await gateway.volumes.post("/volumes", body, version="3.71")).ok(202)["volume"]
    assert (made["volume_type"], made["volume_type_id"]) == ("fast", type_id)
    (await gateway.volumes.delete(path, **ADMIN)).ok(204)
    assert [pod.cinder.defaults for pod in cloud.pods.values()] == [{}] * 3


@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
async def test_what_any_pod_uses_is_not_deleted(
    gateway: Gateway, cloud: Cloud, region: str
) -> None:
    type_id, grouped = await make(gateway), await group_type(gateway)
    cinder = cloud.pods[region].cinder
    volume = cinder.add_volume("one", "other", volume_type_id=types(cloud, "fast")[region]["id"])
    group = cinder.add_group(
        group_type=types(cloud, "grouped", "group_types")[region]["id"], user="other"
    )
    answer = await gateway.volumes.delete(f"/types/{type_id}", **ADMIN)
    assert (answer.status, answer.message) == (400, "Target volume type is still in use.")
    answer = await gateway.volumes.delete(f"/group_types/{grouped}", **ADMIN)
    assert (answer.status, answer.message) == (400, "Target group type is still in use.")
    assert len(types(cloud, "fast")) == len(types(cloud, "grouped", "group_types")) == 3
    del cinder.items["volume"][volume["id"]], cinder.items["group"][group["id"]]
    (await gateway.volumes.delete(f"/types/{type_id}", **ADMIN)).ok(202)
    (await gateway.volumes.delete(f"/group_types/{grouped}", **ADMIN)).ok(202)
    assert types(cloud, "fast") == types(cloud, "grouped", "group_types") == {}


@pytest.mark.parametrize("how", ["stopped", "failing"])
async def test_a_pod_that_was_away_gets_what_it_missed(
    gateway: Gateway, cloud: Cloud, how: str
) -> None:
    old, cinder = await make(gateway, "old"), cloud.pods["pod2"].cinder
    if how == "stopped":
        await asyncio.to_thread(cinder.stop)
    else:
        cinder.fail(Kind.ERROR)
    (await gateway.volumes.delete(f"/types/{old}", **ADMIN)).ok(202)
    new = await make(gateway, "new", **{"os-volume-type-access:is_public": False})
    qos_id, grouped = await qos(gateway, iops="1"), await group_type(gateway)
    query = {"vol_type_id": new}
    (await gateway.volumes.get(f"/qos-specs/{qos_id}/associate", query=query, **ADMIN)).ok(202)
    body: Object = {"extra_specs": {"a": "1"}}
    (await gateway.volumes.post(f"/types/{new}/extra_specs", body, **ADMIN)).ok(200)
    body = {"group_specs": {"b": "1"}}
    (await gateway.volumes.post(f"/group_types/{grouped}/group_specs", body, **ADMIN)).ok(202)
    assert "pod2" not in types(cloud, "new")
    if how == "stopped":
        await asyncio.to_thread(cinder.start)
    cinder.heal()
    await xjob(gateway)
    assert types(cloud, "old") == {}
    mine = types(cloud, "new")["pod2"]
    assert mine["extra_specs"] == {"a": "1"}
    assert mine["is_public"] is False
    assert mine["qos_specs_id"] == types(cloud, "limited", "qos")["pod2"]["id"]
    assert types(cloud, "grouped", "group_types")["pod2"]["group_specs"] == {"b": "1"}
    shown = (await gateway.volumes.get(f"/types/{new}", **ADMIN)).ok(200)["volume_type"]
    assert shown["id"] == new


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.HANG_AFTER, Kind.GARBAGE_AFTER])
@pytest.mark.parametrize("region", ["pod1", "pod2", "pod3"])
async def test_a_lost_answer_makes_no_second(
    gateway: Gateway, cloud: Cloud, kind: Kind, region: str
) -> None:
    cloud.pods[region].cinder.fail(kind, "POST", "/types$", times=1)
    body = {"volume_type": {"name": "fast"}}
    await gateway.volumes.post("/types", body, **ADMIN)
    cloud.pods[region].cinder.heal()
    again = await gateway.volumes.post("/types", body, **ADMIN)
    assert again.status in (200, 409)
    await xjob(gateway, adopt=True, later=True)
    for pod in cloud.pods.values():
        assert [one["name"] for one in pod.cinder.types.values()].count("fast") == 1
    listed = (await gateway.volumes.get("/types", **ADMIN)).ok()["volume_types"]
    (seen,) = [one["id"] for one in listed if one["name"] == "fast"]
    (await gateway.volumes.delete(f"/types/{seen}", **ADMIN)).ok(202)
    assert types(cloud, "fast") == {}


# -- what pods had before ------------------------------------------------------------------------


async def test_xjob_makes_none_that_a_gateway_is_making(gateway: Gateway, cloud: Cloud) -> None:
    """Cinder looks for another of the name first, and has made two when it is asked twice."""
    slow = cloud.pods["pod2"].cinder.fail(Kind.SLOW, "POST", "/types", times=1, seconds=1.5)
    making = asyncio.ensure_future(make(gateway))
    await asyncio.to_thread(slow.hit.wait, 10)
    await xjob(gateway)
    await making
    await xjob(gateway)
    asked = cloud.journal.find("pod2/volume", "POST", "/types")
    assert len([call for call in asked if call.path.endswith("/types")]) == 1
    assert set(types(cloud, "fast")) == set(cloud.pods)


async def test_what_a_gateway_could_not_make_is_xjobs_at_once(
    gateway: Gateway, cloud: Cloud
) -> None:
    cloud.pods["pod2"].cinder.fail(Kind.ERROR, "POST", "/types", times=1)
    await make(gateway)
    assert set(types(cloud, "fast")) == {"pod1", "pod3"}
    await xjob(gateway)
    assert set(types(cloud, "fast")) == set(cloud.pods)


async def test_types_of_one_name_become_one(gateway: Gateway, cloud: Cloud) -> None:
    for region, pod in cloud.pods.items():
        if region != "pod3":
            pod.cinder.add_type("ssd", extra_specs={"backend": region})
    await xjob(gateway, adopt=True)
    ids = {
        name: {row.key for row in store.list_all(kind) if row.body["name"] == name}
        for name, kind in ((DEFAULT, "volume_type"), (DEFAULT_GROUP, "group_type"),
                           ("ssd", "volume_type"))
    }  # fmt: skip
    assert [len(found) for found in ids.values()] == [1, 1, 1]
    # Each keeps what it had, and a pod without one gets it.
    found = types(cloud, "ssd")
    assert {region: item["extra_specs"] for region, item in found.items()} == {
        "pod1": {"backend": "pod1"}, "pod2": {"backend": "pod2"}, "pod3": {"backend": "pod1"}
    }  # fmt: skip
    (type_id,) = ids["ssd"]
    for region, pod in cloud.pods.items():
        volume = pod.cinder.add_volume(region, volume_type_id=found[region]["id"])
        path = f"/volumes/{volume['id']}"
        shown = (await gateway.volumes.get(path, version="3.71")).ok(200)["volume"]
        assert shown["volume_type_id"] == type_id
    # The first change makes them the same.
    body = {"extra_specs": {"a": "1"}}
    (await gateway.volumes.post(f"/types/{type_id}/extra_specs", body, **ADMIN)).ok(200)
    changed = [item["extra_specs"] for item in types(cloud, "ssd").values()]
    assert changed == [changed[0]] * 3
    assert changed[0]["a"] == "1"


async def test_adopting_twice_changes_nothing(gateway: Gateway, cloud: Cloud) -> None:
    await xjob(gateway, adopt=True)
    before = {row.key for row in store.list_all("volume_type")}
    cloud.journal.clear()
    await xjob(gateway, adopt=True)
    assert {row.key for row in store.list_all("volume_type")} == before
    assert [e for e in cloud.journal.find("pod") if e.method != "GET"] == []
    for pod in cloud.pods.values():
        assert len(pod.cinder.types) == len(pod.cinder.group_types) == 1
