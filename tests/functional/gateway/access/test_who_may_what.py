# SPDX-License-Identifier: Apache-2.0
"""Who may do what in a pod with a Keystone of its own: never more than here."""

import asyncio
from typing import Any

import pytest
from yarl import URL

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.keystone import Keystone, Project
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import wanted
from tricircle.conf import CONF

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOImOMdOkJBwQCqq71X8jHOqf3M1iJHS+OmDaSGQJufI x"
AWAY = "X-Tricircle-Unavailable-Pods"


async def boot(gateway: Gateway, user: str = "member", **more: Any) -> str:
    """A server in the pod with a Keystone of its own."""
    project_id = gateway.cloud.keystone.issue(user).project_id
    network = gateway.cloud.central.network(project_id)["id"]
    more = {"availability_zone": "az2", "networks": [{"uuid": network}]} | more
    body = wanted(gateway.cloud, **more)
    made = (await gateway.post("/servers", body, version="2.90", user=user)).ok(202)
    return str(made["server"]["id"])


@pytest.fixture
def theirs(cloud: Cloud) -> Keystone:
    """The pod's own Keystone."""
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    return keystone


async def test_a_reader_reads_and_never_writes(gateway: Gateway, theirs: Keystone) -> None:
    server = await boot(gateway)
    shown = (await gateway.get(f"/servers/{server}", user="reader")).ok()["server"]
    assert shown["user_id"] == gateway.cloud.keystone.users["member"].id
    for method, path, body in (
        ("DELETE", f"/servers/{server}", None),
        ("PUT", f"/servers/{server}", {"server": {"name": "x"}}),
        ("POST", f"/servers/{server}/action", {"os-stop": None}),
        ("POST", f"/servers/{server}/metadata", {"metadata": {"a": "b"}}),
    ):
        assert (await gateway.call(method, path, body, user="reader")).status == 403, path
    made = {"volume": {"size": 1, "availability_zone": "az2"}}
    assert (await gateway.volumes.post("/volumes", made, user="reader")).status == 403
    for (user_id, _), roles in theirs.grants.items():
        (name,) = [user.name for user in theirs.users.values() if user.id == user_id]
        if name.endswith(".reader"):
            assert roles == ("reader",)
    (await gateway.get(f"/servers/{server}")).ok()


@pytest.mark.parametrize(
    "path",
    ["/os-keypairs/..%2Fservers%2F{}", "/os-keypairs/%2e%2e/servers/{}", "/os-keypairs/..",
     "/os-keypairs/..%252Fservers%252F{}", "/os-keypairs/../servers/{}"],
)  # fmt: skip
async def test_what_only_begins_as_a_keypair_is_asked_for_as_a_reader(
    gateway: Gateway, cloud: Cloud, theirs: Keystone, path: str
) -> None:
    """Whoever stands before the pod may resolve it to something else."""
    server = await boot(gateway)
    for region in ("pod1", "pod3"):
        await gateway.set_pod(region, state="maintenance")
    cloud.journal.clear()
    url = URL(f"{gateway.compute}/v2.1{path.format(server)}", encoded=True)
    async with gateway.http.delete(url, headers={"X-Auth-Token": gateway.token("reader")}) as told:
        assert told.status >= 400
    for entry in cloud.journal.find(f"{FOREIGN}/compute"):
        assert theirs.tokens[entry.headers["X-Auth-Token"]].user.name.endswith(".reader"), entry
    assert len(cloud.pods[FOREIGN].nova.live()) == 1


async def test_keypairs_are_a_users_at_every_level(gateway: Gateway, cloud: Cloud) -> None:
    """Nova lets readers have keypairs, too; those of one user are one user's in the pod."""
    for region in ("pod1", "pod3"):
        await gateway.set_pod(region, state="maintenance")
    key = {"keypair": {"name": "mine", "public_key": KEY}}
    (await gateway.post("/os-keypairs", key, user="reader")).ok()
    listed = (await gateway.get("/os-keypairs", user="reader")).ok()["keypairs"]
    assert [one["keypair"]["name"] for one in listed] == ["mine"]
    assert (await gateway.get("/os-keypairs")).ok()["keypairs"] == []
    cloud.keystone.grants[cloud.keystone.users["reader"].id, cloud.project_id] = (
        "member",
        "reader",
    )
    gateway._tokens.clear()
    listed = (await gateway.get("/os-keypairs", user="reader")).ok()["keypairs"]
    assert [one["keypair"]["name"] for one in listed] == ["mine"]
    await boot(gateway, user="reader", key_name="mine")


