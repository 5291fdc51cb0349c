# SPDX-License-Identifier: Apache-2.0
"""Delete all that a project has, by the services' own APIs, in the order in which that works.

Whoever runs it is an administrator of the region, with the credentials of their environment (OS_...
or clouds.yaml): their own rights decide. It may be run again at any time, and goes on where it
ended: what there is is looked at anew.
"""

import contextlib
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from openstack import exceptions
from openstack.block_storage.v3.group import Group
from openstack.block_storage.v3.group_snapshot import GroupSnapshot
from openstack.block_storage.v3.transfer import Transfer

#: Gives what there is of a kind in a project, and deletes one.
List = Callable[[Any, str], Iterable[Any]]
Delete = Callable[[Any, Any], object]

_POLL = 1.0
# Since when Cinder shows the project of a group.
_GROUPS_OWNED = "3.58"
_ALL_TRANSFERS, _TRANSFERS_RENAMED = "/volume-transfers/detail?all_tenants=1", "3.55"


@dataclasses.dataclass(frozen=True)
class Kind:
    """One kind of resource. ``fades``: a deleted one is there for a while, and in the way of what
    comes after it."""

    name: str
    service: str
    list: List
    delete: Delete
    fades: bool = False


def _network(plural: str, singular: str, **filters: Any) -> tuple[List, Delete]:
    def listed(cloud: Any, project_id: str) -> Iterable[Any]:
        return getattr(cloud.network, plural)(project_id=project_id, **filters)

    return listed, lambda cloud, one: getattr(cloud.network, f"delete_{singular}")(
        one, ignore_missing=True
    )


def _servers(cloud: Any, project_id: str) -> Iterable[Any]:
    return cloud.compute.servers(all_projects=True, project_id=project_id)


def _delete_server(cloud: Any, server: Any) -> None:
    if server.is_locked:
        cloud.compute.unlock_server(server)
    cloud.compute.delete_server(server, ignore_missing=True)


def _server_groups(cloud: Any, project_id: str) -> Iterable[Any]:
    return (
        one
        for one in cloud.compute.server_groups(all_projects=True)
        if one.project_id == project_id
    )


def _of_volumes(plural: str) -> List:
    """Cinder heeds a project's filter in some lists only: nobody else's is to go."""

    def listed(cloud: Any, project_id: str) -> Iterable[Any]:
        found = getattr(cloud.block_storage, plural)(all_projects=True, project_id=project_id)
        return (one for one in found if _project_of(one) == project_id)

    return listed


def _of_groups(what: type[Any], path: str) -> List:
    """Groups of volumes and their snapshots tell whose they are from a microversion on that the SDK
    does not ask for by itself."""

    def listed(cloud: Any, project_id: str) -> Iterable[Any]:
        found = what.list(
            cloud.block_storage, base_path=path, all_projects=True, microversion=_GROUPS_OWNED
        )
        return (one for one in found if one.project_id == project_id)

    return listed


def _transfers(cloud: Any, project_id: str) -> Iterable[Any]:
    """They tell only of which volume they are, and the SDK asks for one project's alone."""
    offered = list(
        Transfer.list(
            cloud.block_storage, base_path=_ALL_TRANSFERS, microversion=_TRANSFERS_RENAMED
        )
    )
    volumes = _of_volumes("volumes")(cloud, project_id) if offered else ()
    mine = {volume.id for volume in volumes}
    return (one for one in offered if one.volume_id in mine)


def _project_of(one: Any) -> str | None:
    names = (
        "project_id",
        "os-vol-tenant-attr:tenant_id",
        "os-extended-snapshot-attributes:project_id",
        "os-backup-project-attr:project_id",
    )
    body = one.to_dict(original_names=True) if hasattr(one, "to_dict") else dict(one)
    return next((body[name] for name in names if body.get(name)), None)


def _delete_router(cloud: Any, router: Any) -> None:
    """With what joins it to networks."""
    network = cloud.network
    network.update_router(router, routes=[])
    for port in network.ports(device_id=router.id):
        if port.device_owner.startswith("network:router_interface"):
            network.remove_interface_from_router(router, port_id=port.id)
    network.update_router(router, external_gateway_info={})
    network.delete_router(router, ignore_missing=True)


def _ports(cloud: Any, project_id: str) -> Iterable[Any]:
    """Those that go with nothing else."""
    found = cloud.network.ports(project_id=project_id)
    return (port for port in found if not (port.device_owner or "").startswith("network:"))


def _groups(cloud: Any, project_id: str) -> Iterable[Any]:
    """The default group last: the others' rules may name it. Who lists them has it made again."""
    found = cloud.network.security_groups(project_id=project_id)
    return sorted(found, key=lambda group: group.name == "default")


