# SPDX-License-Identifier: Apache-2.0
"""A pod whose Keystone believes ours (SAML2), or a key of Tricircle's (OpenID Connect)."""

import asyncio
import json
from typing import Any

import jwt
import pytest

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import K2K, K2K_MELLON, Cloud, signing_key
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.keystone import Keystone, Project
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.access.test_who_may_what import AWAY, boot
from tests.functional.gateway.upstream.test_restricted_tokens import restricted
from tests.functional.gateway_harness import Answer, Gateway
from tests.functional.servers import nothing_left, settled
from tricircle.conf import CONF
from tricircle.db import pod_accounts
from tricircle.pods.access import mappings, signing

ALL = [K2K, "jwt"]
_WRITES = (
    ("DELETE", "/servers/{}", None),
    ("PUT", "/servers/{}", {"server": {"name": "x"}}),
    ("POST", "/servers/{}/action", {"os-stop": None}),
)
by_each_module = pytest.mark.parametrize("entered", [K2K, K2K_MELLON, "jwt"])
by_names = pytest.mark.parametrize("entered", [K2K])
by_key = pytest.mark.parametrize("entered", ["jwt"])


@pytest.fixture(params=ALL)
def entered(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def theirs(cloud: Cloud) -> Keystone:
    """The pod's own Keystone."""
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    return keystone


def _made(theirs: Keystone) -> list[Project]:
    """The projects that came to be by its mapping."""
    return [one for one in theirs.projects.values() if one.domain != "default"]


@by_each_module
async def test_a_server_is_born_and_dies(gateway: Gateway, cloud: Cloud, theirs: Keystone) -> None:
    server = await boot(gateway)
    shown = (await gateway.get(f"/servers/{server}", version="2.90")).ok()["server"]
    assert shown["tenant_id"] == cloud.project_id
    assert shown["user_id"] == cloud.keystone.users["member"].id
    (inside,) = cloud.pods[FOREIGN].nova.live()
    assert inside.id == server
    (project,) = _made(theirs)
    assert project.id not in json.dumps(shown)
    (await gateway.delete(f"/servers/{server}")).ok(204)
    await settled(gateway)
    nothing_left(cloud)


async def test_a_reader_reads_and_never_writes(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    # Just after somebody of more rights, and just before.
    for _ in range(2):
        shown = (await gateway.get(f"/servers/{server}", user="reader")).ok()["server"]
        assert shown["user_id"] == cloud.keystone.users["member"].id
        for method, path, body in _WRITES:
            told = await gateway.call(method, path.format(server), body, user="reader")
            assert told.status == 403, path
        (await gateway.get(f"/servers/{server}")).ok()
    assert (await gateway.get(f"/servers/{server}", user="other")).status == 404
    given = sorted(
        roles
        for (user_id, _), roles in theirs.grants.items()
        if any(one.id == user_id and one.domain != "default" for one in theirs.users.values())
        and "manager" not in roles
    )
    assert given == [("member",), ("member",), ("reader",)]


async def test_an_administrator_here_is_a_member_there(gateway: Gateway, theirs: Keystone) -> None:
    await boot(gateway)
    listed = await gateway.get("/servers/detail?all_tenants=1", user="admin")
    assert (listed.ok()["servers"], listed.headers[AWAY]) == ([], FOREIGN)
    for token in theirs.tokens.values():
        assert token.user.name == "tricircle-there" or not token.is_admin


async def test_each_of_many_at_once_is_the_right_account(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    """Nobody gets a token that another's session brought."""
    server = await boot(gateway)
    users = ("member", "reader", "other") * 20
    answers = await asyncio.gather(
        *(gateway.get(f"/servers/{server}?asked={user}", user=user) for user in users)
    )
    for user, answer in zip(users, answers, strict=True):
        assert answer.status == (404 if user == "other" else 200)
    accounts: dict[str, set[str]] = {}
    for entry in cloud.journal.find(f"{FOREIGN}/compute", "GET", f"/servers/{server}$"):
        if told := dict(entry.query).get("asked"):
            token = theirs.tokens[entry.headers["X-Auth-Token"]]
            accounts.setdefault(told, set()).add(token.user.id)
    assert len({one for ids in accounts.values() for one in ids}) == len(accounts) == 3
    unscoped = [
        token
        for token in theirs.tokens.values()
        if token.project is None and token.user.domain != "default" and token.domain is None
    ]
    assert len(unscoped) == 3


async def test_a_pod_that_knows_no_token_any_more_is_entered_anew(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    theirs.tokens.clear()  # as after new keys
    cloud.journal.clear()
    (await gateway.post(f"/servers/{server}/action", {"os-stop": None})).ok(202)
    asked = cloud.journal.find(f"{FOREIGN}/compute", "POST", "/action")
    assert [entry.status for entry in asked] == [401, 202]
    # Once the project is known it is not asked for.
    assert not cloud.journal.find(f"{FOREIGN}/identity", "GET", "/auth/projects")


@pytest.mark.parametrize("kind", [Kind.ERROR, Kind.REDIRECT])
async def test_while_its_keystone_fails(gateway: Gateway, theirs: Keystone, kind: Kind) -> None:
    server = await boot(gateway)
    theirs.fail(kind)
    (await gateway.get(f"/servers/{server}")).ok()
    listed = await gateway.get("/servers/detail", user="other")
    assert (listed.ok()["servers"], listed.headers[AWAY]) == ([], FOREIGN)
    theirs.heal()
    listed = await gateway.get("/servers/detail", user="other")
    assert AWAY not in listed.headers


async def test_a_project_that_its_operator_ended(gateway: Gateway, theirs: Keystone) -> None:
    """What was in it is lost; nothing is put in its place by itself."""
    await boot(gateway)
    (project,) = _made(theirs)
    del theirs.projects[project.id]
    gateway.services.exchanges.forget(gateway.pod_ids[FOREIGN], gateway.cloud.project_id)
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN


# -- names, which is all that a Keystone tells another -------------------------------------------


@by_names
async def test_a_project_made_anew_under_its_name_gets_nothing_of_the_old(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    cloud.keystone.projects.pop("demo")
    cloud.keystone.projects["demo"] = Project("demo")
    cloud.keystone.user("heir", "demo", "member", "reader")
    listed = await gateway.get("/servers/detail", user="heir")
    assert (listed.ok()["servers"], listed.headers[AWAY]) == ([], FOREIGN)
    assert (await gateway.get(f"/servers/{server}", user="heir")).status in (403, 404)
    assert len(_made(theirs)) == 1


@by_names
async def test_a_renamed_project_keeps_what_it_has_and_waits_for_the_pods_operator(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    project = cloud.keystone.projects["demo"]
    project.name = "renamed"
    gateway.services.exchanges.forget(gateway.pod_ids[FOREIGN], project.id)
    gateway._tokens.clear()
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN
    # They do away with the empty one that came to be, and rename the one that was there.
    old, new = sorted(_made(theirs), key=lambda one: one.name != "demo@Default")
    del theirs.projects[new.id]
    old.name = new.name
    await asyncio.sleep(CONF.federation.refused_seconds)
    assert (await gateway.get(f"/servers/{server}")).ok()["server"]["tenant_id"] == project.id


@by_names
async def test_a_user_made_anew_under_a_name_is_not_the_one_before(
    gateway: Gateway, cloud: Cloud
) -> None:
    server = await boot(gateway)
    cloud.keystone.users.pop("member")
    cloud.keystone.user("member", "demo", "member", "reader")
    gateway._tokens.clear()
    assert (await gateway.get(f"/servers/{server}")).status == 403
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN


@by_names
@pytest.mark.parametrize(
    ("user", "project"),
    [("a;member", "p"), ("a", "p&q"), ("a", "<p>"), ("a\n", "p"), ("a", "p" * 60), ("a", "'p'"),
     ("a" * 240, "p"), ("a", " p")],
)  # fmt: skip
async def test_names_that_may_be_taken_for_others_are_not_told(
    gateway: Gateway, cloud: Cloud, user: str, project: str
) -> None:
    cloud.keystone.user(user, project, "reader")
    cloud.journal.clear()
    listed = await gateway.get("/servers/detail", user=user)
    assert (listed.ok()["servers"], listed.headers[AWAY]) == ([], FOREIGN)
    assert not cloud.journal.find("keystone", "POST", "/saml2")
    assert not cloud.journal.find(f"{FOREIGN}/identity")
    for region in ("pod1", "pod3"):
        await gateway.set_pod(region, state="maintenance")
    told = await gateway.get("/flavors/1", user=user)
    assert told.status in (403, 503)
    assert FOREIGN in told.message
    assert "is entered by names" in told.message


@by_names
async def test_a_token_with_access_rules_is_not_shown(gateway: Gateway, cloud: Cloud) -> None:
    """Though another token of theirs brought one of the pod's; and that goes on being used."""
    server = await boot(gateway)
    for region in ("pod1", "pod3"):
        await gateway.set_pod(region, state="maintenance")
    cloud.journal.clear()
    told = await gateway.get(
        "/flavors/1", user=None, headers=restricted(cloud, ("GET", "/v2.1/**"))
    )
    assert told.status in (403, 503)
    assert "application credential that has access rules" in told.message
    assert not cloud.journal.find("keystone", "POST", "/saml2")
    assert not cloud.journal.find(f"{FOREIGN}/compute")
    (await gateway.get(f"/servers/{server}")).ok()


@by_names
async def test_more_than_one_project_is_none(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    for rule in theirs.mapping_rules["tricircle"]["rules"]:
        more = {"name": "another", "roles": [{"name": "reader"}]}
        rule["local"][0]["projects"].append(more)
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN
    pod_id = gateway.pod_ids[FOREIGN]
    known = await asyncio.to_thread(pod_accounts.project_there, pod_id, cloud.project_id)
    assert known is None


@by_names
async def test_a_mapping_that_gives_more_than_it_should(gateway: Gateway, theirs: Keystone) -> None:
    """Changed after it was looked at."""
    for rule in theirs.mapping_rules["tricircle"]["rules"]:
        rule["local"][0]["projects"][0]["roles"].append({"name": "admin"})
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN


@by_names
async def test_the_service_user_has_a_real_account(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    await boot(gateway)
    for entry in cloud.journal.find("keystone", "POST", "/saml2"):
        token = cloud.keystone.tokens[entry.json["auth"]["identity"]["token"]["id"]]
        assert token.user.name != "tricircle"
    pod = gateway.services.registry.by_region(FOREIGN)
    assert pod is not None
    access = gateway.services.identity.accesses.of(pod)
    got = await asyncio.to_thread(access.within, cloud.project_id)
    assert theirs.tokens[got.token].user.name == "tricircle-there"
    assert "member" in theirs.tokens[got.token].roles


@by_names
async def test_where_our_keystone_vouches_for_nobody(gateway: Gateway, cloud: Cloud) -> None:
    cloud.keystone.service_providers[FOREIGN].enabled = False
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN
    assert not cloud.journal.find(f"{FOREIGN}/identity", "POST")


# -- what Tricircle signs ------------------------------------------------------------------------


def _bearers(cloud: Cloud) -> list[str]:
    return [
        entry.headers["Authorization"].removeprefix("Bearer ")
        for entry in cloud.journal.find(f"{FOREIGN}/identity", "POST", "/auth$")
    ]


@by_key
async def test_what_is_signed(gateway: Gateway, cloud: Cloud) -> None:
    await boot(gateway)
    (bearer,) = _bearers(cloud)
    claims = jwt.decode(bearer, options={"verify_signature": False})
    assert (claims["aud"], claims["iss"], claims["level"]) == (FOREIGN, "urn:tricircle", "member")
    assert claims["exp"] - claims["iat"] == 60
    assert claims.keys() == {"aud", "iss", "iat", "nbf", "exp", "jti", "sub", "project", "level"}
    for one in (claims["project"], claims["sub"].removesuffix(".member")):
        assert len(one) == 32
        assert int(one, 16)
    for one in (cloud.project_id, cloud.keystone.users["member"].id):
        assert one not in json.dumps(claims)


@by_key
async def test_names_matter_nothing(gateway: Gateway, cloud: Cloud, theirs: Keystone) -> None:
    server = await boot(gateway)
    cloud.keystone.projects["demo"].name = "a;b<c>"
    gateway.services.exchanges.forget(gateway.pod_ids[FOREIGN], cloud.project_id)
    gateway._tokens.clear()
    (await gateway.get(f"/servers/{server}")).ok()
    assert len(_made(theirs)) == 1
    told = restricted(cloud, ("GET", "/v2.1/**"))
    (await gateway.get(f"/servers/{server}", user=None, headers=told)).ok()


@by_key
async def test_a_key_that_the_pod_does_not_have(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    assert theirs.bearers is not None
    theirs.bearers.keys.clear()
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN
    key = signing.loaded(signing_key().read_bytes())
    printed = {one["kid"]: jwt.PyJWK(one) for one in signing.public()["keys"]}
    assert printed.keys() == {key.kid}
    theirs.bearers.keys.update(printed)
    await asyncio.sleep(CONF.federation.refused_seconds)
    assert AWAY not in (await gateway.get("/servers")).headers


@by_key
@pytest.mark.parametrize(("audience", "issuer"), [("pod1", "urn:tricircle"), (FOREIGN, "urn:x")])
async def test_what_is_for_another_pod(
    gateway: Gateway, theirs: Keystone, audience: str, issuer: str
) -> None:
    assert theirs.bearers is not None
    theirs.bearers.audience, theirs.bearers.issuer = audience, issuer
    assert (await gateway.get("/servers")).headers[AWAY] == FOREIGN


# -- registering ---------------------------------------------------------------------------------


async def _register(gateway: Gateway, cloud: Cloud, **more: Any) -> Answer:
    kind, told = gateway_harness.entrance(cloud, FOREIGN)
    access = {"kind": kind, **told, **more}
    body = {"region_name": FOREIGN, "availability_zone": "az2", "access": access}
    return await gateway.manage("POST", "/pods", {"pod": body})


@by_each_module
async def test_it_is_tried_before_it_is_kept(
    gateway: Gateway, cloud: Cloud, theirs: Keystone, entered: str
) -> None:
    (await gateway.manage("DELETE", f"/pods/{gateway.pod_ids[FOREIGN]}")).ok(204)
    good = theirs.mapping_rules["tricircle"]
    levels = ("member", "reader")
    for mapping in (
        {**good, "schema_version": "3.0"},
        {**good, "rules": [*good["rules"], good["rules"][0]]},
        {**good, "rules": mappings.of_names(levels, "", "MELLON_")},
        {**good, "rules": good["rules"][:1]},
    ):
        theirs.mapping_rules["tricircle"] = mapping
        answer = await _register(gateway, cloud)
        assert (answer.status, "is none that would be safe" in answer.message) == (400, True)
    theirs.mapping_rules["tricircle"] = good
    for wrong in ({"identity_provider": "other"}, {"protocol": "other"}, {"levels": ["admin"]}):
        assert (await _register(gateway, cloud, **wrong)).status == 400
    if entered == "jwt":
        assert (await _register(gateway, cloud, audience="pod1")).status == 400
    else:
        answer = await _register(gateway, cloud, service_provider="other")
        assert answer.status == 400
        assert "vouches for nobody there as other" in answer.message
    assert (await _register(gateway, cloud)).ok(201)["pod"]["access"]["kind"] == entered[:3]
    listed = await gateway.get("/servers")
    assert AWAY not in listed.headers


async def test_a_keypair_is_there_when_a_server_needs_it(
    gateway: Gateway, cloud: Cloud, entered: str
) -> None:
    key = {"keypair": {"name": "mine", "public_key": "ssh-ed25519 AAAA x"}}
    (await gateway.post("/os-keypairs", key)).ok()
    server = await boot(gateway, key_name="mine")
    (inside,) = cloud.pods[FOREIGN].nova.live()
    assert inside.key_name == "mine"
    assert (await gateway.get(f"/servers/{server}")).ok()["server"]["key_name"] == "mine"
