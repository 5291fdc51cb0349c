# SPDX-License-Identifier: Apache-2.0
"""What a reader, a member, an admin and another project may do: as each pod's own policies say.

Every call is made in the region and straight in a pod, on things made alike on either side.
"""

import dataclasses
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any

import pytest

from lab import identity
from lab.settings import REGION, Lab
from tests.e2e.site import eventually

POD = "Pod1"
ACTORS = ("reader", "member", "admin", "other")
VERSIONS = {"compute": "2.79", "block_storage": "3.60", "network": None}
SERVER = {"name": "{name}", "imageRef": "{image}", "flavorRef": "{flavor}", "networks": "none"}


@dataclasses.dataclass(frozen=True)
class Row:
    """A call; what is in braces is a thing of the side where it is made.

    ``spare_…`` is made anew for each call, ``foreign_…`` belongs to the other project.
    """

    service: str
    method: str
    path: str
    body: Any = None

    def __str__(self) -> str:
        action = next(iter(self.body)) if self.path.endswith("/action") else ""
        return f"{self.service} {self.method} {self.path} {action}".strip()


def _rows(service: str, *rows: tuple[Any, ...]) -> tuple[Row, ...]:
    return tuple(Row(service, *row) for row in rows)


ROWS = (
    *_rows(
        "compute",
        ("GET", "/servers"),
        ("GET", "/servers/detail"),
        ("GET", "/servers/detail?all_tenants=1"),
        ("GET", "/servers?project_id={project}&all_tenants=1"),
        ("GET", "/servers/{server}"),
        ("GET", "/servers/{foreign_server}"),
        ("PUT", "/servers/{server}", {"server": {"name": "renamed"}}),
        ("PUT", "/servers/{foreign_server}", {"server": {"name": "renamed"}}),
        ("GET", "/servers/{server}/diagnostics"),
        ("GET", "/servers/{server}/os-instance-actions"),
        ("GET", "/servers/{server}/os-interface"),
        ("POST", "/servers/{server}/metadata", {"metadata": {"colour": "blue"}}),
        ("POST", "/servers/{server}/action", {"os-getConsoleOutput": {}}),
        ("POST", "/servers/{server}/action", {"os-resetState": {"state": "active"}}),
        ("POST", "/servers/{foreign_server}/action", {"os-stop": None}),
        ("POST", "/servers/{spare_server}/action", {"lock": {}}),
        ("POST", "/servers/{spare_server}/action", {"os-stop": None}),
        ("DELETE", "/servers/{spare_server}"),
        ("DELETE", "/servers/{foreign_server}/metadata/nothing"),
        ("POST", "/servers", {"server": SERVER}),
        ("GET", "/os-keypairs"),
        ("GET", "/os-keypairs?user_id={user}"),
        ("POST", "/os-keypairs", {"keypair": {"name": "{name}", "public_key": "{key}"}}),
        ("DELETE", "/os-keypairs/{spare_keypair}"),
        ("GET", "/flavors/detail?is_public=None"),
        ("GET", "/flavors/{flavor}/os-flavor-access"),
        ("POST", "/flavors", {"flavor": {"name": "{name}", "ram": 64, "vcpus": 1, "disk": 1}}),
        ("GET", "/os-hypervisors"),
        ("GET", "/os-services"),
        ("PUT", "/os-services/nothing", {"status": "disabled"}),
        ("GET", "/os-aggregates"),
        ("POST", "/os-aggregates", {"aggregate": {"name": ""}}),
        ("POST", "/os-aggregates", {"aggregate": {"name": "{name}"}}),
        ("GET", "/os-migrations"),
        ("GET", "/os-availability-zone/detail"),
        ("GET", "/limits?tenant_id={project}"),
        ("GET", "/os-quota-sets/{project}"),
        ("GET", "/os-quota-sets/{project}/detail"),
        ("PUT", "/os-quota-sets/{project}", {"quota_set": {"instances": 50}}),
        ("GET", "/os-simple-tenant-usage"),
        ("GET", "/os-simple-tenant-usage/{project}"),
        ("GET", "/os-server-groups?all_projects=1"),
        ("POST", "/os-server-groups", {"server_group": {"name": "{name}", "policy": "affinity"}}),
        ("GET", "/os-console-auth-tokens/nothing"),
    ),
    *_rows(
        "block_storage",
        ("GET", "/volumes"),
        ("GET", "/volumes/detail?all_tenants=1"),
        ("GET", "/volumes/{volume}"),
        ("GET", "/volumes/{foreign_volume}"),
        ("PUT", "/volumes/{volume}", {"volume": {"description": "told"}}),
        ("PUT", "/volumes/{foreign_volume}", {"volume": {"description": "told"}}),
        ("POST", "/volumes", {"volume": {"name": "{name}", "size": 1}}),
        ("POST", "/volumes/{volume}/action", {"os-reset_status": {"status": "available"}}),
        ("POST", "/volumes/{foreign_volume}/action", {"os-set_bootable": {"bootable": True}}),
        ("POST", "/volumes/{volume}/action", {"os-set_bootable": {"bootable": False}}),
        ("DELETE", "/volumes/{spare_volume}"),
        ("GET", "/snapshots/detail"),
        ("POST", "/snapshots", {"snapshot": {"volume_id": "{foreign_volume}", "force": True}}),
        ("GET", "/types"),
        ("POST", "/types", {"volume_type": {"name": "{name}"}}),
        ("GET", "/qos-specs"),
        ("GET", "/os-services"),
        ("GET", "/os-quota-sets/{project}"),
        ("PUT", "/os-quota-sets/{project}", {"quota_set": {"volumes": 50}}),
        ("GET", "/scheduler-stats/get_pools"),
    ),
    *_rows(
        "network",
        ("GET", "/networks"),
        ("GET", "/networks/{network}"),
        ("GET", "/networks/{foreign_network}"),
        ("PUT", "/networks/{network}", {"network": {"name": "renamed"}}),
        ("PUT", "/networks/{foreign_network}", {"network": {"name": "renamed"}}),
        ("GET", "/ports"),
        ("POST", "/networks", {"network": {"name": "{name}"}}),
        ("POST", "/networks", {"network": {"name": "{name}", "project_id": "{project}"}}),
        ("POST", "/ports", {"port": {"network_id": "{network}", "name": "{name}"}}),
        ("POST", "/ports", {"port": {"network_id": "{foreign_network}"}}),
        ("POST", "/ports", {"port": {"network_id": "{network}", "mac_address": "02:0:0:0:0:1"}}),
        ("DELETE", "/networks/{spare_network}"),
        ("GET", "/security-groups"),
        ("GET", "/agents"),
        ("GET", "/availability_zones"),
        ("GET", "/quotas/{project}"),
    ),
)


