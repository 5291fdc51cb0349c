# SPDX-License-Identifier: Apache-2.0
import socket

import pytest

from tests.functional.gateway.admin.conftest import PROJECT, ROOT
from tricircle.db import bindings, definitions, pods, routings

PODS = f"{ROOT}/pods"


async def test_registering_a_pod(api, cloud) -> None:
    definitions.put("flavor", "1", {"ram": 64})
    pod = await api.pod(dc_name="dc1")
    assert pod["region_name"] == "Pod1"
    assert (pod["availability_zone"], pod["pod_availability_zone"]) == ("az1", "")
    assert (pod["dc_name"], pod["state"]) == ("dc1", "enabled")
    assert pod["health"]["state"] == "up"
    assert pod["health"]["latency_ms"] > 0
    assert pod["health"]["probed_at"].endswith("Z")
    assert pod["versions"]["compute"] == {"min": "2.1", "max": "2.104"}
    assert pod["endpoints"]["compute"] == f"{cloud.root}/compute/v2.1"
    assert await api("GET", f"{PODS}/{pod['id']}") == (200, {"pod": pod})
    assert definitions.pods_lacking("flavor") == {pod["id"]}, "what there is becomes wanted here"


async def test_the_answer_says_where_the_new_pod_is(api) -> None:
    wanted = {"pod": {"region_name": "Pod1", "availability_zone": "az1"}}
    answer = await api.client.post(PODS, json=wanted, headers={"X-Auth-Token": "admin"})
    pod = (await answer.json())["pod"]
    assert answer.headers["Location"] == str(api.client.make_url(f"{PODS}/{pod['id']}"))


async def test_a_region_is_registered_once(api) -> None:
    await api.pod()
    again = {"region_name": "Pod1", "availability_zone": "az2"}
    status, document = await api("POST", PODS, {"pod": again})
    assert status == 409
    assert "Pod1 is registered as a pod already" in document["error"]["message"]


@pytest.mark.parametrize("region", ["Nowhere", "RegionOne"])
async def test_the_region_must_be_one_of_a_pod(api, region) -> None:
    wanted = {"region_name": region, "availability_zone": "az1"}
    status, document = await api("POST", PODS, {"pod": wanted})
    assert status == 400
    assert region in document["error"]["message"]
    assert "Known regions: Pod1, Pod2, Pod3, Pod4, Pod5." in document["error"]["message"]
    assert pods.list_all() == []


async def test_an_unreachable_pod_is_told_with_url_and_reason_and_not_stored(api) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{unused.getsockname()[1]}"
    api.keystone.catalogue["Pod1"] = {**api.keystone.catalogue["Pod1"], "compute": f"{url}/v2.1"}
    wanted = {"region_name": "Pod1", "availability_zone": "az1"}
    status, document = await api("POST", PODS, {"pod": wanted})
    assert status == 502
    assert document["error"]["message"] == (
        f"Pod Pod1: its compute API at {url}/v2.1/: no connection (Connection refused). "
        "Nothing was stored."
    )
    assert pods.list_all() == []


async def test_a_pod_with_half_a_catalogue_is_not_stored(api) -> None:
    del api.keystone.catalogue["Pod1"]["network"]
    wanted = {"region_name": "Pod1", "availability_zone": "az1"}
    status, document = await api("POST", PODS, {"pod": wanted})
    assert status == 502
    assert "no internal endpoint of its network service" in document["error"]["message"]
    assert pods.list_all() == []


async def test_keystone_away(api) -> None:
    api.keystone.away = True
    wanted = {"region_name": "Pod1", "availability_zone": "az1"}
    status, document = await api("POST", PODS, {"pod": wanted})
    assert status == 503
    assert "Keystone did not answer" in document["error"]["message"]
    assert pods.list_all() == []


