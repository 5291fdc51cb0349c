# SPDX-License-Identifier: Apache-2.0
"""Volumes of two pods as one cloud's: made by zone, attached, grown, saved, given away."""

import concurrent.futures
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from lab import cli, identity, tricircle
from tests.e2e.site import Site, eventually
from tests.e2e.test_a_pod_dies import kill, known_down, known_up

STATES = ("preparing", "uploading", "copying", "verifying", "handing over", "removing", "done")


class Storage:
    """What a test makes as a user, removed at its end."""

    def __init__(self, demo: Any, admin: Any, name: str) -> None:
        self.api, self.admin, self.name = demo.block_storage, admin.block_storage, name
        self.volumes: list[str] = []
        self.snapshots: list[str] = []
        self.backups: list[str] = []

    def volume(self, zone: str | None = None, wait: bool = True, **more: Any) -> Any:
        if zone:
            more["availability_zone"] = zone
        volume = self.api.create_volume(**({"size": 1, "name": self.name} | more))
        self.volumes.append(volume.id)
        return self.ready(volume) if wait else volume

    def snapshot(self, volume: Any) -> Any:
        snapshot = self.api.create_snapshot(volume_id=volume.id, name=self.name, is_forced=True)
        self.snapshots.append(snapshot.id)
        return self.api.wait_for_status(snapshot, "available", interval=0.5, wait=90)

    def backup(self, volume: Any) -> Any:
        backup = self.api.create_backup(volume_id=volume.id, name=self.name, force=True)
        self.backups.append(backup.id)
        return self.api.wait_for_status(backup, "available", interval=0.5, wait=90)

    def ready(self, volume: Any, status: str = "available") -> Any:
        """A volume as it is once it has a status."""
        volume = self.api.get_volume(volume.id)
        return self.api.wait_for_status(volume, status, interval=0.5, wait=90)

    def clean(self) -> None:
        for ids, path in (
            (self.backups, "/backups"),
            (self.snapshots, "/snapshots"),
            (self.volumes, "/volumes"),
        ):
            for one in ids:
                self.admin.delete(f"{path}/{one}")
            for one in ids:
                eventually("it is gone", lambda p=path, one=one: self._is_gone(f"{p}/{one}"))
            ids.clear()

    def _is_gone(self, path: str) -> bool:
        return bool(self.admin.get(path).status_code == 404)


@pytest.fixture
def storage(demo: Any, admin: Any, name: str) -> Iterator[Storage]:
    storage = Storage(demo, admin, name)
    yield storage
    storage.clean()


def test_a_volume_is_made_where_it_is_asked_for(
    demo: Any, pods: Any, storage: Storage, openstack: Any
) -> None:
    for zone, region in (("az1", "Pod1"), ("az2", "Pod2")):
        volume = storage.volume(zone)
        assert volume.availability_zone == zone
        assert pods[region].block_storage.get_volume(volume.id).name == storage.name
    listed = json.loads(openstack("volume", "list", "--name", storage.name, "-f", "json"))
    assert sorted(one["ID"] for one in listed) == sorted(storage.volumes)
    anywhere = storage.volume()
    assert anywhere.id in {one.id for one in demo.block_storage.volumes(details=False)}
    zones = {zone.name for zone in demo.block_storage.availability_zones()}
    assert {"az1", "az2"} <= zones
    refused = demo.block_storage.post(
        "/volumes", json={"volume": {"size": 1, "availability_zone": "nowhere"}}
    )
    assert refused.status_code == 400
    assert "nowhere" in refused.json()["badRequest"]["message"]


def test_a_server_boots_from_a_volume_that_is_saved_and_grown(
    demo: Any, pods: Any, storage: Storage, site: Site
) -> None:
    """In az2: from an image to a volume, a server on it, another volume, snapshot, backup."""
    root = storage.volume("az2", image_id=site.image.id)
    assert root.is_bootable
    server = site.server(
        "az2",
        "none",
        block_device_mapping=[
            {
                "uuid": root.id,
                "source_type": "volume",
                "destination_type": "volume",
                "boot_index": 0,
            }
        ],
    )
    data = storage.volume("az2")
    demo.compute.create_volume_attachment(server, volume_id=data.id)
    data = storage.ready(data, "in-use")
    assert [one["server_id"] for one in data.attachments] == [server.id]
    answer = demo.block_storage.post(
        f"/volumes/{data.id}/action", json={"os-extend": {"new_size": 2}}, microversion="3.42"
    )
    assert answer.status_code == 202, answer.text
    eventually("it has grown", lambda: demo.block_storage.get_volume(data.id).size == 2)
    snapshot = storage.snapshot(data)
    copy = storage.volume(snapshot_id=snapshot.id, size=2)
    assert copy.availability_zone == "az2"
    backup = storage.backup(data)
    restored = demo.block_storage.restore_backup(backup, name=storage.name)
    storage.volumes.append(restored.volume_id)
    storage.ready(demo.block_storage.get_volume(restored.volume_id))
    there = pods["Pod2"].block_storage
    assert there.get_volume(restored.volume_id).size == 2
    site.delete_servers()
    storage.ready(data)