async def test_somebody_without_a_level_is_let_in_nowhere(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    cloud.keystone.user("stack", "demo", "heat_stack_owner")
    before = dict(theirs.tokens)
    assert (await gateway.get(f"/servers/{server}", user="stack")).status == 403
    assert theirs.tokens == before


async def test_an_administrator_here_is_none_there(gateway: Gateway, theirs: Keystone) -> None:
    server = await boot(gateway)
    listed = await gateway.get("/servers/detail?all_tenants=1", user="admin")
    assert listed.ok()["servers"] == []
    assert listed.headers[AWAY] == FOREIGN
    refused = await gateway.get("/os-hypervisors/detail", user="admin")
    assert refused.headers[AWAY] == FOREIGN
    assert (await gateway.delete(f"/servers/{server}", user="admin")).status in (403, 404)
    for token in theirs.tokens.values():
        assert token.user.name == "tricircle-there" or not token.is_admin


async def test_an_administrator_there_where_the_operator_says_so(
    gateway: Gateway, cloud: Cloud
) -> None:
    access = {"kind": "managed", **gateway_harness.managed(cloud, FOREIGN)}
    access["levels"] = ["admin", "member", "reader"]
    path = f"/pods/{gateway.pod_ids[FOREIGN]}"
    (await gateway.manage("PATCH", path, {"pod": {"access": access}})).ok()
    server = await boot(gateway)
    listed = await gateway.get("/servers/detail?all_tenants=1", user="admin")
    (shown,) = listed.ok()["servers"]
    assert AWAY not in listed.headers
    assert (shown["id"], shown["tenant_id"]) == (server, cloud.project_id)


async def test_who_may_nothing_here_any_more_may_nothing_there(
    gateway: Gateway, cloud: Cloud
) -> None:
    CONF.set_override("token_cache_seconds", 0.05, group="gateway")
    try:
        server = await boot(gateway)
        (await gateway.get(f"/servers/{server}")).ok()
        cloud.keystone.tokens.pop(gateway.token("member"))
        await asyncio.sleep(0.1)
        cloud.journal.clear()
        assert (await gateway.get(f"/servers/{server}")).status == 401
    finally:
        CONF.clear_override("token_cache_seconds", group="gateway")
    assert cloud.journal.find(FOREIGN) == []


async def test_a_project_made_anew_under_its_name_has_nothing_of_the_old(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    await boot(gateway)
    before = set(theirs.projects)
    old = cloud.keystone.projects.pop("demo")
    made = cloud.keystone.projects["demo"] = Project("demo")
    assert made.id != old.id
    heir = cloud.keystone.user("heir", "demo", "member", "reader")
    listed = (await gateway.get("/servers/detail", user="heir")).ok()["servers"]
    assert listed == []
    (another,) = set(theirs.projects) - before
    assert theirs.projects[another].name.startswith("demo-")
    assert (heir.id, another) not in theirs.grants


async def test_a_user_made_anew_or_renamed(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    (await gateway.get("/servers")).ok()
    accounts = {user.name for user in theirs.users.values()}
    member = cloud.keystone.users.pop("member")
    member.name = "renamed"
    cloud.keystone.users["renamed"] = member
    (await gateway.get("/servers", user="renamed")).ok()
    assert {user.name for user in theirs.users.values()} == accounts
    cloud.keystone.user("member", "demo", "member", "reader")
    gateway._tokens.clear()
    (await gateway.get("/servers")).ok()
    assert len({user.name for user in theirs.users.values()}) == len(accounts) + 1


async def test_what_a_user_wrote_is_never_touched(gateway: Gateway, cloud: Cloud) -> None:
    written = {"project_id": cloud.project_id, "owner": cloud.project_id, "user_id": "a" * 32}
    server = await boot(gateway, metadata=written, name=cloud.project_id)
    (inside,) = cloud.pods[FOREIGN].nova.live()
    assert inside.metadata == written
    shown = (await gateway.get(f"/servers/{server}", version="2.90")).ok()["server"]
    assert (shown["metadata"], shown["name"]) == (written, cloud.project_id)


async def test_many_at_once_are_let_in_once(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    answers = await asyncio.gather(*(gateway.get("/servers") for _ in range(20)))
    assert {answer.status for answer in answers} == {200}
    issued = [token for token in theirs.tokens.values() if token.user.name.endswith(".member")]
    assert len(issued) == 1
    (await gateway.get("/servers")).ok()
    assert len([one for one in theirs.tokens.values() if one.user.name.endswith(".member")]) == 1


async def test_a_pod_that_knows_no_token_any_more_is_entered_anew(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    theirs.tokens.clear()  # as after new keys
    cloud.journal.clear()
    (await gateway.post(f"/servers/{server}/action", {"os-stop": None})).ok(202)
    asked = cloud.journal.find(f"{FOREIGN}/compute", "POST", "/action")
    assert [entry.status for entry in asked] == [401, 202]
    assert len(cloud.journal.find(f"{FOREIGN}/identity", "POST", "/auth/tokens")) == 1


async def test_who_is_refused_is_not_tried_at_each_request(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    theirs.users["tricircle-manager"].enabled = False
    CONF.set_override("refused_seconds", 60, group="federation")
    try:
        first = await gateway.get("/servers")
        assert first.headers.get(AWAY) is None or FOREIGN in first.headers[AWAY]
        asked = len(cloud.journal.find(f"{FOREIGN}/identity"))
        for _ in range(3):
            (await gateway.get("/servers")).ok()
        assert len(cloud.journal.find(f"{FOREIGN}/identity")) == asked
    finally:
        CONF.clear_override("refused_seconds", group="federation")


async def test_accounts_of_an_earlier_time_get_their_passwords_anew(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    """A pod that was forgotten and is registered again finds what stood for whom."""
    server = await boot(gateway)
    before = {user.id for user in theirs.users.values()}, set(theirs.projects)
    pod_id = gateway.pod_ids[FOREIGN]
    (await gateway.manage("DELETE", f"/pods/{pod_id}?force=true")).ok(204)
    access = {"kind": "managed", **gateway_harness.managed(cloud, FOREIGN)}
    pod = {"region_name": FOREIGN, "availability_zone": "az2", "access": access}
    (await gateway.manage("POST", "/pods", {"pod": pod})).ok(201)
    shown = (await gateway.get(f"/servers/{server}")).ok()["server"]
    assert shown["tenant_id"] == cloud.project_id
    assert ({user.id for user in theirs.users.values()}, set(theirs.projects)) == before


async def test_each_of_many_at_once_is_the_right_account(
    gateway: Gateway, cloud: Cloud, theirs: Keystone
) -> None:
    server = await boot(gateway)
    cloud.journal.clear()
    users = ("member", "reader", "other") * 30
    paths = [f"/servers/{server}?asked={user}" for user in users]
    answers = await asyncio.gather(
        *(gateway.get(path, user=user) for path, user in zip(paths, users, strict=True))
    )
    for user, answer in zip(users, answers, strict=True):
        assert answer.status == (404 if user == "other" else 200)
    asked = cloud.journal.find(f"{FOREIGN}/compute", "GET", f"/servers/{server}$")
    assert len(asked) >= 60
    accounts: dict[str, set[str]] = {}
    for entry in asked:
        told = dict(entry.query).get("asked")
        if told is not None:
            account = theirs.tokens[entry.headers["X-Auth-Token"]].user.name
            accounts.setdefault(told, set()).add(account)
    assert all(len(names) == 1 for names in accounts.values())
    assert len({name for names in accounts.values() for name in names}) == len(accounts) == 3
