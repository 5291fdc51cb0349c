# SPDX-License-Identifier: Apache-2.0
"""Images in a pod with a Glance of its own: brought there, made there, and used everywhere."""

import hashlib
import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.site import eventually

DATA = os.urandom(1 << 20)


@pytest.fixture
def network(demo: Any, name: str) -> Iterator[Any]:
    made = demo.network.create_network(name=name)
    demo.network.create_subnet(name=name, network_id=made.id, ip_version=4, cidr="10.92.0.0/24")
    yield made
    eventually(
        "the network is gone",
        lambda: demo.network.delete_network(made.id, ignore_missing=True) is None,
        60,
    )


def _booted(demo: Any, name: str, image_id: str, flavor: Any, network: Any, zone: str) -> Any:
    compute = demo.compute
    made = compute.create_server(
        name=name,
        image_id=image_id,
        flavor_id=flavor.id,
        networks=[{"uuid": network.id}],
        availability_zone=zone,
    )
    server = compute.wait_for_server(made, wait=120)
    assert server.image.id == image_id
    return server


def test_an_image_of_the_region_and_one_of_the_pod(
    demo: Any, stranger: Any, there: Any, flavor: Any, network: Any, name: str
) -> None:
    compute, images = demo.compute, demo.image
    wanted = {"disk_format": "raw", "container_format": "bare", "visibility": "private"}
    image = images.create_image(name=name, data=DATA, os_distro="none", **wanted)
    assert there.image.find_image(image.id, ignore_missing=True) is None

    first = _booted(demo, name, image.id, flavor, network, "az2")
    copy = there.image.get_image(image.id)
    assert copy.hash_value == hashlib.sha512(DATA).hexdigest()
    assert copy.properties.get("os_distro", copy.os_distro) == "none"
    assert copy.owner_id != demo.current_project_id
    # Somebody else's is not found, there as here.
    assert stranger.image.find_image(image.id, ignore_missing=True) is None

    # A snapshot there is one of the region's, and boots here.
    snapshot = compute.create_server_image(first, f"{name}-snapshot")
    shown = images.get_image(snapshot.id)
    assert (shown.name, shown.owner_id) == (f"{name}-snapshot", demo.current_project_id)
    eventually("its data are here", lambda: images.get_image(snapshot.id).status == "active", 90)
    second = _booted(demo, f"{name}-here", snapshot.id, flavor, network, "az1")
    third = _booted(demo, f"{name}-there", snapshot.id, flavor, network, "az2")
    compute.rebuild_server(first, image=snapshot.id)
    assert compute.wait_for_server(first, wait=90).image.id == snapshot.id

    # A volume of an image, and an image of the volume.
    volumes = demo.block_storage
    volume = volumes.create_volume(name=name, size=1, image_id=image.id, availability_zone="az2")
    volume = volumes.wait_for_status(volume, "available", wait=90)
    assert volume.volume_image_metadata["image_id"] == image.id
    uploaded = volumes.upload_volume_to_image(volume, f"{name}-volume", force=True)
    made = uploaded["image_id"]
    eventually("it is here", lambda: images.get_image(made).status == "active", 90)
    assert images.get_image(made).name == f"{name}-volume"
    volumes.wait_for_status(volumes.get_volume(volume), "available", wait=60)
    volumes.delete_volume(volume)

    for server in (first, second, third):
        compute.delete_server(server)
    for server in (first, second, third):
        compute.wait_for_delete(server, wait=60)
    for one in (image.id, snapshot.id, made):
        images.delete_image(one)

    def none_there() -> bool:
        return all(there.image.find_image(one, ignore_missing=True) is None for one in
                   (image.id, snapshot.id))  # fmt: skip

    eventually("they are gone from the pod", none_there, 150)
