# SPDX-License-Identifier: Apache-2.0
"""A pod with a Keystone of its own is tried before it is stored; its secrets are told nobody."""

import asyncio
import sqlite3
from typing import Any

import pytest

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.conf import CONF
from tricircle.db import pod_accounts
from tricircle.pods.access import sealing


def _access(cloud: Cloud, **more: Any) -> dict[str, Any]:
    return {"kind": "managed", **gateway_harness.managed(cloud, FOREIGN), **more}


async def _register(gateway: Gateway, access: dict[str, Any], name: str = FOREIGN) -> Answer:
    pod = {"region_name": name, "availability_zone": "az2", "access": access}
    return await gateway.manage("POST", "/pods", {"pod": pod})


@pytest.fixture
def wrong(cloud: Cloud) -> dict[str, dict[str, Any]]:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    keystone.user("nobody", "service there", "member")
    service = _access(cloud)["service"]
    return {
        "There is no access of the kind magic": {"kind": "magic"},
        "'domain' is a required property": {
            key: value for key, value in _access(cloud).items() if key != "domain"
        },
        "was unexpected": _access(cloud, surprise=1),
        "is no https:// URL": _access(cloud, insecure=False),
        "does not let Tricircle's own account in": _access(
            cloud, service={**service, "password": "S3cretWrong"}
        ),
        "has not the role admin": _access(cloud, service={**service, "username": "nobody"}),
        "refused POST /auth/tokens": _access(
            cloud, manager={"username": "tricircle-manager", "password": "S3cretWrong"}
        ),
        "no public compute endpoint in region Elsewhere": _access(cloud, region="Elsewhere"),
        "access.levels": _access(cloud, levels=["owner"]),
    }


async def test_nothing_is_stored_that_does_not_work(
    gateway: Gateway, cloud: Cloud, wrong: dict[str, dict[str, Any]]
) -> None:
    (await gateway.manage("DELETE", f"/pods/{gateway.pod_ids[FOREIGN]}")).ok(204)
    for reason, access in wrong.items():
        answer = await _register(gateway, access)
        assert answer.status == 400, (reason, answer.body)
        assert reason in answer.message
        assert "S3cret" not in answer.message
    cloud.pods[FOREIGN].keystone.stop()  # type: ignore[union-attr]
    assert (await _register(gateway, _access(cloud))).status == 502
    listed = (await gateway.manage("GET", "/pods")).ok()["pods"]
    assert FOREIGN not in {pod["region_name"] for pod in listed}


async def test_without_a_key_nothing_is_kept(gateway: Gateway, cloud: Cloud) -> None:
    (await gateway.manage("DELETE", f"/pods/{gateway.pod_ids[FOREIGN]}")).ok(204)
    CONF.set_override("seal_keys", [], group="federation")
    try:
        answer = await _register(gateway, _access(cloud))
    finally:
        CONF.clear_override("seal_keys", group="federation")
    assert answer.status == 400
    assert "seal_keys" in answer.message


async def test_a_pod_is_registered_and_used(gateway: Gateway, cloud: Cloud, database: str) -> None:
    (await gateway.manage("DELETE", f"/pods/{gateway.pod_ids[FOREIGN]}")).ok(204)
    made = (await _register(gateway, _access(cloud))).ok(201)["pod"]
    assert made["access"]["kind"] == "managed"
    assert made["endpoints"]["compute"] == f"{cloud.pods[FOREIGN].nova.url}/v2.1"
    shown = (await gateway.manage("GET", f"/pods/{made['id']}")).ok()["pod"]
    for pod in (made, shown):
        assert "secret" not in str(pod["access"]), pod["access"]
        assert "password" not in str(pod["access"])
        assert "master" not in pod["access"]
    with sqlite3.connect(database.removeprefix("sqlite:///")) as tables:
        ((kept, sealed),) = tables.execute(
            "select access_config, access_secrets from pods where region_name = ?", [FOREIGN]
        )
    for text in (f"manager of {FOREIGN}", '"secret"'):
        assert text not in kept + sealed
    (await gateway.get("/servers")).ok()
    assert cloud.journal.find(f"{FOREIGN}/compute", "GET", "/servers")


async def test_passwords_are_changed_and_the_kind_is_not(gateway: Gateway, cloud: Cloud) -> None:
    (await gateway.get("/servers")).ok()
    keystone, path = cloud.pods[FOREIGN].keystone, f"/pods/{gateway.pod_ids[FOREIGN]}"
    assert keystone is not None
    keystone.users["tricircle-manager"].password = "another"
    manager = {"username": "tricircle-manager", "password": "another"}
    changed = {"pod": {"access": _access(cloud, manager=manager)}}
    (await gateway.manage("PATCH", path, changed)).ok()
    # The accounts that were there are so still, with the passwords they had.
    before = dict(keystone.users)
    (await gateway.get("/servers")).ok()
    assert dict(keystone.users) == before
    assert not cloud.journal.find(f"{FOREIGN}/identity", "PATCH", "/users/")
    answer = await gateway.manage("PATCH", path, {"pod": {"access": {"kind": "shared"}}})
    assert answer.status == 400
    assert "stays so" in answer.message


async def test_the_map_of_projects(gateway: Gateway, cloud: Cloud) -> None:
    pod_id = gateway.pod_ids[FOREIGN]
    path = f"/pods/{pod_id}/projects"
    (await gateway.get("/servers")).ok()
    there = await asyncio.to_thread(pod_accounts.project_there, pod_id, cloud.project_id)
    listed = (await gateway.manage("GET", path)).ok()["projects"]
    assert (cloud.project_id, there) in {(row["project_id"], row["there"]) for row in listed}
    for project_id, theirs, status in (
        (cloud.project_id, there, 200),
        (cloud.project_id, "b" * 32, 409),
        ("a" * 32, there, 409),
        ("a" * 32, "b" * 32, 200),
    ):
        said = {"project": {"there": theirs}}
        answer = await gateway.manage("PUT", f"{path}/{project_id}", said)
        assert answer.status == status, answer.body
    shared = await gateway.manage("GET", f"/pods/{gateway.pod_ids['pod1']}/projects")
    assert shared.status == 400
    assert (await gateway.manage("GET", path, user="member")).status == 403


async def test_keys_are_changed(gateway: Gateway, cloud: Cloud, database: str) -> None:
    """A new key opens what the old one sealed; what is sealed anew needs the old one no more."""
    old, new = gateway_harness.FEDERATION_KEY, sealing.new_key()

    def sealed() -> str:
        with sqlite3.connect(database.removeprefix("sqlite:///")) as tables:
            query = "select access_secrets from pods where region_name = ?"
            ((found,),) = tables.execute(query, [FOREIGN]).fetchall()
        return str(found)

    before = sealed()
    CONF.set_override("seal_keys", [new, old], group="federation")
    try:
        (await gateway.get("/servers")).ok()
        assert await asyncio.to_thread(pod_accounts.reseal, sealing.reseal) == 1
        assert sealed() != before
        CONF.set_override("seal_keys", [new], group="federation")
        await gateway.refresh()
        cloud.journal.clear()
        (await gateway.get("/servers")).ok()
        assert cloud.journal.find(f"{FOREIGN}/compute", "GET", "/servers")
        CONF.set_override("seal_keys", [old], group="federation")
        with pytest.raises(sealing.SealError):
            sealing.unseal(sealed())
    finally:
        CONF.clear_override("seal_keys", group="federation")