GOOD = {"region_name": "Pod1", "availability_zone": "az1"}


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (None, "Malformed request body"),
        ({}, "'pod' is a required property"),
        ([], "is not of type 'object'"),
        ({"pod": GOOD, "x": 1}, "'x' was unexpected"),
        ({"pod": {"region_name": "Pod1"}}, "pod: 'availability_zone' is a required property"),
        (
            {"pod": {**GOOD, "colour": "red"}},
            "pod: Additional properties are not allowed ('colour'",
        ),
        ({"pod": {**GOOD, "state": "off"}}, "pod.state: 'off' is not one of ['enabled'"),
        ({"pod": {**GOOD, "region_name": ""}}, "pod.region_name: ''"),
        ({"pod": {**GOOD, "region_name": 5}}, "pod.region_name: 5 is not of type 'string'"),
        ({"pod": {**GOOD, "region_name": " Pod1"}}, "must not begin or end with a space"),
        ({"pod": {**GOOD, "region_name": "x" * 256}}, "pod.region_name: "),
        ({"pod": {**GOOD, "availability_zone": "az:1"}}, "must not hold a colon"),
        ({"pod": {**GOOD, "availability_zone": "az1\n"}}, "must not hold a colon"),
        ({"pod": {**GOOD, "pod_availability_zone": "a:b"}}, "must not hold a colon"),
        ({"pod": {**GOOD, "dc_name": None}}, "pod.dc_name: None is not of type 'string'"),
        ({"pod": {**GOOD, "id": "x"}}, "'id' was unexpected"),
        ({"pod": {**GOOD, "labels": {"a b": "x"}}}, "is no name of a label"),
        ({"pod": {**GOOD, "labels": {"a": 1}}}, "pod.labels.a: 1 is not of type 'string'"),
        (
            {"pod": {**GOOD, "endpoints": {"compute": "http://a"}}},
            "pod.endpoints: 'network' is a required property",
        ),
        (
            {"pod": {**GOOD, "endpoints": {"compute": "http://u:p@a", "network": "http://a"}}},
            "is no http or https URL of a service",
        ),
        (
            {"pod": {**GOOD, "endpoints": {"compute": "file:///etc", "network": "http://a"}}},
            "is no http or https URL of a service",
        ),
        (
            {
                "pod": {
                    **GOOD,
                    "endpoints": dict.fromkeys(("compute", "network", "object"), "http://a"),
                }
            },
            "Additional properties are not allowed ('object'",
        ),
    ],
)
async def test_a_wrong_body_is_told_readably(api, body, told) -> None:
    status, document = await api("POST", PODS, body)
    assert status == 400
    assert document["error"]["code"] == 400
    assert told in document["error"]["message"]
    assert pods.list_all() == []


async def test_changing_a_pod(api) -> None:
    pod = await api.pod()
    change = {"state": "draining", "availability_zone": "az9", "pod_availability_zone": "nova"}
    status, document = await api("PATCH", f"{PODS}/{pod['id']}", {"pod": change})
    assert status == 200
    assert {name: document["pod"][name] for name in change} == change
    assert (await api("GET", f"{PODS}/{pod['id']}"))[1] == document


@pytest.mark.parametrize(
    "change", [{}, {"region_name": "Pod2"}, {"state": "off"}, {"health": "up"}]
)
async def test_what_cannot_be_changed(api, change) -> None:
    pod = await api.pod()
    status, _ = await api("PATCH", f"{PODS}/{pod['id']}", {"pod": change})
    assert status == 400
    assert (await api("GET", f"{PODS}/{pod['id']}"))[1]["pod"] == pod


@pytest.mark.parametrize("method", ["GET", "PATCH", "DELETE"])
async def test_an_unknown_pod(api, method) -> None:
    body = {"pod": {"state": "enabled"}} if method == "PATCH" else None
    status, document = await api(method, f"{PODS}/none", body)
    assert status == 404
    assert document["error"]["message"] == "Pod none could not be found."


async def test_deleting_an_empty_pod(api) -> None:
    pod = await api.pod()
    assert await api("DELETE", f"{PODS}/{pod['id']}") == (204, None)
    assert (await api("GET", PODS))[1] == {"pods": []}


