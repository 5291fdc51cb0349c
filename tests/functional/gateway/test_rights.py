# SPDX-License-Identifier: Apache-2.0
"""Whoever has no right gets the service user to do nothing: each row of the table of rights, asked
for by all kinds of callers at the oldest and the newest microversion.
"""

import asyncio
import dataclasses
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional import servers, volumes
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import Entry
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.conf import CONF
from tricircle.db import models, routings, session
from tricircle.gateway.volume import backups
from tricircle.pods import rights
from tricircle.pods.rights import Right

#: A member of another project, one who may only look, and tokens for no project at all.
CALLERS = ("other", "reader", "unscoped", "system reader")
VERSIONS = {"compute": ("2.1", "2.104"), "volume": ("3.0", "3.71"), "admin": (None,)}
_LOOKS = ("GET", "HEAD")
# What a GET of Cinder's changes all the same.
_CHANGES = ("/associate", "/disassociate", "/disassociate_all")


@dataclasses.dataclass(frozen=True)
class Case:
    """A request about what is the member's, or an administrator's; ``{name}`` is of the world."""

    api: str
    method: str
    path: str
    body: Any = None


def compute(method: str, path: str, body: Any = None) -> Case:
    return Case("compute", method, path, body)


def volume(method: str, path: str, body: Any = None) -> Case:
    return Case("volume", method, path, body)


SERVER = {
    "name": "two",
    "imageRef": "{image}",
    "flavorRef": "1",
    "networks": [{"port": "{free_port}"}],
}
SEVERAL = {**SERVER, "min_count": 2, "networks": [{"uuid": "{network}"}]}
ENCRYPTION = {"encryption": {"provider": "luks", "control_location": "front-end"}}