def test_what_is_in_two_pods_cannot_be_attached_and_says_so(
    demo: Any, storage: Storage, site: Site
) -> None:
    server, volume = site.server("az1", "none"), storage.volume("az2")
    refused = demo.compute.post(
        f"/servers/{server.id}/os-volume_attachments",
        json={"volumeAttachment": {"volumeId": volume.id}},
    )
    assert refused.status_code == 400
    message = refused.json()["badRequest"]["message"]
    assert "Pod1" in message
    assert "Pod2" in message
    refused = demo.block_storage.post(
        "/attachments",
        json={"attachment": {"instance_uuid": server.id, "volume_uuid": volume.id}},
        microversion="3.27",
    )
    assert refused.status_code == 400
    assert "Pod2" in refused.json()["badRequest"]["message"]


def test_only_a_service_takes_a_volume_from_under_a_server(
    lab: Any, demo: Any, storage: Storage, site: Site
) -> None:
    """Cinder's own rule (CVE-2023-2088): a user must go by Compute, whatever we put beside."""
    server, volume = site.server("az2", "none"), storage.volume("az2")
    demo.compute.create_volume_attachment(server, volume_id=volume.id)
    storage.ready(volume, "in-use")
    api, version = demo.block_storage, {"microversion": "3.27"}
    listed = api.get("/attachments", **version).json()["attachments"]
    (attachment,) = [one["id"] for one in listed if one["volume_id"] == volume.id]
    path = f"/attachments/{attachment}"
    assert api.delete(path, **version).status_code == 409
    detach = {"os-detach": {"attachment_id": attachment}}
    assert api.post(f"/volumes/{volume.id}/action", json=detach, **version).status_code == 409
    assert api.get(path, **version).status_code == 200
    # A user's token is no service's.
    headers = {"X-Service-Token": demo.session.get_token()}
    assert api.delete(path, headers=headers, **version).status_code == 401
    service = identity.connection(lab, user="nova", project="service")
    headers = {"X-Service-Token": service.session.get_token()}
    assert api.get(path, headers=headers, **version).status_code == 200
    deleted = api.delete(path, headers=headers, **version)
    assert deleted.status_code == 200, deleted.text
    storage.ready(volume)
    site.delete_servers()


def test_a_volume_type_is_one_in_all_pods(
    admin: Any, demo: Any, pods: Any, storage: Storage, name: str
) -> None:
    made = admin.block_storage.create_type(name=name, extra_specs={"lab:colour": "red"})
    try:
        volumes = {zone: storage.volume(zone, volume_type=made.id) for zone in ("az1", "az2")}
        assert {volume.volume_type for volume in volumes.values()} == {name}
        inside = {pod: conn.block_storage.find_type(name).id for pod, conn in pods.items()}
        assert len(set(inside.values())) == len(pods)
        for volume in volumes.values():
            shown = demo.block_storage.get(f"/volumes/{volume.id}", microversion="3.63").json()
            assert shown["volume"]["volume_type_id"] == made.id
        refused = admin.block_storage.delete(f"/types/{made.id}")
        assert refused.status_code == 400
        storage.clean()
        answer = admin.block_storage.post(
            f"/types/{made.id}/extra_specs", json={"extra_specs": {"lab:colour": "blue"}}
        )
        assert answer.status_code == 200, answer.text
        for region, pod in pods.items():
            specs = pod.block_storage.find_type(name).extra_specs
            assert specs == {"lab:colour": "blue"}, region
    finally:
        storage.clean()
        admin.block_storage.delete_type(made)
    for pod in pods.values():
        eventually("the type is gone", lambda p=pod: p.block_storage.find_type(name) is None)


def test_a_volume_is_given_to_another_project(lab: Any, demo: Any, storage: Storage) -> None:
    other = tricircle.connect(lab, "demo2")
    volume = storage.volume("az2")
    offer = demo.block_storage.create_transfer(volume_id=volume.id, name=storage.name)
    other.block_storage.accept_transfer(offer.id, offer.auth_key)
    assert other.block_storage.get_volume(volume.id).id == volume.id
    assert demo.block_storage.find_volume(volume.id) is None