class Side:
    """The region, or a pod: the actors there, and things of the member's and of the other's."""

    def __init__(self, lab: Lab, region: str, tag: str, image: str, flavor: str, key: str) -> None:
        self.clouds = {
            actor: identity.connection(lab, region, f"{tag}-{actor}", _project(tag, actor))
            for actor in ACTORS
        }
        mine = self.clouds["member"]
        self.known: dict[str, str] = {
            "image": image,
            "flavor": flavor,
            "key": key,
            "project": mine.current_project_id,
            "user": mine.current_user_id,
        }
        self.owned: dict[str, set[str]] = {"member": set(), "other": set()}

    def fill(self, value: Any) -> Any:
        """``value`` with the names in braces replaced."""
        if isinstance(value, dict):
            return {name: self.fill(item) for name, item in value.items()}
        if not isinstance(value, str) or "{" not in value:
            return value
        before, _, rest = value.partition("{")
        thing, _, after = rest.partition("}")
        return before + self._thing(thing) + self.fill(after)

    def _thing(self, name: str) -> str:
        if name == "name":
            return f"roles-{uuid.uuid4().hex[:8]}"
        if name in self.known:
            return self.known[name]
        owner = "other" if name.startswith("foreign_") else "member"
        made = MAKERS[name.rpartition("_")[2]](self, self.clouds[owner])
        self.owned[owner].add(made)
        if not name.startswith("spare_"):
            self.known[name] = made
        return made

    def call(self, actor: str, row: Row) -> Any:
        adapter = getattr(self.clouds[actor], row.service)
        more = {} if row.body is None else {"json": self.fill(row.body)}
        path = self.fill(row.path)
        return adapter.request(path, row.method, microversion=VERSIONS[row.service], **more)

    def clean(self) -> None:
        """Remove all that the two projects have here."""
        for cloud in (self.clouds[actor] for actor in ("admin", "other")):
            compute, network = cloud.compute, cloud.network
            for server in compute.servers():
                compute.post(f"/servers/{server.id}/action", json={"unlock": None})
                compute.delete_server(server)
            for group in compute.server_groups():
                compute.delete_server_group(group)
            eventually("servers are gone", lambda c=compute: not list(c.servers()))
            storage = cloud.block_storage
            eventually("snapshots are gone", lambda s=storage: _emptied(s, "snapshots"))
            eventually("volumes are gone", lambda s=storage: _emptied(s, "volumes"))
            mine = cloud.current_project_id
            for port in network.ports(project_id=mine):
                network.delete_port(port)
            for net in network.networks(project_id=mine):
                network.delete_network(net)
        for cloud in self.clouds.values():
            for keypair in cloud.compute.keypairs():
                cloud.compute.delete_keypair(keypair)
        admin = self.clouds["admin"]
        for flavor in admin.compute.flavors():
            if flavor.name.startswith("roles-"):
                admin.compute.delete_flavor(flavor)
        for aggregate in admin.compute.aggregates():
            if aggregate.name.startswith("roles-"):
                admin.compute.delete_aggregate(aggregate)
        for kind in admin.block_storage.types():
            if kind.name.startswith("roles-"):
                admin.block_storage.delete_type(kind)


