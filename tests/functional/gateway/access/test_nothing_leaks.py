# SPDX-License-Identifier: Apache-2.0
"""A broad walk of calls: no token, secret or id of ours reaches a pod with a Keystone of its own,
and no id of that Keystone comes back.
"""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
import pytest_asyncio

from tests.functional.fakes.central import CentralNeutron
from tests.functional.fakes.cloud import K2K, Cloud
from tests.functional.fakes.http import Entry
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway.test_secrets import Everything, logged
from tests.functional.gateway.upstream.test_restricted_tokens import restricted
from tests.functional.gateway_harness import FEDERATION_KEY, MARKER_KEY, Answer, Gateway
from tests.functional.servers import settled, wanted
from tricircle.pods.access.own_keystone import digest

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOImOMdOkJBwQCqq71X8jHOqf3M1iJHS+OmDaSGQJufI x"


class Walk:
    """Calls of which every answer is kept."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway, self.cloud = gateway, gateway.cloud
        self.answers: list[tuple[str, Answer]] = []

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        more.setdefault("version", "2.90")
        return await self._kept(f"{method} {path}", self.gateway.call(method, path, body, **more))

    async def volume(self, method: str, path: str, body: Any = None, **more: Any) -> Any:
        more.setdefault("version", "3.70")
        asked = self.gateway.volumes.call(method, path, body, **more)
        return await self._kept(f"{method} {path}", asked)

    async def _kept(self, what: str, asked: Any) -> Any:
        answer = await asked
        self.answers.append((what, answer))
        try:
            return answer.json if answer.body else None
        except ValueError:
            return None

    async def servers(self, user: str = "member") -> str:
        token = self.cloud.keystone.issue(user)
        network = self.cloud.central.network(token.project_id)["id"]
        ours = {"project_id": token.project_id, "user_id": token.user.id}
        # What a user writes is the user's, whatever it looks like.
        body = wanted(
            self.cloud,
            availability_zone="az2",
            networks=[{"uuid": network}],
            metadata={"note": "x"},
        )
        made = await self.call("POST", "/servers", body, user=user)
        server = made["server"]["id"]
        again = await self.call("POST", f"/{ours['project_id']}/servers", body, user=user)
        await self.call("DELETE", f"/servers/{again['server']['id']}", user=user)
        project = ours["project_id"]
        for path in (
            f"/servers/{server}",
            "/servers/detail",
            f"/servers/detail?project_id={project}",
            f"/servers?user_id={ours['user_id']}",
            f"/{project}/servers/detail",
            f"/{project}/servers?limit=1",
            f"/servers/{server}/os-instance-actions",
            f"/servers/{server}/os-security-groups",
            f"/servers/{server}/os-interface",
            f"/servers/{server}/os-volume_attachments",
            f"/os-quota-sets/{project}",
            f"/os-quota-sets/{project}/detail",
            f"/os-quota-sets/{project}/defaults",
            f"/os-simple-tenant-usage/{project}?detailed=1",
            "/limits",
            f"/limits?tenant_id={project}",
            "/flavors/detail",
            "/images",
            "/os-availability-zone",
            "/os-server-groups",
            "/extensions",
        ):
            await self.call("GET", path, user=user)
        await self.call("GET", f"/servers/{server}/os-security-groups", version="2.1", user=user)
        await self.call("POST", f"/servers/{server}/action", {"os-stop": None}, user=user)
        await self.call("PUT", f"/servers/{server}", {"server": {"name": "new"}}, user=user)
        await self.call("POST", f"/servers/{server}/metadata", {"metadata": {"a": "b"}}, user=user)
        return str(server)

    async def volumes(self, server: str, user: str = "member") -> None:
        project = self.cloud.keystone.issue(user).project_id
        made = await self.volume(
            "POST", "/volumes", {"volume": {"size": 1, "availability_zone": "az2"}}, user=user
        )
        volume = made["volume"]["id"]
        attach = {"volumeAttachment": {"volumeId": volume}}
        await self.call("POST", f"/servers/{server}/os-volume_attachments", attach, user=user)
        await self.call("DELETE", f"/servers/{server}/os-volume_attachments/{volume}", user=user)
        snapshot = {"snapshot": {"volume_id": volume, "name": "one", "force": True}}
        await self.volume("POST", "/snapshots", snapshot, user=user)
        await self.volume("POST", "/backups", {"backup": {"volume_id": volume}}, user=user)
        await self.volume(
            "POST", "/volume-transfers", {"transfer": {"volume_id": volume}}, user=user
        )
        for path in (
            f"/volumes/{volume}",
            "/volumes/detail",
            f"/{project}/volumes/detail",
            f"/volumes/detail?project_id={project}",
            "/snapshots/detail",
            "/backups/detail",
            "/volume-transfers/detail",
            "/attachments/detail",
            "/types",
            "/limits",
            "/messages",
            "/volumes/summary",
            f"/os-quota-sets/{project}?usage=True",
            "/groups/detail",
        ):
            await self.volume("GET", path, user=user)

    async def definitions(self) -> None:
        key = {"keypair": {"name": "mine", "public_key": KEY, "type": "ssh"}}
        await self.call("POST", "/os-keypairs", key)
        await self.call("GET", "/os-keypairs/mine")
        await self.call("GET", "/os-keypairs")
        flavor = {"name": "private", "ram": 64, "vcpus": 1, "disk": 1}
        made = await self.call(
            "POST",
            "/flavors",
            {"flavor": {**flavor, "os-flavor-access:is_public": False}},
            user="admin",
        )
        # Where no other pod is, nobody may make one.
        flavor_id = made["flavor"]["id"] if "flavor" in made else "1"
        access = {"addTenantAccess": {"tenant": self.cloud.project_id}}
        await self.call("POST", f"/flavors/{flavor_id}/action", access, user="admin")
        await self.call("GET", f"/flavors/{flavor_id}/os-flavor-access", user="admin")
        group = {"server_group": {"name": "near", "policy": "anti-affinity"}}
        await self.call("POST", "/os-server-groups", group)
        await self.call("DELETE", "/os-keypairs/mine")
        await self.volume("POST", "/types", {"volume_type": {"name": "fast"}}, user="admin")

    async def strangers(self, server: str) -> None:
        """Those who see less, or more, than the owner."""
        for user in ("reader", "other", "admin"):
            for path in (f"/servers/{server}", "/servers/detail", "/limits"):
                await self.call("GET", path, user=user)
            await self.volume("GET", "/volumes/detail", user=user)
        await self.call("DELETE", f"/servers/{server}", user="reader")
        await self.call("DELETE", f"/servers/{server}", user="other")
        project = self.cloud.project_id
        for path in (
            "/servers/detail?all_tenants=1",
            f"/servers?all_tenants=1&project_id={project}",
            f"/os-quota-sets/{project}",
            "/os-simple-tenant-usage?detailed=1",
            "/os-hypervisors/detail",
            f"/os-keypairs?user_id={self.cloud.keystone.users['member'].id}",
        ):
            await self.call("GET", path, user="admin")
        await self.call("GET", f"/{project}/servers", user="other")
        for path in ("/volumes/detail?all_tenants=1", f"/os-quota-sets/{project}"):
            await self.volume("GET", path, user="admin")
        await self.call("GET", "/servers", user="unscoped")
        header = restricted(self.cloud, ("GET", "/v2.1/**"))
        header["X-Service-Token"] = self.gateway.token("tricircle")
        await self.call("GET", f"/servers/{server}", user=None, headers=header)


@pytest.fixture
def entered(request: pytest.FixtureRequest) -> str:
    return str(getattr(request, "param", "managed"))


@pytest_asyncio.fixture(params=["mixed", "alone"])
async def walked(
    gateway: Gateway, cloud: Cloud, request: pytest.FixtureRequest
) -> AsyncIterator[Walk]:
    """With other pods beside it, and as the only one that can answer."""
    walk = Walk(gateway)
    if cloud.federated[FOREIGN] == "credentials":
        await _give_credentials(gateway, cloud)
    if request.param == "alone":
        for region in cloud.pods.keys() - {FOREIGN}:
            await gateway.set_pod(region, state="maintenance")
    server = await walk.servers()
    await walk.definitions()
    await walk.volumes(server)
    await walk.strangers(server)
    await walk.call("DELETE", f"/servers/{server}")
    await settled(gateway)
    yield walk


async def _give_credentials(gateway: Gateway, cloud: Cloud) -> None:
    """Each project has one of a project that its operator made for it."""
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    for name in ("demo", "other"):
        keystone.user(f"tenant {name}", f"there {name}", "member", "reader")
        ours = cloud.keystone.projects[name].id
        tag = f"tricircle:{digest(FOREIGN, 'project', ours)}"
        keystone.projects[f"there {name}"].tags.append(tag)
        body = {"credential": keystone.credential(f"tenant {name}")}
        path = f"/pods/{gateway.pod_ids[FOREIGN]}/credentials/{ours}"
        (await gateway.manage("PUT", path, body)).ok()


def _sent(cloud: Cloud) -> list[Entry]:
    """What reached the pod, but for what a fake of central Neutron sends."""
    return [
        entry
        for entry in cloud.journal.find(FOREIGN, probes=True)
        if entry.headers.get("User-Agent") != CentralNeutron.AGENT
    ]


def _text(entry: Entry) -> str:
    headers = "\n".join(f"{name}: {value}" for name, value in entry.headers.items())
    return f"{entry.path}?{entry.query}\n{headers}\n{entry.body.decode('latin-1')}"


@pytest.mark.parametrize(
    ("entered", "walked"),
    [
        ("managed", "mixed"),
        ("managed", "alone"),
        (K2K, "mixed"),
        ("jwt", "mixed"),
        ("credentials", "mixed"),
    ],
    indirect=True,
)
async def test_no_id_goes_in_and_none_comes_out(walked: Walk, cloud: Cloud) -> None:
    """One walk for both: nothing of ours reaches the pod, no id of the pod comes back."""
    _nothing_of_ours_reached(cloud)
    _no_id_of_the_pod_came_back(walked, cloud)


def _nothing_of_ours_reached(cloud: Cloud) -> None:
    ours = cloud.keystone
    secrets = {
        **dict.fromkeys(ours.tokens, "token"),
        **{user.id: f"user {user.name}" for user in ours.users.values()},
        **{project.id: f"project {project.name}" for project in ours.projects.values()},
        MARKER_KEY: "marker key",
        FEDERATION_KEY: "federation key",
    }
    sent = _sent(cloud)
    assert len(sent) > 60
    for service in ("compute", "volume", "identity"):
        assert any(entry.service == f"{FOREIGN}/{service}" for entry in sent), service
    for entry in sent:
        text = _text(entry)
        for secret, what in secrets.items():
            assert secret not in text, (what, entry)
        assert "X-Service-Token" not in entry.headers, entry


def _no_id_of_the_pod_came_back(walked: Walk, cloud: Cloud) -> None:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    foreign = {
        **{user.id: f"user {user.name}" for user in keystone.users.values()},
        **{project.id: f"project {project.name}" for project in keystone.projects.values()},
    }
    assert len(keystone.projects) >= 3
    for what, answer in walked.answers:
        text = json.dumps(dict(answer.headers)) + answer.body.decode("latin-1")
        for one, whose in foreign.items():
            assert one not in text, (what, whose, text)


@pytest.fixture
def log() -> Iterator[Everything]:
    """All that is logged, from before the first call."""
    with logged() as everything:
        yield everything


@pytest.mark.parametrize("walked", ["mixed"], indirect=True)
async def test_no_secret_of_the_pod_is_logged(log: Everything, walked: Walk, cloud: Cloud) -> None:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    secrets = {*keystone.tokens, *(user.password for user in keystone.users.values())} - {"secret"}
    assert len(secrets) > 5
    text = "\n".join(log.text)
    assert f"Pod {FOREIGN} lets user" in text
    assert [one for one in secrets if one in text] == []
