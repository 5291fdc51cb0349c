# SPDX-License-Identifier: Apache-2.0
"""Where ids of projects and users are turned in documents, and where they are not."""

import json
from typing import Any

import pytest

from tricircle.pods.access.ids import Sent, Told

OURS, THEIRS = "a" * 32, "b" * 32
USER, ACCOUNT = "c" * 64, "d" * 32
INWARD = {OURS: THEIRS, USER: ACCOUNT}
OUTWARD = {there: ours for ours, there in INWARD.items()}


def inward(path: str = "/servers", query: str = "", body: Any = None) -> Sent:
    return Sent(path, query, body).turn(lambda one: INWARD.get(one, one))


def outward(body: bytes, status: int = 200, location: str = "") -> Told:
    return Told(status, body, location).turn(lambda one: OUTWARD.get(one, one))


@pytest.mark.parametrize(
    "document",
    [
        {"server": {"tenant_id": THEIRS, "user_id": ACCOUNT}},
        {"servers": [{"tenant_id": THEIRS, "user_id": ACCOUNT}]},
        {"instanceActions": [{"project_id": THEIRS, "user_id": ACCOUNT}]},
        {"keypairs": [{"keypair": {"user_id": ACCOUNT}}]},
        {"quota_set": {"id": THEIRS, "cores": 1}},
        {"tenant_usage": {"tenant_id": THEIRS, "server_usages": [{"tenant_id": THEIRS}]}},
        {"security_groups": [{"tenant_id": THEIRS, "rules": [{"group": {"tenant_id": THEIRS}}]}]},
        {"flavor_access": [{"flavor_id": "1", "tenant_id": THEIRS}]},
        {"volume": {"os-vol-tenant-attr:tenant_id": THEIRS, "user_id": ACCOUNT}},
        {"snapshot": {"os-extended-snapshot-attributes:project_id": THEIRS}},
        {"backup": {"os-backup-project-attr:project_id": THEIRS}},
        {"transfer": {"source_project_id": THEIRS, "destination_project_id": THEIRS}},
        {"rbac_policies": [{"target_tenant": THEIRS, "project_id": THEIRS}]},
        {"links": [{"href": f"http://pod/v3/{THEIRS}/volumes?project_id={THEIRS}&limit=1"}]},
    ],
)
def test_every_field_is_turned(document: Any) -> None:
    told = outward(json.dumps(document).encode())
    text = told.body.decode()
    assert THEIRS not in text
    assert ACCOUNT not in text
    assert told.ids() >= set()


@pytest.mark.parametrize(
    "document",
    [
        {"server": {"metadata": {"project_id": OURS}, "name": OURS, "user_data": OURS}},
        {"metadata": {"user_id": USER}},
        {"volume": {"metadata": {"tenant_id": OURS}, "description": OURS}},
        {"os-set_image_metadata": {"metadata": {"project_id": OURS}}},
        {"server": {}, "os:scheduler_hints": {"project_id": OURS}},
        {"extra_specs": {"project_id": OURS}},
        {"server": {"tags": [OURS], "personality": [{"path": OURS, "contents": OURS}]}},
    ],
)
def test_what_users_write_is_left_alone(document: Any) -> None:
    sent = inward(body=document)
    assert sent.ids() == set()
    assert sent.document == document


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (f"/os-quota-sets/{OURS}", ""),
        (f"/os-quota-sets/{OURS}/detail", f"user_id={USER}"),
        (f"/os-simple-tenant-usage/{OURS}", "detailed=1"),
        (f"/default-types/{OURS}", ""),
        (f"/v2.0/quotas/{OURS}/details.json", ""),
        ("/servers/detail", f"all_tenants=1&project_id={OURS}&limit=2"),
        ("/ports", f"tenant_id={OURS}"),
    ],
)
def test_paths_and_queries(path: str, query: str) -> None:
    sent = inward(path, query)
    assert OURS not in sent.path + sent.query
    assert USER not in sent.path + sent.query
    assert sent.path + sent.query == (path + query).replace(OURS, THEIRS).replace(USER, ACCOUNT)


def test_a_query_for_something_else_is_left_alone() -> None:
    assert inward(query=f"name={OURS}&x_project_id={OURS}").query == (
        f"name={OURS}&x_project_id={OURS}"
    )


def test_actions_of_flavors_and_types() -> None:
    for action, key in (("addTenantAccess", "tenant"), ("removeProjectAccess", "project")):
        assert inward(body={action: {key: OURS}}).document == {action: {key: THEIRS}}
    assert inward(body={"other": {"tenant": OURS}}).document == {"other": {"tenant": OURS}}


def test_errors_and_locations_are_text() -> None:
    told = outward(f'{{"x": "project {THEIRS} é"}}'.encode(), 400, f"http://pod/{THEIRS}/servers/1")
    assert told.body == f'{{"x": "project {OURS} é"}}'.encode()
    assert told.location == f"http://pod/{OURS}/servers/1"


def test_what_is_no_json_and_what_is_deep() -> None:
    assert inward(body=b"\x00not json").body == b"\x00not json"
    assert outward(b"<html>").body == b"<html>"
    assert outward(b"").body == b""
    for depth, turned in ((200, True), (900, False)):
        inner = b'{"project_id":"' + THEIRS.encode() + b'"}'
        deep = b'{"a":' * depth + inner + b"}" * depth
        assert (OURS.encode() in outward(deep).body) is turned
        assert inward(body=deep).body == deep
