# SPDX-License-Identifier: Apache-2.0
"""Each microversion of the Block Storage API: what a pod answers, the gateway answers."""

import re
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway

HEADER = "OpenStack-API-Version"
VERSIONS = [f"3.{minor}" for minor in range(72)]
Object = dict[str, Any]


def paths(cloud: Cloud) -> list[str]:
    """Of everything there is one, all in one pod."""
    cinder = cloud.pods["pod2"].cinder
    volume, group = cinder.add_volume("one"), cinder.add_group()
    things = {
        "volumes": volume,
        "snapshots": cinder.add_snapshot(volume),
        "backups": cinder.add_backup(volume),
        "groups": group,
        "group_snapshots": cinder.add_group_snapshot(group),
        "attachments": cinder.add_attachment(volume, "server"),
        "messages": cinder.add_message(),
    }
    transfer = cinder.put("transfer", *cinder.owner("member"), volume_id=volume["id"],
                          no_snapshots=False)  # fmt: skip
    found = [f"/{name}/{item['id']}" for name, item in things.items()]
    found += [f"/{name}" for name in things]
    found += [f"/{name}/detail" for name in things if name != "messages"]
    for base in ("/os-volume-transfer", "/volume-transfers"):
        found += [base, f"{base}/detail", f"{base}/{transfer['id']}"]
    found += [f"/volumes/{volume['id']}/metadata", f"/volumes/{volume['id']}/encryption"]
    return [*found, "/volumes/summary", "/extensions", "/resource_filters"]


def plain(text: bytes) -> str:
    """Without what legitimately differs: hosts, request ids, the zone users know."""
    found = re.sub(r"http://127\.0\.0\.1:\d+", "", text.decode())
    found = re.sub(r"\s", "", found)
    return re.sub(r'"availability_zone":"(nova|az2)"', '"availability_zone":""', found)


@pytest.mark.parametrize("user", ["member", "admin"])
@pytest.mark.parametrize("group", range(4))
async def test_every_microversion(gateway: Gateway, cloud: Cloud, user: str, group: int) -> None:
    url = cloud.pods["pod2"].cinder.url
    for path in paths(cloud):
        for version in VERSIONS[group::4]:
            ours = await gateway.volumes.get(path, version=version, user=user)
            theirs = await gateway.volumes.get(path, version=version, user=user, base=f"{url}/v3")
            assert ours.status == theirs.status, (path, version, ours.body, theirs.body)
            if ours.status == 200:
                assert plain(ours.body) == plain(theirs.body), (path, version)
            assert ours.headers[HEADER] == f"volume {version}"
            assert HEADER in ours.headers["Vary"]


@pytest.mark.parametrize(
    ("asked", "status", "told"),
    [
        (None, 200, "3.0"),
        ("volume latest", 200, "3.71"),
        ("compute 2.90", 200, "3.0"),
        ("volume 3.72", 406, "3.72"),
        ("volume 2.0", 406, "2.0"),
        ("volume x", 400, "3.0"),
    ],
)
async def test_negotiation(gateway: Gateway, asked: str | None, status: int, told: str) -> None:
    headers = {HEADER: asked} if asked is not None else {}
    answer = await gateway.volumes.get("/volumes", headers=headers)
    assert (answer.status, answer.headers[HEADER]) == (status, f"volume {told}")


async def test_the_range_is_what_all_pods_have(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod2"].cinder.max_version = (3, 60)
    versions = {"compute": {"min": "2.1", "max": "2.104"}, "volume": {"min": "3.0", "max": "3.60"}}
    await gateway.set_pod("pod2", versions=versions)
    assert (await gateway.volumes.get("/volumes", version="3.61")).status == 406
    document = (await gateway.get("/", base=gateway.volume, user=None)).json
    assert document["versions"][0]["version"] == "3.60"


async def test_urls_with_and_without_the_project(gateway: Gateway, cloud: Cloud) -> None:
    volume: Object = cloud.pods["pod1"].cinder.add_volume("one")
    for prefix in ("", f"/{cloud.project_id}"):
        shown = (await gateway.volumes.get(f"{prefix}/volumes/{volume['id']}")).ok(200)["volume"]
        for link in shown["links"]:
            assert link["href"].startswith(gateway.volume)
            assert (cloud.project_id in link["href"]) == bool(prefix)
    assert (await gateway.volumes.get(f"/{'0' * 32}/volumes")).status == 400
