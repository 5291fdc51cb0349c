# SPDX-License-Identifier: Apache-2.0
"""Every list while a pod is away: it says what it is without, and never that nothing is there."""

import uuid
from collections.abc import Iterable

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.gateway.compute import routes as compute_routes
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.volume import routes as volume_routes

AWAY = "X-Tricircle-Unavailable-Pods"
NEWEST = {"compute": "2.95", "volume": "3.70"}
GONE = str(uuid.UUID(int=0xDEAD))


async def ask(gateway: Gateway, service: str, path: str, user: str, version: str = "") -> Answer:
    api = gateway if service == "compute" else gateway.volumes
    return await api.get(path, user=user, version=version or NEWEST[service])


def lists(routes: Iterable[Route]) -> list[Route]:
    return [
        route
        for route in routes
        if route.method == "GET" and route.way is Way.SCATTERED and "{" not in route.path
    ]


LISTS = [
    *(("compute", route) for route in lists(compute_routes.ROUTES)),
    *(("volume", route) for route in lists(volume_routes.ROUTES)),
]


def version_of(service: str, route: Route) -> str:
    """The newest at which there is such a list."""
    newest = tuple(int(part) for part in NEWEST[service].split("."))
    major, minor = min(newest, route.last or newest)
    return f"{major}.{minor}"


async def test_every_list_says_to_everybody_which_pod_it_is_without(
    gateway: Gateway, cloud: Cloud
) -> None:
    shown = []
    for service, route in LISTS:
        for user in ("member", "admin"):
            what = (service, route.path, user, version_of(service, route))
            answer = await ask(gateway, *what)
            assert AWAY not in answer.headers, what
            if answer.status == 200:
                shown.append(what)
    assert len(shown) > 60
    cloud.pods["pod2"].stop()
    silent = []
    for what in shown:
        answer = await ask(gateway, *what)
        assert answer.status in (200, 503), what
        if answer.headers.get(AWAY) != "pod2" and "pod2" not in str(answer.body):
            silent.append(what)
    assert silent == []


# What clients look for things by: service, path, microversion.
SOUGHT = [
    ("compute", "/servers?name=gone", ""),
    ("compute", "/servers?name=gone", "2.1"),
    ("compute", "/servers?hostname=gone", "2.90"),
    ("compute", "/servers/detail?name=%5Egone%24", ""),
    ("compute", f"/servers/detail?uuid={GONE}", ""),
    ("compute", "/servers/detail?ip=10.0.0.9", ""),
    ("compute", "/servers/detail?ip6=2001:db8::9", ""),
    ("compute", "/servers/detail?name=gone&all_tenants=1&status=ACTIVE", ""),
    ("compute", "/servers?host=gone&all_tenants=1", ""),
    ("compute", "/servers?tags=gone", ""),
    ("compute", "/servers?reservation_id=r-gone", ""),
    ("compute", "/os-services?host=gone", ""),
    ("compute", f"/os-migrations?instance_uuid={GONE}", ""),
    ("compute", "/os-migrations?host=gone", "2.1"),
    ("compute", "/os-hypervisors?hypervisor_hostname_pattern=gone", ""),
    ("compute", "/os-hypervisors/gone/search", "2.1"),
    ("volume", "/volumes?name=gone", ""),
    ("volume", "/volumes/detail?name=gone", ""),
    ("volume", "/volumes/detail?display_name=gone", "3.0"),
    ("volume", "/volumes/detail?name~=gone", ""),
    ("volume", "/volumes/detail?metadata=%7B%27a%27%3A%27b%27%7D", ""),
    ("volume", "/snapshots?name=gone", ""),
    ("volume", f"/snapshots/detail?volume_id={GONE}", ""),
    ("volume", "/backups?name=gone", ""),
    ("volume", f"/backups/detail?volume_id={GONE}", ""),
    ("volume", "/groups?name=gone", ""),
    ("volume", "/group_snapshots/detail?name=gone", ""),
    ("volume", f"/attachments?volume_id={GONE}", ""),
    ("volume", f"/attachments/detail?instance_id={GONE}", ""),
    ("volume", f"/messages?resource_uuid={GONE}", ""),
    ("volume", "/volume-transfers/detail?name=gone", ""),
    ("volume", "/os-services?host=gone", ""),
]


async def test_what_is_looked_for_and_may_be_in_a_pod_that_is_away_is_not_said_to_be_none(
    gateway: Gateway, cloud: Cloud
) -> None:
    cloud.pods["pod2"].stop()
    wrong = []
    for service, path, version in SOUGHT:
        answer = await ask(gateway, service, path, "admin", version)
        if answer.status != 503 or "pod2" not in answer.message:
            wrong.append((path, answer.status, answer.body))
    assert wrong == []
    # Nor for members, and another filter is not one by which anything is looked for.
    for service, path in (("compute", "/servers?name=gone"), ("volume", "/volumes?name=gone")):
        assert (await ask(gateway, service, path, "member")).status == 503
    answer = await ask(gateway, "compute", "/servers?status=ERROR", "member")
    assert (answer.ok(200), answer.headers[AWAY]) == ({"servers": []}, "pod2")


async def test_what_is_looked_for_and_nowhere_is_none(gateway: Gateway) -> None:
    for service, path, version in SOUGHT:
        answer = await ask(gateway, service, path, "admin", version)
        assert answer.status in (200, 404), path


async def test_what_is_found_elsewhere_is_told(gateway: Gateway, cloud: Cloud) -> None:
    one = cloud.pods["pod1"].nova.add_server("one")
    cloud.pods["pod1"].cinder.add_volume("one")
    cloud.pods["pod2"].stop()
    for path in ("/servers?name=one", f"/servers/detail?uuid={one.id}"):
        answer = await gateway.get(path)
        assert len(answer.ok(200)["servers"]) == 1
        assert answer.headers[AWAY] == "pod2"
    answer = await gateway.volumes.get("/volumes?name=one&limit=1")
    (found,) = answer.ok(200)["volumes"]
    # The page after what was found is empty, as it should be.
    answer = await gateway.volumes.get(f"/volumes?name=one&limit=1&marker={found['id']}")
    assert (answer.ok(200), answer.headers[AWAY]) == ({"volumes": []}, "pod2")


@pytest.mark.parametrize("service", ["compute", "volume"])
async def test_a_marker_that_may_be_in_a_pod_that_is_away(
    gateway: Gateway, cloud: Cloud, service: str
) -> None:
    pod = cloud.pods["pod2"]
    there = (
        pod.nova.add_server("x").id if service == "compute" else pod.cinder.add_volume("x")["id"]
    )
    path = "/servers/detail" if service == "compute" else "/volumes/detail"
    pod.stop()
    for marker in (there, GONE):
        answer = await ask(gateway, service, f"{path}?marker={marker}", "member")
        assert answer.status == 503
        assert "pod2" in answer.message
