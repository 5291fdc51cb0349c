# SPDX-License-Identifier: Apache-2.0
import pytest

from tests.functional.gateway.admin.conftest import PROJECT, ROOT
from tricircle.db import bindings, pods, routings

OTHER = "e" * 32
BINDINGS, ROUTINGS = f"{ROOT}/bindings", f"{ROOT}/routings"


async def test_the_life_of_a_binding(api) -> None:
    pod = await api.pod()
    wanted = {"binding": {"project_id": PROJECT, "pod_id": pod["id"]}}
    status, document = await api("POST", BINDINGS, wanted)
    assert status == 201
    binding = document["binding"]
    assert binding["project_id"] == PROJECT
    assert (binding["pod_id"], binding["region_name"]) == (pod["id"], "Pod1")
    assert await api("GET", f"{BINDINGS}/{binding['id']}") == (200, document)
    assert await api("GET", BINDINGS) == (200, {"bindings": [binding]})
    status, document = await api("POST", BINDINGS, wanted)
    assert status == 409
    assert "already" in document["error"]["message"]
    assert binding["by_operator"]
    assert await api("DELETE", f"{BINDINGS}/{binding['id']}") == (204, None)
    assert (await api("GET", f"{BINDINGS}/{binding['id']}"))[0] == 404
    assert (await api("DELETE", f"{BINDINGS}/{binding['id']}"))[0] == 404


async def test_a_binding_by_use_becomes_the_operators(api) -> None:
    pod = await api.pod()
    bindings.ensure(PROJECT, pod["id"])
    (by_use,) = (await api("GET", BINDINGS))[1]["bindings"]
    assert not by_use["by_operator"]
    wanted = {"binding": {"project_id": PROJECT, "pod_id": pod["id"]}}
    status, document = await api("POST", BINDINGS, wanted)
    assert (status, document["binding"]) == (201, {**by_use, "by_operator": True})
    assert (await api("POST", BINDINGS, wanted))[0] == 409


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"project_id": "f" * 32}, f"Project {'f' * 32} could not be found."),
        ({"pod_id": "none"}, "Pod none could not be found."),
        ({"project_id": "a/b"}, "'a/b' is no id of a project"),
        ({"colour": "red"}, "'colour' was unexpected"),
    ],
)
async def test_a_wrong_binding(api, change, told) -> None:
    pod = await api.pod()
    wanted = {"project_id": PROJECT, "pod_id": pod["id"], **change}
    status, document = await api("POST", BINDINGS, {"binding": wanted})
    assert status == 400
    assert told in document["error"]["message"]
    assert bindings.page() == []


async def test_a_project_is_believed_while_keystone_is_away(api) -> None:
    pod = await api.pod()
    api.keystone.away = True
    wanted = {"project_id": "f" * 32, "pod_id": pod["id"]}
    assert (await api("POST", BINDINGS, {"binding": wanted}))[0] == 201


async def test_binding_filters(api) -> None:
    one, two = await api.pod("Pod1"), await api.pod("Pod2")
    bindings.ensure(PROJECT, one["id"])
    bindings.ensure(OTHER, two["id"])
    for query, expected in (
        (f"project_id={OTHER}", [(OTHER, "Pod2")]),
        (f"pod_id={one['id']}", [(PROJECT, "Pod1")]),
        ("region_name=Pod1", [(PROJECT, "Pod1")]),
        (f"region_name=Pod1&pod_id={two['id']}", []),
        ("region_name=Nowhere", []),
    ):
        status, document = await api("GET", f"{BINDINGS}?{query}")
        assert status == 200
        found = [(item["project_id"], item["region_name"]) for item in document["bindings"]]
        assert found == expected, query


async def test_where_is_this_id(api) -> None:
    one, two = await api.pod("Pod1"), await api.pod("Pod2")
    routings.put("server", "s1", one["id"], PROJECT, {"ports": ["secret of the gateway"]})
    routings.put("server", "s2", two["id"], OTHER)
    status, document = await api("GET", f"{ROUTINGS}/s2")
    assert status == 200
    routing = document["routing"]
    assert routing.pop("created_at")
    assert routing == {
        "resource_type": "server",
        "resource_id": "s2",
        "pod_id": two["id"],
        "region_name": "Pod2",
        "project_id": OTHER,
    }
    assert (await api("GET", f"{ROUTINGS}/s3"))[0] == 404
    for query, expected in (
        ("", ["s1", "s2"]),
        ("?resource_id=s1", ["s1"]),
        ("?region_name=Pod2", ["s2"]),
        (f"?pod_id={one['id']}", ["s1"]),
        (f"?project_id={OTHER}", ["s2"]),
        ("?resource_type=volume", []),
    ):
        status, document = await api("GET", ROUTINGS + query)
        assert status == 200
        assert [item["resource_id"] for item in document["routings"]] == expected, query


async def test_an_id_that_several_types_have(api) -> None:
    pod = await api.pod()
    routings.put("server", "x", pod["id"], PROJECT)
    routings.put("volume", "x", pod["id"], PROJECT)
    status, document = await api("GET", f"{ROUTINGS}/x")
    assert status == 409
    assert "server, volume" in document["error"]["message"]
    status, document = await api("GET", f"{ROUTINGS}/x?resource_type=volume")
    assert (status, document["routing"]["resource_type"]) == (200, "volume")


async def test_routings_in_pages(api) -> None:
    pod = await api.pod()
    keys = {(kind, f"id{number}") for number in range(3) for kind in ("server", "volume")}
    for kind, name in keys:
        routings.put(kind, name, pod["id"], PROJECT)
    path, seen = f"{ROUTINGS}?limit=1&project_id={PROJECT}", []
    while path:
        _, document = await api("GET", path)
        seen += [(item["resource_type"], item["resource_id"]) for item in document["routings"]]
        links = document.get("routings_links")
        base = str(api.client.make_url("")).rstrip("/")
        path = links[0]["href"].removeprefix(base) if links else None
    assert len(seen) == len(keys)
    assert set(seen) == keys


async def test_a_pod_that_another_process_registered_is_known(api) -> None:
    pod = pods.create({"region_name": "Pod5", "availability_zone": "az"})
    wanted = {"binding": {"project_id": PROJECT, "pod_id": pod.id}}
    _, document = await api("POST", BINDINGS, wanted)
    assert document["binding"]["region_name"] == "Pod5"
    other = pods.create({"region_name": "Pod6", "availability_zone": "az"})
    routings.put("server", "s", other.id, PROJECT)
    _, document = await api("GET", f"{ROUTINGS}?region_name=Pod6")
    assert [item["region_name"] for item in document["routings"]] == ["Pod6"]