async def test_deleting_a_pod_in_use(api) -> None:
    pod = await api.pod()
    url = f"{PODS}/{pod['id']}"
    routings.put("server", "s1", pod["id"], PROJECT)
    routings.put("server", "s2", pod["id"], PROJECT)
    bindings.ensure(PROJECT, pod["id"])
    definitions.put("flavor", "1", {})
    for query in ("", "?force=false"):
        status, document = await api("DELETE", url + query)
        assert status == 409
        assert "(server: 2, binding: 1)" in document["error"]["message"]
    assert (await api("DELETE", url + "?force=maybe"))[0] == 400
    assert (await api("DELETE", url + "?force=true"))[0] == 204
    assert routings.get("server", "s1") is None
    assert (await api("GET", url))[0] == 404


async def test_listing_in_pages(api) -> None:
    made = [await api.pod(f"Pod{number}", f"az{number % 2}") for number in range(1, 6)]
    path, seen = f"{PODS}?limit=2&state=enabled", []
    for expected in (2, 2, 1):
        _, document = await api("GET", path)
        assert len(document["pods"]) == expected
        seen += document["pods"]
        if expected == 2:
            (link,) = document["pods_links"]
            assert link["rel"] == "next"
            assert link["href"].startswith(str(api.client.make_url("")))
            path = link["href"].removeprefix(str(api.client.make_url("")).rstrip("/"))
    assert "pods_links" not in document
    assert sorted(seen, key=lambda pod: pod["region_name"]) == made


async def test_a_page_that_is_just_full_links_to_no_empty_one(api) -> None:
    await api.pod("Pod1")
    await api.pod("Pod2")
    assert "pods_links" not in (await api("GET", f"{PODS}?limit=2"))[1]


async def test_filters(api) -> None:
    one, two = await api.pod("Pod1", "az1"), await api.pod("Pod2", "az2", state="maintenance")
    for query, expected in (
        ("availability_zone=az1", [one]),
        ("region_name=Pod2", [two]),
        ("state=maintenance", [two]),
        ("health=down", []),
        ("limit=0", []),
        ("availability_zone=az1&state=maintenance", []),
    ):
        assert await api("GET", f"{PODS}?{query}") == (200, {"pods": expected})


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("limit=-1", "limit must be a whole number"),
        ("limit=x", "limit must be a whole number"),
        ("marker=none", "Marker none could not be found."),
        ("colour=red", "Unknown query parameter: colour. Known are availability_zone, "),
    ],
)
async def test_a_wrong_query(api, query, told) -> None:
    status, document = await api("GET", f"{PODS}?{query}")
    assert status == 400
    assert told in document["error"]["message"]


async def test_no_method_and_no_path_of_ours(api) -> None:
    answer = await api.client.put(PODS, headers={"X-Auth-Token": "admin"})
    assert (answer.status, answer.headers["Allow"]) == (405, "GET, POST")
    assert (await api("GET", f"{ROOT}/nothing"))[0] == 404


@pytest.mark.parametrize("path", ["/", ROOT, f"{ROOT}/"])
async def test_versions_need_no_token(api, path) -> None:
    status, document = await api("GET", path, as_="")
    assert status == 200
    (about,) = document["versions"] if path == "/" else (document["version"],)
    assert (about["id"], about["status"]) == ("v1.0", "CURRENT")
    assert about["links"] == [{"rel": "self", "href": str(api.client.make_url(f"{ROOT}/"))}]


async def test_what_became_of_a_pod(api) -> None:
    pod = await api.pod()
    path = f"{PODS}/{pod['id']}"
    changed = {"pod": {"state": "maintenance", "state_reason": "new switches"}}
    assert (await api("PATCH", path, changed))[0] == 200
    down = {"network": {"state": "down", "error": "no connection"}}
    pods.write_probe(pod["id"], lambda row: {"services": {**(row.services or {}), **down}})
    status, found = await api("GET", f"{path}/changes")
    assert status == 200
    network, state = found["changes"]
    assert (network["what"], network["before"], network["after"]) == ("network", "up", "down")
    assert (network["changed_by"], network["reason"]) == ("probe", "no connection")
    assert (state["before"], state["after"]) == ("enabled", "maintenance")
    assert state["reason"] == "new switches"
    assert state["changed_by"] not in ("", "probe")
    assert (await api("PATCH", path, {"pod": {"state_reason": "why?"}}))[0] == 400
    assert (await api("GET", f"{PODS}/nobody/changes"))[0] == 404