#: {(row, what is asked): a request that comes to it}
CASES = {
    ("server_gone", "DELETE /servers/{}"): compute("DELETE", "/servers/{server}"),
    ("server_gone", "GET /servers/{}"): compute("GET", "/servers/{server}"),
    ("stored_gone", "DELETE /volumes/{}"): volume("DELETE", "/volumes/{volume}"),
    ("stored_gone", "GET /volumes/{}"): volume("GET", "/volumes/{volume}"),
    ("stored_gone", "GET /attachments/{}"): volume("GET", "/attachments/{attachment}"),
    ("pod_port", "POST /servers"): compute("POST", "/servers", {"server": SERVER}),
    ("pod_port", "DELETE /servers/{}/os-interface/{}"): compute(
        "DELETE", "/servers/{server}/os-interface/{port}"
    ),
    ("reservation", "POST /servers"): compute("POST", "/servers", {"server": SEVERAL}),
    ("ports_seen", "GET /servers/{}/os-interface"): compute(
        "GET", "/servers/{server}/os-interface"
    ),
    ("ports_seen", "GET /servers/{}/os-interface/{}"): compute(
        "GET", "/servers/{server}/os-interface/{port}"
    ),
    ("ports_bound", "POST /servers"): compute("POST", "/servers", {"server": SERVER}),
    ("ports_bound", "POST /servers/{}/os-interface"): compute(
        "POST", "/servers/{server}/os-interface",
        {"interfaceAttachment": {"port_id": "{free_port}"}},
    ),
    ("ports_made", "POST /servers"): compute("POST", "/servers", {"server": SEVERAL}),
    ("ports_let_go", "DELETE /servers/{}"): compute("DELETE", "/servers/{server}"),
    ("ports_let_go", "POST /servers/{}/action"): compute(
        "POST", "/servers/{server}/action", {"forceDelete": None}
    ),
    ("ports_let_go", "DELETE /servers/{}/os-interface/{}"): compute(
        "DELETE", "/servers/{server}/os-interface/{port}"
    ),
    ("image_record", "POST /servers/{}/action"): compute(
        "POST", "/servers/{server}/action", {"createImage": {"name": "x"}}
    ),
    ("image_record", "POST /volumes/{}/action"): volume(
        "POST", "/volumes/{volume}/action", {"os-volume_upload_image": {"image_name": "x"}}
    ),
    ("flavor", "POST /flavors"): compute(
        "POST", "/flavors",
        {"flavor": {"name": "1pod", "id": "1pod", "ram": 1, "vcpus": 1, "disk": 1}},
    ),
    ("flavor", "PUT /flavors/{}"): compute(
        "PUT", "/flavors/gold", {"flavor": {"description": "d"}}
    ),
    ("flavor", "DELETE /flavors/{}"): compute("DELETE", "/flavors/gold"),
    ("flavor", "POST /flavors/{}/action"): compute(
        "POST", "/flavors/gold/action", {"removeTenantAccess": {"tenant": "{project}"}}
    ),
    ("flavor", "POST /flavors/{}/os-extra_specs"): compute(
        "POST", "/flavors/gold/os-extra_specs", {"extra_specs": {"hw:a": "2"}}
    ),
    ("flavor", "PUT /flavors/{}/os-extra_specs/{}"): compute(
        "PUT", "/flavors/gold/os-extra_specs/hw:a", {"hw:a": "2"}
    ),
    ("flavor", "DELETE /flavors/{}/os-extra_specs/{}"): compute(
        "DELETE", "/flavors/gold/os-extra_specs/hw:a"
    ),
    ("keypair", "POST /os-keypairs"): compute(
        "POST", "/os-keypairs",
        {"keypair": {
            "name": "prod", "type": "ssh", "public_key": "ssh-rsa AA", "user_id": "{user}",
        }},
    ),
    ("keypair", "DELETE /os-keypairs/{}"): compute("DELETE", "/os-keypairs/prod?user_id={user}"),
    ("qos_specs", "POST /qos-specs"): volume("POST", "/qos-specs", {"qos_specs": {"name": "slow"}}),
    ("qos_specs", "PUT /qos-specs/{}"): volume(
        "PUT", "/qos-specs/{qos}", {"qos_specs": {"a": "2"}}
    ),
    ("qos_specs", "PUT /qos-specs/{}/delete_keys"): volume(
        "PUT", "/qos-specs/{qos}/delete_keys", {"keys": ["a"]}
    ),
    ("qos_specs", "DELETE /qos-specs/{}"): volume("DELETE", "/qos-specs/{qos}?force=True"),
    ("qos_specs", "GET /qos-specs/{}/disassociate_all"): volume(
        "GET", "/qos-specs/{qos}/disassociate_all"
    ),
    ("volume_type", "POST /types"): volume("POST", "/types", {"volume_type": {"name": "slow"}}),
    ("volume_type", "PUT /types/{}"): volume(
        "PUT", "/types/{type}", {"volume_type": {"name": "slow"}}
    ),
    ("volume_type", "DELETE /types/{}"): volume("DELETE", "/types/{type}"),
    ("volume_type", "POST /types/{}/extra_specs"): volume(
        "POST", "/types/{type}/extra_specs", {"extra_specs": {"a": "2"}}
    ),
    ("volume_type", "PUT /types/{}/extra_specs/{}"): volume(
        "PUT", "/types/{type}/extra_specs/a", {"a": "2"}
    ),
    ("volume_type", "DELETE /types/{}/extra_specs/{}"): volume(
        "DELETE", "/types/{type}/extra_specs/a"
    ),
    ("volume_type", "POST /types/{}/action"): volume(
        "POST", "/types/{type}/action", {"addProjectAccess": {"project": "{project}"}}
    ),
    ("volume_type", "POST /types/{}/encryption"): volume(
        "POST", "/types/{type}/encryption", ENCRYPTION
    ),
    ("volume_type", "PUT /types/{}/encryption/{}"): volume(
        "PUT", "/types/{type}/encryption/{encryption}", ENCRYPTION
    ),
    ("volume_type", "DELETE /types/{}/encryption/{}"): volume(
        "DELETE", "/types/{type}/encryption/{encryption}"
    ),
    ("volume_type", "GET /qos-specs/{}/associate"): volume(
        "GET", "/qos-specs/{qos}/associate?vol_type_id={type}"
    ),
    ("volume_type", "GET /qos-specs/{}/disassociate"): volume(
        "GET", "/qos-specs/{qos}/disassociate?vol_type_id={type}"
    ),
    ("volume_type", "GET /qos-specs/{}/disassociate_all"): volume(
        "GET", "/qos-specs/{qos}/disassociate_all"
    ),
    ("group_type", "POST /group_types"): volume(
        "POST", "/group_types", {"group_type": {"name": "slow"}}
    ),
    ("group_type", "PUT /group_types/{}"): volume(
        "PUT", "/group_types/{group_type}", {"group_type": {"name": "slow"}}
    ),
    ("group_type", "DELETE /group_types/{}"): volume("DELETE", "/group_types/{group_type}"),
    ("group_type", "POST /group_types/{}/group_specs"): volume(
        "POST", "/group_types/{group_type}/group_specs", {"group_specs": {"a": "2"}}
    ),
    ("group_type", "PUT /group_types/{}/group_specs/{}"): volume(
        "PUT", "/group_types/{group_type}/group_specs/a", {"a": "2"}
    ),
    ("group_type", "DELETE /group_types/{}/group_specs/{}"): volume(
        "DELETE", "/group_types/{group_type}/group_specs/a"
    ),
    ("default_type", "PUT /default-types/{}"): volume(
        "PUT", "/default-types/{project}", {"default_type": {"volume_type": "{type}"}}
    ),
    ("default_type", "DELETE /default-types/{}"): volume("DELETE", "/default-types/{project}"),
    ("restore_elsewhere", "POST /backups/{}/restore"): volume(
        "POST", "/backups/{backup}/restore", {"restore": {"volume_id": "{volume}"}}
    ),
    ("move", "POST /volumes/{}/move"): Case(
        "admin", "POST", "/volumes/{volume}/move", {"move": {"region_name": "pod2"}}
    ),
    ("server_group", "DELETE /os-server-groups/{}"): compute(
        "DELETE", "/os-server-groups/{server_group}"
    ),
    ("regions", "POST /pods"): Case(
        "admin", "POST", "/pods", {"pod": {"region_name": "pod9", "availability_zone": "az1"}}
    ),
    ("projects", "POST /bindings"): Case(
        "admin", "POST", "/bindings", {"binding": {"project_id": "{project}", "pod_id": "{pod}"}}
    ),
}  # fmt: skip

