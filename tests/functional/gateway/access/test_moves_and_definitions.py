# SPDX-License-Identifier: Apache-2.0
"""Volumes, keypairs, flavors, server groups of a pod with a Keystone of its own."""

import asyncio

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.keystone import Keystone
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.access.test_who_may_what import KEY, boot
from tests.functional.gateway.volume.test_attach_moves import attach, made, worked
from tests.functional.gateway_harness import Gateway
from tests.functional.volumes import volumes
from tricircle.db.work_queue import own_queue
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.definitions import Definitions


@pytest.fixture
def theirs(cloud: Cloud) -> Keystone:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    return keystone


def _there(theirs: Keystone) -> str:
    """The project there that stands for that of the users ``member`` and ``reader``."""
    (found,) = [one.id for one in theirs.projects.values() if one.name.startswith("demo-")]
    return found


async def test_an_empty_volume_follows_a_server_and_belongs_to_its_project(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server, volume = await boot(gateway), await made(gateway)
    asked = asyncio.create_task(attach(gateway, server, volume))
    (await worked(gateway, volume, asked)).ok(200)
    ((region, inside),) = volumes(cloud)
    assert (region, inside["project_id"]) == (FOREIGN, _there(theirs))
    shown = (await gateway.volumes.get(f"/volumes/{volume}")).ok()["volume"]
    assert shown["os-vol-tenant-attr:tenant_id"] == cloud.project_id


async def test_what_may_hold_data_is_not_moved(gateway: Gateway, cloud: Cloud) -> None:
    server = await boot(gateway)
    volume = cloud.pods["pod1"].cinder.add_volume(size=1, content="letters")["id"]
    refused = await attach(gateway, server, volume)
    assert refused.status == 400
    assert f"pod {FOREIGN} has its own" in refused.message
    wanted = {"move": {"region_name": FOREIGN}}
    refused = await gateway.manage("POST", f"/volumes/{volume}/move", wanted)
    assert refused.status == 409
    assert f"pod {FOREIGN} has its own" in refused.message


async def test_a_keypair_is_the_users_account_there(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    key = {"keypair": {"name": "mine", "public_key": KEY, "type": "ssh"}}
    (await gateway.post("/os-keypairs", key, version="2.90")).ok()
    await boot(gateway, key_name="mine")
    assert not cloud.journal.find(f"{FOREIGN}/compute", "POST", "/os-keypairs$")[1:]
    (entry,) = cloud.journal.find(f"{FOREIGN}/compute", "POST", "/os-keypairs$")
    account = next(
        one for one in theirs.users.values() if one.id == entry.json["keypair"]["user_id"]
    )
    assert account.name.endswith(".member")
    (await gateway.delete("/os-keypairs/mine")).ok(202)
    with_key = await gateway.get("/os-keypairs")
    assert with_key.ok()["keypairs"] == []


async def test_a_private_flavor_is_for_the_project_that_stands_for_ours(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    await boot(gateway)
    flavor = {"name": "f", "ram": 64, "vcpus": 1, "disk": 1, "os-flavor-access:is_public": False}
    made = (await gateway.post("/flavors", {"flavor": flavor}, user="admin")).ok()["flavor"]
    access = {"addTenantAccess": {"tenant": cloud.project_id}}
    path = f"/flavors/{made['id']}"
    (await gateway.post(f"{path}/action", access, user="admin")).ok()
    (entry,) = cloud.journal.find(f"{FOREIGN}/compute", "POST", f"{path}/action")
    assert entry.json == {"addTenantAccess": {"tenant": _there(theirs)}}
    assert entry.status == 200
    told = (await gateway.get(f"{path}/os-flavor-access", user="admin")).ok()["flavor_access"]
    assert [one["tenant_id"] for one in told] == [cloud.project_id]
    await boot(gateway, flavorRef=made["id"])


async def test_a_server_group(gateway: Gateway, cloud: Cloud) -> None:
    group = {"server_group": {"name": "g", "policy": "anti-affinity"}}
    made = (await gateway.post("/os-server-groups", group, version="2.90")).ok()["server_group"]
    network = cloud.central.network(cloud.project_id)["id"]
    body = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "availability_zone": "az2",
            "networks": [{"uuid": network}],
        },
        "os:scheduler_hints": {"group": made["id"]},
    }
    server = (await gateway.post("/servers", body, version="2.90")).ok(202)["server"]["id"]
    shown = (await gateway.get(f"/servers/{server}", version="2.90")).ok()["server"]
    assert shown["server_groups"] == [made["id"]]
    assert len(cloud.pods[FOREIGN].nova.live()) == 1


async def test_xjob_brings_what_a_user_made_who_was_never_there(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    """It has no user's token, and needs none."""
    pod = gateway.services.registry.by_region(FOREIGN)
    assert pod is not None
    cloud.pods[FOREIGN].stop()
    key = {"keypair": {"name": "mine", "public_key": KEY, "type": "ssh"}}
    (await gateway.post("/os-keypairs", key, version="2.90")).ok()
    cloud.pods[FOREIGN].start()
    before = set(theirs.users)

    def work() -> None:
        services = PodServices(ServiceIdentity())
        own_queue().requeue_now(pod.id)
        Worker(own_queue(), [Definitions(services)]).run(pod)

    await asyncio.to_thread(work)
    (account,) = [theirs.users[name] for name in set(theirs.users) - before]
    assert account.name.endswith(".member")
    # Made there by nobody else meanwhile, and used by the user when they come.
    gateway.close_breakers()
    await boot(gateway, key_name="mine")
    assert [one for one in theirs.users.values() if one.name == account.name] == [account]
