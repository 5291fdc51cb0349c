# SPDX-License-Identifier: Apache-2.0
"""Who may do what, over the real pipeline and oslo.policy."""

import dataclasses

import pytest
import yaml

from tests.functional.gateway.admin.conftest import CALLERS, PROJECT, ROOT, caller
from tricircle import policies
from tricircle.db import bindings, routings
from tricircle.gateway.admin import routes as admin

OTHER = "e" * 32
READS = [("GET", path) for path in ("/pods", "/bindings", "/routings", "/jobs", "/repairs")]
WRITES = [
    ("POST", "/pods"),
    ("PATCH", "/pods/x"),
    ("DELETE", "/pods/x"),
    ("POST", "/bindings"),
    ("DELETE", "/bindings/x"),
    ("PUT", "/jobs/x"),
]


@pytest.mark.parametrize(("method", "path"), READS)
async def test_who_may_read(api, method, path) -> None:
    for who in CALLERS:
        status, _ = await api(method, ROOT + path, as_=who)
        assert status == (403 if who == "nobody" else 200), who
    assert (await api(method, ROOT + path, as_=""))[0] == 401


@pytest.mark.parametrize(("method", "path"), WRITES)
async def test_who_may_write(api, method, path) -> None:
    for who in CALLERS:
        status, document = await api(method, ROOT + path, {}, as_=who)
        if who in ("admin", "system-admin"):
            assert status in (400, 404), who
        else:
            assert status == 403, who
            assert "Policy doesn't allow tricircle:" in document["error"]["message"]


async def test_others_projects_are_for_admins_and_system_readers(api) -> None:
    pod = await api.pod()
    for project, name in ((PROJECT, "mine"), (OTHER, "theirs")):
        routings.put("server", name, pod["id"], project)
        bindings.ensure(project, pod["id"])
    (theirs,) = bindings.page({"project_id": OTHER})
    for who in CALLERS:
        if who == "nobody":
            continue
        everything = who in ("admin", "system-admin", "system-reader")
        _, document = await api("GET", f"{ROOT}/routings", as_=who)
        found = [item["resource_id"] for item in document["routings"]]
        assert found == (["mine", "theirs"] if everything else ["mine"]), who
        _, document = await api("GET", f"{ROOT}/bindings", as_=who)
        assert len(document["bindings"]) == (2 if everything else 1), who
        status, _ = await api("GET", f"{ROOT}/routings?project_id={OTHER}", as_=who)
        assert status == (200 if everything else 403), who
        status, _ = await api("GET", f"{ROOT}/routings/theirs", as_=who)
        assert status == (200 if everything else 404), who
        status, _ = await api("GET", f"{ROOT}/bindings/{theirs.id}", as_=who)
        assert status == (200 if everything else 404), who
        assert (await api("GET", f"{ROOT}/routings/mine", as_=who))[0] == 200


async def test_a_domains_token_may_nothing(api, monkeypatch) -> None:
    context = dataclasses.replace(caller("admin", project=""), domain_id="default")
    monkeypatch.setitem(CALLERS, "domain-admin", context)
    assert (await api("GET", f"{ROOT}/pods", as_="domain-admin"))[0] == 403


async def test_an_operator_may_change_a_rule(api, policy_file) -> None:
    policy_file.write_text(yaml.dump({"tricircle:pods:get": "role:other"}))
    assert (await api("GET", f"{ROOT}/pods", as_="nobody"))[0] == 200
    assert (await api("GET", f"{ROOT}/pods", as_="reader"))[0] == 403
    assert (await api("GET", f"{ROOT}/routings", as_="reader"))[0] == 200


def test_each_route_has_a_documented_rule_and_each_rule_a_route() -> None:
    documented = {
        (operation["method"], _shape(operation["path"]))
        for rule in policies.list_rules()
        for operation in getattr(rule, "operations", ())
        if operation["path"].startswith(ROOT)
    }
    routes = {(route.method, _shape(route.path)) for route in admin.routes()}
    assert documented == routes


def _shape(path: str) -> str:
    return "/".join("{}" if part.startswith("{") else part for part in path.split("/"))