REACHED = [right for right in rights.ALL if right.asked]


def test_each_row_that_a_request_leads_to_is_tried() -> None:
    assert CASES.keys() == {(right.name, asked) for right in REACHED for asked in right.asked}


@dataclasses.dataclass
class World:
    """A cloud with something of everything, and a gateway over it; ``ids`` fill in cases."""

    gateway: Gateway
    cloud: Cloud
    ids: dict[str, str]

    async def ask(self, case: Case, user: str, version: str | None) -> Answer:
        gateway, path = self.gateway, case.path.format(**self.ids)
        body = _filled(case.body, self.ids)
        if case.api == "admin":
            return await gateway.manage(case.method, path, body, user=user)
        api = gateway.volumes.call if case.api == "volume" else gateway.call
        return await api(case.method, path, body, user=user, version=version)

    def done(self) -> list[Entry]:
        """What was changed anywhere, and what the service user tried to change."""
        ours = self.cloud.keystone.users["tricircle"].id
        return [
            entry
            for entry in self.cloud.journal.find()
            if _is_change(entry)
            and ((entry.status or 500) < 400 or self._whose(entry) == ours)
            and entry.path != "/v3/auth/tokens"
        ]

    @staticmethod
    def known() -> set[str]:
        """All that is written down, without its times."""
        with session.read() as tx:
            return {
                f"{table.name} {[value for name, value in row.items() if not _is_time(name)]}"
                for table in models.Base.metadata.sorted_tables
                if table.name not in ("pods", "quota_locks")
                for row in tx.execute(sa.select(table)).mappings()
            }

    def _whose(self, entry: Entry) -> str | None:
        token = self.cloud.keystone.tokens.get(entry.headers.get("X-Auth-Token", ""))
        return token.user.id if token else None


def _is_time(column: str) -> bool:
    return column.endswith(("_at", "_since"))


def _filled(body: Any, ids: dict[str, str]) -> Any:
    if isinstance(body, dict):
        return {key: _filled(value, ids) for key, value in body.items()}
    if isinstance(body, list):
        return [_filled(value, ids) for value in body]
    return body.format(**ids) if isinstance(body, str) else body


def _is_change(entry: Entry) -> bool:
    return entry.method not in _LOOKS or entry.path.endswith(_CHANGES)


@pytest.fixture
async def world(gateway: Gateway, cloud: Cloud, monkeypatch: pytest.MonkeyPatch) -> Any:
    CONF.set_override("backup_stores", ["pod1 + pod2"], group="storage")
    monkeypatch.setattr(backups, "_PAUSE", 0.02)
    yield World(gateway, cloud, await _everything(gateway, cloud))
    CONF.clear_override("backup_stores", group="storage")


