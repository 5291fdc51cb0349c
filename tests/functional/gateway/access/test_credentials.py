# SPDX-License-Identifier: Apache-2.0
"""A pod where each project of ours has an application credential of a project there."""

import sqlite3
from typing import Any

import pytest
import pytest_asyncio

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.keystone import Keystone
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.access.test_who_may_what import boot
from tests.functional.gateway_harness import Answer, Gateway


@pytest.fixture
def theirs(cloud: Cloud) -> Keystone:
    """The pod's own Keystone, with two projects that were there before."""
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    keystone.user("tenant", "tenant project", "member", "reader")
    keystone.user("tenant2", "other project", "member", "reader")
    keystone.user("boss", "boss project", "admin", "member")
    keystone.user("watcher", "tenant project", "reader")
    return keystone


@pytest_asyncio.fixture
async def pod(gateway: Gateway, cloud: Cloud, theirs: Keystone) -> str:
    """The pod, registered anew; its id."""
    (await gateway.manage("DELETE", f"/pods/{gateway.pod_ids[FOREIGN]}")).ok(204)
    known = gateway_harness.managed(cloud, FOREIGN)
    access = {name: known[name] for name in ("auth_url", "insecure", "service")}
    body = {
        "region_name": FOREIGN,
        "availability_zone": "az2",
        "access": {"kind": "credentials", **access},
    }
    made = (await gateway.manage("POST", "/pods", {"pod": body})).ok(201)["pod"]
    return str(made["id"])


async def _give(gateway: Gateway, pod: str, project: str, credential: dict[str, Any]) -> Answer:
    path = f"/pods/{pod}/credentials/{project}"
    return await gateway.manage("PUT", path, {"credential": credential})


async def test_a_project_gets_in_by_its_credential(
    gateway: Gateway, cloud: Cloud, theirs: Keystone, pod: str, database: str
) -> None:
    refused = await gateway.get("/servers")
    assert refused.headers["X-Tricircle-Unavailable-Pods"] == FOREIGN
    credential = theirs.credential("tenant")
    told = (await _give(gateway, pod, cloud.project_id, credential)).ok(200)["credential"]
    there = theirs.projects["tenant project"].id
    assert told == {"project_id": cloud.project_id, "there": there}
    with sqlite3.connect(database.removeprefix("sqlite:///")) as tables:
        ((kept,),) = tables.execute("select secrets from pod_credentials").fetchall()
    assert credential["secret"] not in kept
    cloud.central.judges.pop(FOREIGN)
    server = await _boot(gateway, cloud)
    shown = (await gateway.get(f"/servers/{server}")).ok()["server"]
    assert shown["tenant_id"] == cloud.project_id
    assert theirs.users["tenant"].id not in str(shown)
    assert (await gateway.get(f"/servers/{server}", user="reader")).ok()
    for method, path, body in (
        ("DELETE", f"/servers/{server}", None),
        ("PUT", f"/servers/{server}", {"server": {"name": "x"}}),
        ("POST", f"/servers/{server}/action", {"os-stop": None}),
    ):
        assert (await gateway.call(method, path, body, user="reader")).status == 403
    assert (await gateway.get(f"/servers/{server}", user="other")).status == 403
    (await gateway.manage("DELETE", f"/pods/{pod}/credentials/{cloud.project_id}")).ok(204)
    assert (await gateway.get(f"/servers/{server}")).status == 403


async def _boot(gateway: Gateway, cloud: Cloud) -> str:
    return await boot(gateway, networks="none")


async def test_what_does_not_work_is_not_kept(
    gateway: Gateway, cloud: Cloud, theirs: Keystone, pod: str
) -> None:
    good = theirs.credential("tenant")
    for project, credential, reason in (
        (cloud.project_id, {**good, "secret": "S3cretWrong"}, "refused POST /auth/tokens"),
        (cloud.project_id, theirs.credential("boss"), "has the role admin"),
        (cloud.project_id, theirs.credential("watcher"), "has not the role member"),
    ):
        answer = await _give(gateway, pod, project, credential)
        assert answer.status == 400, answer.body
        assert reason in answer.message
        assert "S3cret" not in answer.message
        assert "Nothing was stored" in answer.message
    listed = (await gateway.manage("GET", f"/pods/{pod}/projects")).ok()["projects"]
    assert cloud.project_id not in {row["project_id"] for row in listed}
    (await _give(gateway, pod, cloud.project_id, good)).ok()
    # Nobody else's project, nor another for the same.
    other = cloud.keystone.projects["other"].id
    assert (await _give(gateway, pod, other, theirs.credential("tenant"))).status == 400
    assert (await _give(gateway, pod, cloud.project_id, theirs.credential("tenant2"))).status == 400
    managed = f"/pods/{gateway.pod_ids['pod1']}/credentials/{other}"
    assert (await gateway.manage("PUT", managed, {"credential": good})).status == 400


async def test_keypairs_of_two_users_are_two_where_both_are_one_account(
    gateway: Gateway, cloud: Cloud, theirs: Keystone, pod: str
) -> None:
    (await _give(gateway, pod, cloud.project_id, theirs.credential("tenant"))).ok(200)
    cloud.central.judges.pop(FOREIGN)
    cloud.keystone.user("colleague", "demo", "member", "reader")
    made = {}
    for user, key in (("member", "ssh-ed25519 AAAA member"), ("colleague", "ssh-ed25519 AAAB x")):
        body = {"keypair": {"name": "mine", "public_key": key}}
        (await gateway.post("/os-keypairs", body, user=user)).ok()
        made[user] = await boot(gateway, user, networks="none", key_name="mine")
    listed = (await gateway.get("/servers/detail")).ok()["servers"]
    assert {one["id"]: one["key_name"] for one in listed} == dict.fromkeys(made.values(), "mine")
    inside = {server.id: server.key_name for server in cloud.pods[FOREIGN].nova.live()}
    assert inside[made["member"]] != inside[made["colleague"]]
    assert all(name.startswith("mine-t") for name in inside.values())
    asked = cloud.journal.find(f"{FOREIGN}/compute", "POST", "/os-keypairs$")
    assert len(asked) == 2
    assert all("user_id" not in entry.json["keypair"] for entry in asked)
    # Made anew, it is another there, too; and it is not made when it is there.
    (await gateway.delete("/os-keypairs/mine")).ok(202)
    body = {"keypair": {"name": "mine", "public_key": "ssh-ed25519 AAAC new"}}
    (await gateway.post("/os-keypairs", body)).ok()
    for _ in range(2):
        await boot(gateway, networks="none", key_name="mine")
    asked = cloud.journal.find(f"{FOREIGN}/compute", "POST", "/os-keypairs$")
    assert [entry.json["keypair"]["public_key"] for entry in asked[2:]] == ["ssh-ed25519 AAAC new"]
