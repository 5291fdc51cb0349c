# SPDX-License-Identifier: Apache-2.0
"""What a project had in a pod is asked to become the region's, and told of."""

from tests.functional.gateway.admin.conftest import CALLERS, PROJECT, ROOT
from tricircle.db import adoptions


async def test_asked_and_told(api) -> None:
    pod = await api.pod()
    path = f"{ROOT}/pods/{pod['id']}/adoptions"
    body = {"adoption": {"project_id": PROJECT, "dry_run": True}}
    status, document = await api("POST", path, body)
    assert status == 202, document
    made = document["adoption"]
    assert (made["state"], made["action"], made["dry_run"]) == ("waiting", "adopt", True)
    assert made["region_name"] == "Pod1"
    status, document = await api("POST", path, body)
    assert status == 409
    assert made["id"] in document["error"]["message"]

    found = [{"resource_type": "network", "id": "n", "action": "leave", "reason": "why"}]
    adoptions.note(made["id"], adoptions.DONE, None, found)
    _, document = await api("GET", f"{path}/{made['id']}")
    assert document["adoption"]["objects"] == found
    _, document = await api("GET", path)
    assert [one["id"] for one in document["adoptions"]] == [made["id"]]
    assert "objects" not in document["adoptions"][0]
    status, _ = await api("POST", path, {"adoption": {"project_id": PROJECT, "action": "release"}})
    assert status == 202


async def test_what_is_wrong(api) -> None:
    pod = await api.pod()
    path = f"{ROOT}/pods/{pod['id']}/adoptions"
    for wrong in ({}, {"project_id": ""}, {"project_id": PROJECT, "action": "steal"}):
        assert (await api("POST", path, {"adoption": wrong}))[0] == 400
    body = {"adoption": {"project_id": PROJECT}}
    assert (await api("POST", f"{ROOT}/pods/x/adoptions", body))[0] == 404
    assert (await api("GET", f"{ROOT}/pods/x/adoptions"))[0] == 404
    assert (await api("GET", f"{path}/x"))[0] == 404


async def test_who_may(api) -> None:
    pod = await api.pod()
    path = f"{ROOT}/pods/{pod['id']}/adoptions"
    for who in CALLERS:
        status, _ = await api("POST", path, {"adoption": {}}, as_=who)
        assert status == (400 if who in ("admin", "system-admin") else 403), who
        status, _ = await api("GET", path, as_=who)
        everything = who in ("admin", "system-admin", "system-reader")
        assert status == (200 if everything else 403), who