def _emptied(storage: Any, kind: str) -> bool:
    """Whether there are none; those that can be are deleted."""
    left = storage.get(f"/{kind}").json()[kind]
    for one in left:
        storage.delete(f"/{kind}/{one['id']}")
    return not left


def _server(side: Side, cloud: Any) -> str:
    server = cloud.compute.post(
        "/servers", json={"server": side.fill(SERVER)}, microversion="2.37"
    ).json()["server"]
    cloud.compute.wait_for_server(cloud.compute.get_server(server["id"]), wait=90, interval=0.5)
    return str(server["id"])


def _volume(side: Side, cloud: Any) -> str:
    volume = cloud.block_storage.create_volume(name=side.fill("{name}"), size=1)
    cloud.block_storage.wait_for_status(volume, "available", interval=0.5, wait=60)
    return str(volume.id)


def _network(side: Side, cloud: Any) -> str:
    return str(cloud.network.create_network(name=side.fill("{name}")).id)


def _keypair(side: Side, cloud: Any) -> str:
    made = cloud.compute.create_keypair(name=side.fill("{name}"), public_key=side.known["key"])
    return str(made.name)


MAKERS: dict[str, Callable[[Side, Any], str]] = {
    "server": _server,
    "volume": _volume,
    "network": _network,
    "keypair": _keypair,
}


def _project(tag: str, actor: str) -> str:
    return f"{tag}-two" if actor == "other" else f"{tag}-one"


@pytest.fixture(scope="module")
def tag(lab: Lab, tricircle_api: Callable[..., Any]) -> Iterator[str]:
    """What the users and the two projects are called by, in Keystone for as long as needed.

    The projects are bound to the pod that the region is compared with: another release has other
    policies.
    """
    keystone = identity.connection(lab).identity
    tag = f"roles-{uuid.uuid4().hex[:8]}"
    roles = {role.name: role for role in keystone.roles()}
    projects = {
        name: keystone.create_project(name=name, domain_id="default")
        for name in {_project(tag, actor) for actor in ACTORS}
    }
    users = []
    (pod,) = tricircle_api("GET", f"/pods?region_name={POD}")["pods"]
    try:
        for project in projects.values():
            binding = {"project_id": project.id, "pod_id": pod["id"]}
            tricircle_api("POST", "/bindings", json={"binding": binding})
        for actor in ACTORS:
            user = keystone.create_user(
                name=f"{tag}-{actor}", password=identity.PASSWORD, domain_id="default"
            )
            users.append(user)
            role = roles["member" if actor == "other" else actor]
            keystone.assign_project_role_to_user(projects[_project(tag, actor)], user, role)
        yield tag
    finally:
        for user in users:
            keystone.delete_user(user)
        for project in projects.values():
            keystone.delete_project(project)


@pytest.fixture(scope="module")
def sides(lab: Lab, tag: str, image: Any, flavor: Any, public_key: str) -> Iterator[list[Side]]:
    """The region and the pod."""
    made = [Side(lab, one, tag, image.id, flavor.id, public_key) for one in (REGION, POD)]
    yield made
    for side in made:
        side.clean()


@pytest.fixture(scope="module")
def public_key(demo: Any) -> Iterator[str]:
    name = f"roles-{uuid.uuid4().hex[:8]}"
    keys = demo.compute.create_keypair(name=name)
    yield keys.public_key
    demo.compute.delete_keypair(keys)


@pytest.fixture(scope="module")
def at_once() -> Iterator[Executor]:
    with ThreadPoolExecutor(2) as threads:
        yield threads


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_the_region_allows_what_a_pod_allows(
    sides: list[Side], at_once: Executor, row: Row
) -> None:
    found = {}
    for actor in ACTORS:
        ours, theirs = at_once.map(lambda side, actor=actor: side.call(actor, row), sides)
        if ours.status_code != theirs.status_code:
            found[actor] = (ours.status_code, theirs.status_code, ours.text[:200])
        foreign = {"other": "member", "admin": None}.get(actor, "other")
        if foreign and ours.status_code < 400:
            shown = [one for side in sides for one in side.owned[foreign] if one in ours.text]
            assert not shown, f"{actor} is shown {shown}"
    assert found == {}
