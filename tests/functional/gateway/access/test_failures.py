# SPDX-License-Identifier: Apache-2.0
"""A pod's own Keystone fails: who was let in goes on, others wait for nobody, and it heals."""

from collections.abc import Iterator

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import new_id
from tests.functional.fakes.keystone import Keystone
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.access.test_who_may_what import AWAY, boot
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import nothing_left, settled, wanted
from tricircle.conf import CONF
from tricircle.pods.access.accesses import make
from tricircle.pods.errors import PodUnreachable


@pytest.fixture
def theirs(cloud: Cloud) -> Keystone:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    return keystone


@pytest.fixture
def impatient() -> Iterator[None]:
    CONF.set_override("keystone_deadline", 0.3, group="federation")
    yield
    CONF.clear_override("keystone_deadline", group="federation")


KINDS = [Kind.ERROR, Kind.HANG, Kind.GARBAGE, Kind.TRUNCATED, Kind.CUT, Kind.REDIRECT]


@pytest.mark.parametrize("kind", KINDS)
async def test_while_it_fails(
    gateway: Gateway, cloud: Cloud, theirs: Keystone, impatient: None, kind: Kind
) -> None:
    server = await boot(gateway)
    theirs.fail(kind)
    # Who was let in goes on.
    (await gateway.get(f"/servers/{server}")).ok()
    # Somebody new is let into the other pods.
    listed = await gateway.get("/servers/detail", user="other")
    assert listed.ok()["servers"] == []
    assert listed.headers[AWAY] == FOREIGN
    network = cloud.central.network(cloud.keystone.projects["other"].id)["id"]
    body = wanted(cloud, availability_zone="az2", networks=[{"uuid": network}])
    refused = await gateway.post("/servers", body, version="2.90", user="other")
    assert refused.status == 503
    assert FOREIGN in refused.message
    theirs.heal()
    (await gateway.post("/servers", body, version="2.90", user="other")).ok(202)


async def test_it_is_gone_and_comes_back(gateway: Gateway, cloud: Cloud, theirs: Keystone) -> None:
    theirs.stop()
    listed = await gateway.get("/servers")
    assert listed.ok()["servers"] == []
    assert listed.headers[AWAY] == FOREIGN
    theirs.start()
    assert AWAY not in (await gateway.get("/servers")).headers


async def test_nothing_is_left_of_a_server_that_its_pod_did_not_let_in(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    theirs.fail(Kind.ERROR)
    network = cloud.central.network(cloud.project_id)["id"]
    body = wanted(cloud, availability_zone="az2", networks=[{"uuid": network}])
    assert (await gateway.post("/servers", body, version="2.90")).status == 503
    theirs.heal()
    await settled(gateway)
    nothing_left(cloud)


def test_a_pod_whose_secrets_nobody_can_read(gateway: Gateway) -> None:
    pod = gateway.services.registry.by_region(FOREIGN)
    assert pod is not None
    CONF.set_override("seal_keys", [], group="federation")
    try:
        with pytest.raises(PodUnreachable, match="cannot be entered"):
            make(pod, gateway.services.identity.ourselves)
    finally:
        CONF.clear_override("seal_keys", group="federation")


async def test_a_pod_without_the_image_is_passed_over(gateway: Gateway, cloud: Cloud) -> None:
    """Where only pods with a Glance of their own are, their words are told."""
    image = {"id": new_id(), "name": "new", "status": "active"}
    cloud.images[image["id"]] = image
    refused = await gateway.post(
        "/servers",
        wanted(cloud, imageRef=image["id"], availability_zone="az2", networks="none"),
        version="2.90",
    )
    assert (refused.status, refused.message) == (400, "Can not find requested image")
    await gateway.set_pod("pod1", availability_zone="az2")
    home = {"project_id": cloud.project_id, "pod_id": gateway.pod_ids[FOREIGN]}
    (await gateway.manage("POST", "/bindings", {"binding": home})).ok(201)
    for number in range(4):
        body = wanted(
            cloud,
            imageRef=image["id"],
            availability_zone="az2",
            networks="none",
            name=f"server {number}",
        )
        (await gateway.post("/servers", body, version="2.90")).ok(202)
    assert len(cloud.pods["pod1"].nova.live()) == 4
    volume = {"volume": {"size": 1, "imageRef": image["id"], "availability_zone": "az2"}}
    (await gateway.volumes.post("/volumes", volume)).ok(202)
    assert len(cloud.pods["pod1"].cinder.items["volume"]) == 1
