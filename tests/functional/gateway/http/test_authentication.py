# SPDX-License-Identifier: Apache-2.0
"""Who may come in, and what is believed of what they say."""

import asyncio
import dataclasses
import datetime

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import utc_now
from tests.functional.gateway_harness import Gateway


async def test_no_token_is_401_and_says_where_to_get_one(gateway: Gateway, cloud: Cloud) -> None:
    answer = await gateway.get("/servers", user=None)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == f'Keystone uri="{cloud.keystone.url}/v3"'
    assert answer.json["error"]["code"] == 401
    assert cloud.journal.find("pod") == []


@pytest.mark.parametrize("token", ["", "x", "gAAAA" + "0" * 64, "é", "a b"])
async def test_a_bad_token_is_401(gateway: Gateway, cloud: Cloud, token: str) -> None:
    answer = await gateway.get("/servers", user=None, headers={"X-Auth-Token": token})
    assert answer.status == 401
    assert cloud.journal.find("pod") == []


async def test_an_expired_token_is_401(gateway: Gateway, cloud: Cloud) -> None:
    token = cloud.keystone.issue("member")
    token.expires_at = utc_now() - datetime.timedelta(seconds=1)
    answer = await gateway.get("/servers", user=None, headers={"X-Auth-Token": token.id})
    assert answer.status == 401


async def test_a_token_is_not_believed_beyond_its_end(gateway: Gateway, cloud: Cloud) -> None:
    token = cloud.keystone.issue("member")
    token.expires_at = utc_now() + datetime.timedelta(seconds=2)
    headers = {"X-Auth-Token": token.id}
    assert (await gateway.get("/servers", user=None, headers=headers)).status == 200

    for _ in range(50):
        cloud.journal.clear()
        if (await gateway.get("/servers", user=None, headers=headers)).status == 401:
            assert cloud.journal.find("pod") == []  # it is us who knows
            return
        await asyncio.sleep(0.1)
    pytest.fail("an expired token is still believed")


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.UNAVAILABLE, Kind.CUT])
async def test_keystone_away_is_503(gateway: Gateway, cloud: Cloud, kind: Kind) -> None:
    cloud.keystone.fail(kind)
    answer = await gateway.get("/servers")
    assert answer.status == 503
    assert answer.json["serviceUnavailable"]["code"] == 503
    cloud.keystone.heal()
    assert (await gateway.get("/servers")).status == 200


async def test_keystone_refusing_connections_is_503(gateway: Gateway, cloud: Cloud) -> None:
    cloud.keystone.stop()
    assert (await gateway.get("/servers")).status == 503
    cloud.keystone.start()
    assert (await gateway.get("/servers")).status == 200


async def test_a_known_token_outlives_keystone(gateway: Gateway, cloud: Cloud) -> None:
    assert (await gateway.get("/servers")).status == 200
    cloud.keystone.stop()
    assert (await gateway.get("/servers")).status == 200


SPOOFED = {
    "X-Roles": "admin",
    "X-Role": "admin",
    "X-User-Id": "somebody",
    "X-Project-Id": "another",
    "X-Tenant-Id": "another",
    "X-Identity-Status": "Confirmed",
    "X-Is-Admin-Project": "True",
    "X-Service-Roles": "service,admin",
    "X-Service-Identity-Status": "Confirmed",
    "OpenStack-System-Scope": "all",
    "X_Roles": "admin",
}


async def test_identity_headers_are_not_believed(gateway: Gateway, cloud: Cloud) -> None:
    answer = await gateway.get("/servers/detail", query={"all_tenants": "1"}, headers=SPOOFED)
    assert answer.status == 403
    body = {"pod": {"region_name": "pod9", "availability_zone": "az9"}}
    made = await gateway.manage("POST", "/pods", body, user="member", headers=SPOOFED)
    assert made.status == 403
    assert (await gateway.get("/servers", user=None, headers=SPOOFED)).status == 401
    for entry in cloud.journal.find("pod"):
        assert not {name.lower() for name in SPOOFED} & {name.lower() for name in entry.headers}


async def test_hop_by_hop_headers_end_here(gateway: Gateway, cloud: Cloud) -> None:
    server = cloud.pods["pod1"].nova.add_server("one")
    hops = {
        "Connection": "keep-alive, X-Private",
        "X-Private": "1",
        "Keep-Alive": "timeout=5",
        "TE": "trailers",
        "Proxy-Authorization": "Basic abc",
        "Upgrade": "h2c",
    }
    assert (await gateway.get(f"/servers/{server.id}", headers=hops)).status == 200
    asked = cloud.journal.find("pod")
    assert asked
    for entry in asked:
        for name in ("X-Private", "Keep-Alive", "TE", "Proxy-Authorization", "Upgrade"):
            assert name not in entry.headers


async def test_the_users_own_token_goes_to_pods_without_a_service_token(
    gateway: Gateway, cloud: Cloud
) -> None:
    await gateway.get("/servers")
    for entry in cloud.journal.find("pod"):
        assert entry.headers["X-Auth-Token"] == gateway.token("member")
        assert "X-Service-Token" not in entry.headers


async def test_keystone_is_asked_once_for_many(gateway: Gateway, cloud: Cloud) -> None:
    answers = await asyncio.gather(*(gateway.get("/servers") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    checks = [
        entry
        for entry in cloud.journal.find("keystone", "GET", "/auth/tokens")
        if entry.headers.get("X-Subject-Token") == gateway.token("member")
    ]
    assert len(checks) == 1


async def test_nothing_of_a_catalogue_is_asked_for_or_kept(gateway: Gateway, cloud: Cloud) -> None:
    """Of a hundred pods it is a megabyte a token, and ten thousand tokens are kept."""
    for number in range(100):
        cloud.keystone.endpoint(f"Elsewhere{number}", "compute", "http://127.0.0.1:9/v2.1")
    credential = {
        "access_rules": [{"service": "compute", "method": "GET", "path": "/v2.1/servers"}]
    }
    restricted = cloud.keystone.issue("member")
    restricted.access_rules = credential["access_rules"]
    cloud.journal.clear()
    (await gateway.get("/servers")).ok()
    headers = {"X-Auth-Token": restricted.id}
    (await gateway.get("/servers", user=None, headers=headers)).ok()
    assert (await gateway.get("/flavors", user=None, headers=headers)).status == 401
    checks = cloud.journal.find("keystone", "GET", "/v3/auth/tokens")
    assert len(checks) >= 3
    assert all("nocatalog" in dict(check.query) for check in checks)
    known = gateway.services.authenticator._known.values()
    assert known
    assert all(len(repr(dataclasses.astuple(one.context))) < 3000 for one in known)
