# SPDX-License-Identifier: Apache-2.0
"""Where servers and volumes land when nobody says it, and how what belongs together gets there."""

import datetime
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.site import Site, eventually
from tests.e2e.test_volumes import Storage

#: Seconds after which a volume that is made is not surely empty any more.
MAKING = 10
REGIONS = {"az1": "Pod1", "az2": "Pod2", "az3": "Pod3"}


@pytest.fixture
def storage(demo: Any, admin: Any, name: str) -> Iterator[Storage]:
    storage = Storage(demo, admin, name)
    yield storage
    storage.clean()


def attach(demo: Any, server: Any, volume: Any) -> Any:
    body = {"volumeAttachment": {"volumeId": volume.id}}
    return demo.compute.post(f"/servers/{server.id}/os-volume_attachments", json=body)


def detach(demo: Any, storage: Storage, server: Any, volume: Any) -> None:
    demo.compute.delete_volume_attachment(server, volume.id)
    storage.ready(volume)


def seconds_of_making(volume: Any) -> float:
    made, changed = (
        datetime.datetime.fromisoformat(one) for one in (volume.created_at, volume.updated_at)
    )
    return (changed - made).total_seconds()


def test_without_a_zone_all_of_a_project_goes_to_one_pod(
    demo: Any, storage: Storage, site: Site
) -> None:
    """The project uses both zones already."""
    for zone in ("az2", "az1"):
        site.server(zone, "none")
        storage.volume(zone)
    zones = set()
    for _ in range(3):
        server, volume = site.server(None, "none"), storage.volume()
        answer = attach(demo, server, volume)
        assert answer.status_code == 200, answer.text
        volume = storage.ready(volume, "in-use")
        zones |= {demo.compute.get_server(server).availability_zone, volume.availability_zone}
    assert len(zones) == 1
    site.delete_servers()


def test_an_empty_volume_follows_its_server_once(
    demo: Any, pods: Any, storage: Storage, site: Site
) -> None:
    # A busy machine makes some so slowly that nobody knows whether they are empty.
    for _ in range(4):
        volume = storage.volume(metadata={"colour": "blue"})
        if seconds_of_making(volume) < MAKING:
            break
    else:
        pytest.skip("No volume is made in time for anybody to be sure that it is empty.")
    here = volume.availability_zone
    there = "az2" if here == "az1" else "az1"
    server = site.server(there, "none")
    answer = attach(demo, server, volume)
    assert answer.status_code == 200, answer.text
    assert answer.json()["volumeAttachment"]["volumeId"] == volume.id
    volume = storage.ready(volume, "in-use")
    assert (volume.availability_zone, volume.metadata["colour"]) == (there, "blue")
    assert [one["server_id"] for one in volume.attachments] == [server.id]
    inside = [
        one
        for one in pods[REGIONS[there]].block_storage.volumes(all_projects=True)
        if one.name == storage.name
    ]
    assert len(inside) == 1
    old = pods[REGIONS[here]].block_storage
    eventually("the old one is gone", lambda: old.get(f"/volumes/{volume.id}").status_code == 404)
    detach(demo, storage, server, volume)
    # It may hold something now.
    refused = attach(demo, site.server(here, "none"), volume)
    assert refused.status_code == 400
    message = refused.json()["badRequest"]["message"]
    assert "may hold data" in message
    assert REGIONS[here] in message
    assert REGIONS[there] in message


def test_one_with_data_follows_whom_may_move_it(
    admin: Any, image: Any, flavor: Any, name: str
) -> None:
    theirs = Storage(admin, admin, name)
    site = Site(admin, image, flavor, name)
    try:
        volume = theirs.volume(image_id=image.id)
        there = "az2" if volume.availability_zone == "az1" else "az1"
        server = site.server(there, "none")

        def attached() -> bool:
            answer = attach(admin, server, volume)
            # One that takes too long for this call is there some time later.
            assert answer.status_code in (200, 409), answer.text
            return bool(answer.status_code == 200)

        eventually("it is attached", attached, 180)
        shown = theirs.ready(volume, "in-use")
        assert (shown.availability_zone, shown.is_bootable) == (there, True)
        detach(admin, theirs, server, shown)
    finally:
        site.clean()
        theirs.clean()


@pytest.mark.parametrize("form", ["host", "hypervisor_hostname", ":host", "::node", "zone::node"])
def test_a_host_that_is_named_is_found(
    admin: Any, pods: Any, image: Any, flavor: Any, name: str, form: str
) -> None:
    (node,) = list(pods["Pod2"].compute.hypervisors(details=True))[:1]
    host = node.service_details["host"]
    named = {
        "host": {"host": host},
        "hypervisor_hostname": {"hypervisor_hostname": node.name},
        ":host": {"availability_zone": f":{host}"},
        "::node": {"availability_zone": f"::{node.name}@Pod2"},
        "zone::node": {"availability_zone": f"az2::{node.name}"},
    }[form]
    server = {"name": name, "imageRef": image.id, "flavorRef": flavor.id, "networks": "none"}
    answer = admin.compute.post(
        "/servers", json={"server": {**server, **named}}, microversion="2.74"
    )
    assert answer.status_code == 202, answer.text
    made = admin.compute.get_server(answer.json()["server"]["id"])
    try:
        made = admin.compute.wait_for_server(made, wait=90, interval=0.5)
        assert made.availability_zone == "az2"
        assert made.compute_host == host
        for region, expected in (("Pod1", []), ("Pod2", [made.id])):
            query = {"host": f"{host}@{region}", "all_tenants": 1, "name": name}
            listed = admin.compute.get("/servers", params=query).json()["servers"]
            assert [one["id"] for one in listed] == expected
    finally:
        admin.compute.delete_server(made)
        admin.compute.wait_for_delete(made, wait=90, interval=0.5)


def test_an_image_of_a_server_with_its_root_on_a_volume(
    demo: Any, storage: Storage, site: Site, name: str
) -> None:
    root = storage.volume("az2", image_id=site.image.id)
    device = {"uuid": root.id, "source_type": "volume", "destination_type": "volume",
              "boot_index": 0}  # fmt: skip
    server = site.server("az2", "none", block_device_mapping=[device])
    image = demo.compute.create_server_image(server, name, wait=True, timeout=90)
    again = Site(demo, image, site.flavor, f"{name}-again")
    try:
        storage.snapshots += [
            one.id for one in demo.block_storage.snapshots() if one.volume_id == root.id
        ]
        made = again.server(None, "none")
        storage.volumes += [one.volume_id for one in demo.compute.volume_attachments(made)]
        assert demo.compute.get_server(made).availability_zone == "az2"
        volume = storage.volume(image_id=image.id)
        assert volume.availability_zone == "az2"
        refused = demo.block_storage.post(
            "/volumes",
            json={"volume": {"size": 1, "imageRef": image.id, "availability_zone": "az1"}},
        )
        assert refused.status_code == 400
        assert "Pod2" in refused.json()["badRequest"]["message"]
    finally:
        again.clean()
        demo.image.delete_image(image)
    site.delete_servers()
