# SPDX-License-Identifier: Apache-2.0
"""A service that calls for a user (an outside Nova, say) shows a token of its own beside theirs:
it goes on with that very call, and nothing of ours ever takes its place.
"""

import datetime
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import utc_now
from tests.functional.fakes.keystone import Token
from tests.functional.gateway.upstream.test_restricted_tokens import restricted
from tests.functional.gateway_harness import Gateway


@pytest.fixture
def nova(cloud: Cloud) -> Token:
    """A service's token."""
    cloud.keystone.user("nova", "service", "service")
    return cloud.keystone.issue("nova")


async def attached(gateway: Gateway, cloud: Cloud) -> tuple[str, str, str]:
    """Ids of a server in pod1, of its volume, and of what joins them."""
    server = cloud.pods["pod1"].nova.add_server("one")
    volume = cloud.pods["pod1"].cinder.add_volume("v")
    body = {"volumeAttachment": {"volumeId": volume["id"]}}
    (await gateway.post(f"/servers/{server.id}/os-volume_attachments", body)).ok(200)
    (attachment,) = cloud.pods["pod1"].cinder.items["attachment"]
    return server.id, volume["id"], attachment


DETACHING: list[tuple[str, str, Any]] = [
    ("DELETE", "/attachments/{attachment}", None),
    ("POST", "/volumes/{volume}/action", {"os-detach": {}}),
    ("POST", "/volumes/{volume}/action", {"os-terminate_connection": {"connector": {}}}),
]


@pytest.mark.parametrize(("method", "path", "body"), DETACHING)
async def test_only_a_service_detaches_what_is_used(
    gateway: Gateway, cloud: Cloud, nova: Token, method: str, path: str, body: Any
) -> None:
    _, volume, attachment = await attached(gateway, cloud)
    path = path.format(volume=volume, attachment=attachment)
    rule = ("DELETE" if method == "DELETE" else "POST", f"/v3{path}")
    token = restricted(cloud, rule)
    cloud.keystone.tokens[token["X-Auth-Token"]].access_rules[0]["service"] = "block-storage"  # type: ignore[index]
    for headers in ({}, token):
        for user in ("member", "admin"):
            told = {} if user == "admin" and headers else headers
            answer = await gateway.volumes.call(
                method, path, body, version="3.71", headers=told, user=user
            )
            assert answer.status == 409, answer.body
            assert "using the Compute API" in answer.message
    headers = {"X-Service-Token": nova.id}
    answer = await gateway.volumes.call(method, path, body, version="3.71", headers=headers)
    assert answer.status in (200, 202), answer.body


async def test_a_service_goes_on_when_the_users_token_has_expired(
    gateway: Gateway, cloud: Cloud, nova: Token
) -> None:
    """Also where nobody knows yet where the volume is."""
    volume = cloud.pods["pod3"].cinder.add_volume("v")
    token = cloud.keystone.issue("member")
    token.expires_at = utc_now() - datetime.timedelta(minutes=1)
    headers = {"X-Auth-Token": token.id}
    for _ in range(2):
        answer = await gateway.volumes.get(f"/volumes/{volume['id']}", headers=headers)
        assert answer.status == 401
    headers["X-Service-Token"] = nova.id
    (await gateway.volumes.get(f"/volumes/{volume['id']}", headers=headers)).ok(200)
    made = {"attachment": {"volume_uuid": volume["id"], "instance_uuid": None}}
    answer = await gateway.volumes.post("/attachments", made, version="3.71", headers=headers)
    assert answer.ok(200)["attachment"]["volume_id"] == volume["id"]
    # It is the two together that are believed.
    for one in ({"X-Auth-Token": token.id}, {"X-Auth-Token": token.id, "X-Service-Token": ""}):
        assert (await gateway.volumes.get("/volumes", headers=one)).status == 401


@pytest.mark.parametrize("what", ["stolen", "a user's", "expired", "two", "no token"])
async def test_a_service_token_that_is_none_is_401(
    gateway: Gateway, cloud: Cloud, nova: Token, what: str
) -> None:
    assert (await gateway.get("/servers")).status == 200
    other = cloud.keystone.issue("admin")
    if what == "expired":
        nova.expires_at = utc_now() - datetime.timedelta(seconds=1)
    given = {
        "stolen": "gAAAA", "a user's": other.id, "expired": nova.id, "no token": "\u20ac",
    }  # fmt: skip
    headers = {"X-Service-Token": given.get(what, f"{nova.id},{nova.id}")}
    cloud.journal.clear()
    for _ in range(2):
        answer = await gateway.get("/servers", headers=headers)
        assert answer.status == 401
        assert answer.headers["WWW-Authenticate"].startswith("Keystone")
    assert cloud.journal.find("pod") == []


async def test_it_goes_where_its_call_goes_and_nowhere_else(
    gateway: Gateway, cloud: Cloud, nova: Token
) -> None:
    network = cloud.central.network(cloud.project_id)
    body = {"server": {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1",
                       "networks": [{"uuid": network["id"]}]}}  # fmt: skip
    headers = {"X-Service-Token": nova.id}
    (await gateway.post("/servers", body, version="2.90", headers=headers)).ok(202)
    for entry in cloud.journal.find():
        given = entry.headers.get("X-Service-Token")
        own = entry.method == "POST" and entry.path.endswith("/v2.1/servers")
        as_the_user = entry.headers.get("X-Auth-Token") == gateway.token("member")
        if entry.service.startswith("pod") and own:
            assert given == nova.id
        elif entry.service.startswith("central"):
            assert given == (nova.id if as_the_user else None), entry
        elif entry.method not in ("GET", "HEAD"):
            assert given is None, entry


@pytest.mark.parametrize("what", ["expired", "restricted"])
async def test_a_server_with_a_network_is_made_for_a_service(
    gateway: Gateway, cloud: Cloud, nova: Token, what: str
) -> None:
    """Central Neutron is asked with the user's token and the service's, never with ours instead."""
    network = cloud.central.network(cloud.project_id)
    body = {"server": {"name": "one", "imageRef": cloud.image_id, "flavorRef": "1",
                       "networks": [{"uuid": network["id"]}]}}  # fmt: skip
    headers = restricted(cloud, ("POST", "/v2.1/servers"))
    if what == "expired":
        token = cloud.keystone.tokens[headers["X-Auth-Token"]]
        token.access_rules, token.expires_at = None, utc_now() - datetime.timedelta(minutes=1)
    headers["X-Service-Token"] = nova.id
    answer = await gateway.post("/servers", body, version="2.90", headers=headers)
    made = answer.ok(202)["server"]["id"]
    (port,) = cloud.central.ports()
    assert port["device_id"] == made
    asked = [
        entry.headers.get("X-Service-Token")
        for entry in cloud.journal.find("central")
        if entry.headers.get("X-Auth-Token") == headers["X-Auth-Token"]
    ]
    assert set(asked) == {nova.id}


async def test_nobody_sees_it(gateway: Gateway, cloud: Cloud, nova: Token) -> None:
    context = await gateway.services.authenticator.authenticate(
        gateway.token("member"), nova.id, "compute", "GET", "/v2.1/servers"
    )
    assert context.service_token == nova.id
    assert nova.id not in repr(context)
    assert gateway.token("member") not in repr(context)