def test_limits_hold_for_all_pods_together(admin: Any, demo: Any, storage: Storage) -> None:
    project = demo.current_project_id
    used = len(list(demo.block_storage.volumes(details=False)))
    admin.block_storage.update_quota_set(project, volumes=used + 2)
    try:
        storage.volume("az1")
        storage.volume("az2")
        refused = demo.block_storage.post(
            "/volumes", json={"volume": {"size": 1, "availability_zone": "az1"}}
        )
        assert refused.status_code == 413
        assert "Maximum number of volumes" in refused.json()["overLimit"]["message"]
        shown = demo.block_storage.get_quota_set(project, usage=True)
        assert shown.usage["volumes"] == used + 2
    finally:
        admin.block_storage.revert_quota_set(project)


@pytest.mark.disturbs
def test_a_pod_that_is_away_takes_only_its_own_volumes_along(
    lab: Any, demo: Any, storage: Storage, tricircle_api: Any
) -> None:
    here, there = storage.volume("az1"), storage.volume("az2")
    cli.pod_freeze(lab, lab.pod("pod2"))
    try:
        listed = {one.id for one in demo.block_storage.volumes(details=False)}
        assert here.id in listed
        assert there.id not in listed
        known_down(tricircle_api, "Pod2")
        reply = demo.block_storage.get(f"/volumes/{there.id}")
        assert reply.status_code == 503
        assert "Pod2" in reply.text
        refused = demo.block_storage.post(
            "/volumes", json={"volume": {"size": 1, "availability_zone": "az2"}}
        )
        assert refused.status_code == 503
        storage.volume("az1")
    finally:
        cli.pod_thaw(lab, lab.pod("pod2"))
    # A probe begun while it was frozen may find it silent once more.
    time.sleep(6)
    known_up(tricircle_api, "Pod2")
    eventually("it is listed again", lambda: demo.block_storage.get_volume(there.id).id == there.id)


@pytest.mark.disturbs
def test_a_pod_killed_during_creates_heals(
    lab: Any, demo: Any, admin: Any, pods: Any, storage: Storage, tricircle_api: Any
) -> None:
    name = f"{storage.name}-killed"

    def create(index: int) -> str | None:
        wanted = {"size": 1, "name": f"{name}-{index}", "availability_zone": "az2"}
        answer = demo.block_storage.post("/volumes", json={"volume": wanted})
        return str(answer.json()["volume"]["id"]) if answer.status_code == 202 else None

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(create, index) for index in range(12)]
        concurrent.futures.wait(asked, return_when="FIRST_COMPLETED")
        cli.pod_kill(lab, lab.pod("pod2"))
        told = {one.result() for one in asked} - {None}
    cli.pod_start(lab, lab.pod("pod2"))
    known_up(tricircle_api, "Pod2")

    def ours(volumes: Any) -> dict[str, str]:
        return {one.id: one.status for one in volumes if (one.name or "").startswith(name)}

    def settled() -> bool:
        """What there is is listed as it is, and counted."""
        project = demo.current_project_id
        there = [
            one
            for pod in pods.values()
            for one in pod.block_storage.volumes(all_projects=True)
            if one.project_id == project
        ]
        used = demo.block_storage.get_quota_set(project, usage=True).usage["volumes"]
        return ours(demo.block_storage.volumes()) == ours(there) and int(used) == len(there)

    try:
        eventually("region and pod agree", settled, 180)
        # What a user was told exists, exists; and the pod takes more.
        assert told <= ours(demo.block_storage.volumes()).keys()
        storage.volume("az2")
    finally:
        # A Cinder whose message was lost with it goes on making a volume for ever.
        for one in ours(admin.block_storage.volumes(all_projects=True)):
            admin.block_storage.reset_volume_status(one, status="error")
            storage.volumes.append(one)