async def _everything(gateway: Gateway, cloud: Cloud) -> dict[str, str]:
    """Something of everything, made by the member or an administrator; its ids."""
    admin: dict[str, Any] = {"user": "admin", "version": "3.71"}
    project, user = cloud.project_id, cloud.keystone.users["member"].id
    network = cloud.central.network(project)["id"]
    made = await servers.make(gateway, networks=[{"uuid": network}], availability_zone="az2")
    server = made.ok(202)["server"]["id"]
    [port] = cloud.central.ports(device_id=server)
    ids = {"project": project, "user": user, "image": cloud.image_id, "network": network,
           "server": server, "port": port["id"], "pod": gateway.pod_ids["pod1"],
           "free_port": cloud.central.make("ports", project, network_id=network)["id"]}  # fmt: skip
    flavor = {"name": "gold", "id": "gold", "ram": 1, "vcpus": 1, "disk": 1,
              "os-flavor-access:is_public": False}  # fmt: skip
    (await gateway.post("/flavors", {"flavor": flavor}, user="admin")).ok()
    specs = {"extra_specs": {"hw:a": "1"}}
    (await gateway.post("/flavors/gold/os-extra_specs", specs, user="admin")).ok()
    access = {"addTenantAccess": {"tenant": project}}
    (await gateway.post("/flavors/gold/action", access, user="admin")).ok()
    # What one pod has, and has not been brought to the others.
    cloud.pods["pod1"].nova.add_flavor("1pod", name="1pod")
    key = {"keypair": {"name": "prod", "public_key": "ssh-rsa AAAA"}}
    (await gateway.post("/os-keypairs", key)).ok()
    group = {"server_group": {"name": "g", "policies": ["affinity"]}}
    grouped = (await gateway.post("/os-server-groups", group)).ok()["server_group"]
    ids["server_group"] = grouped["id"]
    kinds = {
        "type": ("/types", {"volume_type": {"name": "fast", "extra_specs": {"a": "1"}}}),
        "group_type": ("/group_types", {"group_type": {"name": "g", "group_specs": {"a": "1"}}}),
        "qos": ("/qos-specs", {"qos_specs": {"name": "q", "consumer": "front-end", "a": "1"}}),
    }
    for name, (path, body) in kinds.items():
        (kind,) = body
        ids[name] = (await gateway.volumes.post(path, body, **admin)).ok()[kind]["id"]
    path = f"/types/{ids['type']}/encryption"
    (await gateway.volumes.post(path, ENCRYPTION, **admin)).ok()
    ids["encryption"] = (await gateway.volumes.get(path, **admin)).ok()["encryption_id"]
    path = f"/qos-specs/{ids['qos']}/associate"
    (await gateway.volumes.get(path, query={"vol_type_id": ids["type"]}, **admin)).ok()
    body = {"default_type": {"volume_type": ids["type"]}}
    (await gateway.volumes.put(f"/default-types/{project}", body, **admin)).ok()
    made = await volumes.make(gateway, availability_zone="az1", volume_type=None)
    ids["volume"] = made.ok(202)["volume"]["id"]
    [(there, its_volume)] = volumes.volumes(cloud)
    attachment = cloud.pods[there].cinder.add_attachment(its_volume, server)["id"]
    ids["attachment"] = attachment
    routings.put("attachment", attachment, gateway.pod_ids[there], project)
    cinder = cloud.pods["pod2" if there == "pod1" else "pod1"].cinder
    ids["backup"] = cinder.add_backup(cinder.add_volume("one", size=1))["id"]
    await gateway.idle()
    return ids


@pytest.mark.parametrize("right", REACHED, ids=lambda right: right.name)
async def test_nothing_is_done_for_who_has_no_right(
    world: World, right: Right, record_property: Any
) -> None:
    tried, known = 0, await asyncio.to_thread(world.known)
    for asked in right.asked:
        case = CASES[right.name, asked]
        world.cloud.journal.clear()
        for user in CALLERS:
            for version in VERSIONS[case.api]:
                answer = await world.ask(case, user, version)
                await world.gateway.idle()
                what = (asked, user, version, answer.status, answer.body[:200])
                assert world.done() == [], what
                assert known - await asyncio.to_thread(world.known) == set(), what
                assert answer.status < 500, what
                assert answer.status >= 400 or not _is_write(case), what
                tried += 1
    record_property("tried", tried)


def _is_write(case: Case) -> bool:
    return case.method not in _LOOKS or case.path.partition("?")[0].endswith(_CHANGES)