def _images(cloud: Any, project_id: str) -> Iterable[Any]:
    """Hidden ones are in a list of their own, those of a community in neither unless asked for."""
    for hidden in ("false", "true"):
        yield from cloud.image.images(owner=project_id, visibility="all", is_hidden=hidden)


def _delete_image(cloud: Any, image: Any) -> None:
    if image.is_protected:
        cloud.image.update_image(image, is_protected=False)
    cloud.image.delete_image(image, ignore_missing=True)


def _delete_volumes(singular: str) -> Delete:
    return lambda cloud, one: getattr(cloud.block_storage, f"delete_{singular}")(
        one, ignore_missing=True
    )


#: In this order: what uses something goes before it.
KINDS = (
    Kind("server", "compute", _servers, _delete_server, fades=True),
    Kind("server group", "compute", _server_groups,
         lambda cloud, one: cloud.compute.delete_server_group(one, ignore_missing=True)),
    Kind("image", "image", _images, _delete_image),
    Kind("backup", "volume", _of_volumes("backups"), _delete_volumes("backup"), fades=True),
    Kind("volume transfer", "volume", _transfers, _delete_volumes("transfer")),
    Kind("group snapshot", "volume", _of_groups(GroupSnapshot, "/group_snapshots/detail"),
         _delete_volumes("group_snapshot"), fades=True),
    Kind("snapshot", "volume", _of_volumes("snapshots"), _delete_volumes("snapshot"), fades=True),
    Kind("volume group", "volume", _of_groups(Group, "/groups/detail"),
         lambda cloud, one: cloud.block_storage.delete_group(one, delete_volumes=True), fades=True),
    Kind("volume", "volume", _of_volumes("volumes"), _delete_volumes("volume"), fades=True),
    Kind("floating IP", "network", *_network("ips", "ip")),
    Kind("trunk", "network", *_network("trunks", "trunk")),
    Kind("router", "network", _network("routers", "router")[0], _delete_router),
    Kind("port", "network", _ports, _network("ports", "port")[1]),
    Kind("RBAC policy", "network", *_network("rbac_policies", "rbac_policy")),
    Kind("network", "network", *_network("networks", "network")),
    Kind("subnet pool", "network", *_network("subnet_pools", "subnet_pool")),
    Kind("address scope", "network", *_network("address_scopes", "address_scope")),
    Kind("security group", "network", _groups, _network("", "security_group")[1]),
    Kind("address group", "network", *_network("address_groups", "address_group")),
    Kind("QoS policy", "network", *_network("qos_policies", "qos_policy")),
)  # fmt: skip


class Purge:
    """Of one project. ``say`` is told of each step, in words."""

    def __init__(self, cloud: Any, project_id: str, say: Callable[[str], object]) -> None:
        self._cloud, self._project_id, self._say = cloud, project_id, say

    def look(self) -> Iterator[tuple[Kind, list[Any]]]:
        """What there is, kind by kind in the order in which it would go."""
        for kind in KINDS:
            if found := self._list(kind):
                yield kind, found

    def run(self, patience: float) -> list[str]:
        """Delete all; what could not be, with the reasons. What fades is waited for ``patience``
        seconds."""
        left = []
        for kind in KINDS:
            left += self._delete(kind, time.monotonic() + patience)
        # The other services' limits are the gateway's own.
        with contextlib.suppress(exceptions.NotFoundException):
            self._cloud.network.delete_quota(self._project_id)
        return left

    def _delete(self, kind: Kind, until: float) -> list[str]:
        reasons: dict[str, str] = {}
        fading = self._list(kind)
        for one in fading:
            self._ask(kind, one, reasons)
        while kind.fades and (fading := [one for one in fading if one.id not in reasons]):
            if time.monotonic() > until:
                reasons |= {one.id: "it is still there" for one in fading}
                break
            time.sleep(_POLL)
            there = {one.id for one in self._list(kind)}
            fading = [one for one in fading if one.id in there]
        return [f"{kind.name} {one}: {why}" for one, why in sorted(reasons.items())]

    def _ask(self, kind: Kind, one: Any, reasons: dict[str, str]) -> None:
        try:
            kind.delete(self._cloud, one)
        except exceptions.NotFoundException:
            pass
        except exceptions.SDKException as error:
            reasons[one.id] = str(error)
        else:
            self._say(f"{kind.name} {one.id} ({one.name or 'no name'}) is deleted")

    def _list(self, kind: Kind) -> list[Any]:
        """None where the region has no such service, or its Neutron no such thing."""
        if kind.service not in ("compute", "network") and not self._has(kind.service):
            return []
        try:
            return list(kind.list(self._cloud, self._project_id))
        except exceptions.NotFoundException:
            return []

    def _has(self, service: str) -> bool:
        return bool(self._cloud.has_service({"volume": "block-storage"}.get(service, service)))