def test_a_backup_is_restored_in_another_pod(
    demo: Any, pods: Any, storage: Storage, site: Site
) -> None:
    """What is restored is what was saved: its image's checksum tells."""
    backup = storage.backup(storage.volume("az2", image_id=site.image.id))
    volume = storage.volume("az1")
    answer = demo.block_storage.post(
        f"/backups/{backup.id}/restore", json={"restore": {"volume_id": volume.id}}
    )
    assert answer.status_code == 202, answer.text
    storage.ready(volume)
    assert pods["Pod1"].block_storage.get_volume(volume.id).status == "available"
    checksums = set()
    for one, name in (
        (volume, "restored"),
        (demo.block_storage.get_volume(backup.volume_id), "saved"),
    ):
        made = demo.block_storage.post(
            f"/volumes/{one.id}/action",
            json={"os-volume_upload_image": {"image_name": f"{storage.name}-{name}",
                                             "disk_format": "raw", "container_format": "bare"}},
        ).json()["os-volume_upload_image"]["image_id"]  # fmt: skip
        try:
            eventually("it is read", lambda i=made: demo.image.get_image(i).status == "active", 90)
            checksums.add(demo.image.get_image(made).checksum)
        finally:
            storage.ready(one)
            demo.image.delete_image(made)
    assert len(checksums) == 1
    listed = [one.id for one in demo.block_storage.backups(details=False)]
    assert listed.count(backup.id) == 1
    storage.clean()
    there = pods["Pod1"].block_storage
    eventually("its record is gone", lambda: there.get(f"/backups/{backup.id}").status_code == 404)


@pytest.mark.parametrize(
    "dies_while",
    [
        None,
        *(pytest.param(state, marks=pytest.mark.disturbs) for state in ("copying", "handing over")),
    ],
)
def test_a_volume_moves_to_another_pod_and_keeps_its_id(
    lab: Any,
    demo: Any,
    pods: Any,
    storage: Storage,
    site: Site,
    tricircle_api: Any,
    dies_while: str | None,
) -> None:
    """Whoever makes the move dies in the middle of it, or not."""
    volume = storage.volume("az1", image_id=site.image.id, metadata={"colour": "blue"})
    path = f"/volumes/{volume.id}/move"
    tricircle_api("POST", path, json={"move": {"availability_zone": "az2"}})
    refused = demo.block_storage.delete(f"/volumes/{volume.id}")
    assert refused.status_code == 409
    assert "Pod2" in refused.json()["conflictingRequest"]["message"]

    def state() -> str:
        move = tricircle_api("GET", path)["move"]
        assert move["state"] != "undone", move
        return str(move["state"])

    if dies_while is not None:
        far = STATES.index(dies_while)
        eventually("it is on its way", lambda: STATES.index(state()) >= far, 120)
        kill(lab, tricircle.XJOB)
        tricircle.start(lab, tricircle.XJOB)
    eventually("it is there", lambda: state() == "done", 180)
    shown = demo.block_storage.get_volume(volume.id)
    assert (shown.id, shown.availability_zone, shown.name) == (volume.id, "az2", storage.name)
    assert (shown.metadata, shown.is_bootable) == ({"colour": "blue"}, True)
    assert shown.project_id == demo.current_project_id
    listed = [one.id for one in demo.block_storage.volumes(details=False)]
    assert listed.count(volume.id) == 1
    assert pods["Pod1"].block_storage.get(f"/volumes/{volume.id}").status_code == 404
    there = [
        one for one in pods["Pod2"].block_storage.volumes(all_projects=True)
        if one.name == storage.name
    ]  # fmt: skip
    assert len(there) == 1
    assert there[0].id != volume.id
    server = site.server("az2", "none")
    demo.compute.create_volume_attachment(server, volume_id=volume.id)
    shown = storage.ready(demo.block_storage.get_volume(volume.id), "in-use")
    assert [one["server_id"] for one in shown.attachments] == [server.id]
    attached = [one.volume_id for one in demo.compute.volume_attachments(server)]
    assert attached == [volume.id]
    snapshot = storage.snapshot(shown)
    assert demo.block_storage.get_snapshot(snapshot).volume_id == volume.id
    demo.compute.delete_volume_attachment(server, volume.id)
    storage.ready(shown)


def test_a_move_that_is_called_off_leaves_nothing(
    demo: Any, admin: Any, pods: Any, storage: Storage, site: Site, tricircle_api: Any
) -> None:
    volume = storage.volume("az1", image_id=site.image.id)
    path = f"/volumes/{volume.id}/move"
    tricircle_api("POST", path, json={"move": {"region_name": "Pod2"}})
    tricircle_api("DELETE", path)
    eventually("it is undone", lambda: tricircle_api("GET", path)["move"]["state"] == "undone", 120)
    shown = demo.block_storage.get_volume(volume.id)
    assert (shown.availability_zone, shown.status) == ("az1", "available")
    assert shown.metadata.get("readonly") != "True"
    for pod in pods.values():
        names = {one.name for one in pod.block_storage.volumes(all_projects=True, details=False)}
        assert not any(
            name and name.startswith("tricircle-") and volume.id in name for name in names
        )
    left = [
        one.name
        for one in admin.image.images()
        if one.name.startswith("tricircle-") and volume.id in one.name
    ]
    assert not left
