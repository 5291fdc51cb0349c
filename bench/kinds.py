# SPDX-License-Identifier: Apache-2.0
"""What the benchmarks measure, servers and volumes, and all that differs between the two."""

from __future__ import annotations

import argparse
import dataclasses
import time
from collections.abc import Mapping
from typing import Any

import orjson
import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from bench.http import request
from tricircle.db import models

FLAVOR_ID = "1"
FLAVOR = {"id": FLAVOR_ID, "name": "m1.tiny", "vcpus": 1, "ram": 512, "disk": 1}
#: A volume type every pod has, under an id of its own.
TYPE_NAME, TYPE_ID = "ssd", "ffffffff-0000-4000-8000-000000000001"
_IMAGE = "70a599e0-31e7-49b7-b260-868f441e862b"
_USER = "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0"


def type_id(number: int) -> str:
    """The id of the volume type in a pod."""
    return f"fffffffe-0000-4000-8000-{number:012x}"


@dataclasses.dataclass(frozen=True, slots=True)
class Kind:
    """``document`` and ``brief`` are what pods write of one, with the places of what differs;
    ``sign`` is in a whole document only. ``created`` is answered to a create where that is not the
    document. ``refusals`` are {what is wrong with a pod: (status, message)}, ``more`` {path: what a
    pod answers there}.
    """

    service: str
    one: str
    base: str
    oldest: str
    newest: str
    asked: str
    stamp: str
    fine: str
    failed: str
    by_name: str
    sign: bytes
    document: bytes
    brief: bytes
    created: bytes | None
    wanted: Mapping[str, Any]
    refusals: Mapping[str, tuple[int, str]]
    faults: Mapping[int, str]
    allocation: InstrumentedAttribute[Any]
    more: Mapping[str, bytes]

    @property
    def many(self) -> str:
        return f"{self.one}s"

    @property
    def collection(self) -> str:
        return f"{self.base}/{self.many}"

    def body(self, name: str) -> bytes:
        """A create's."""
        return orjson.dumps({self.one: {"name": name, **self.wanted}})

    def moment(self, seconds: float) -> str:
        return time.strftime(self.stamp, time.gmtime(seconds))

    def request(
        self, method: str, path: str, token: str, body: bytes = b"", below: str = ""
    ) -> bytes:
        """A request to the collection or, with a ``path``, in it; ``below`` where its API is."""
        version = {"OpenStack-API-Version": f"{self.service} {self.asked}"}
        if self.service == "compute":
            version["X-OpenStack-Nova-API-Version"] = self.asked
        return request(method, f"{below}{self.collection}{path}", token, body, version)

    def allocated(self) -> sa.Select[Any]:
        """The ids that are counted in a quota."""
        return sa.select(self.allocation).where(self.allocation.is_not(None))


#: What may be wrong with a pod's creates.
QUOTA, NO_HOST, HANGS, MUTE = "quota", "no host", "hangs", "mute"


def _links(where: str) -> list[dict[str, str]]:
    version, _, path = where.partition("/")
    return [
        {"rel": "self", "href": f"%(url)s/{version}/{path}/%(id)s"},
        {"rel": "bookmark", "href": f"%(url)s/{path}/%(id)s"},
    ]


_SERVER_LINKS, _VOLUME_LINKS = _links("v2.1/servers"), _links("v3/volumes")

# As Nova writes it at 2.79.
_SERVER = {
    "id": "%(id)s", "name": "%(name)s", "status": "%(status)s",
    "tenant_id": "%(project)s", "user_id": _USER,
    "metadata": {"role": "web", "owner": "team-a"},
    "hostId": "2091634baaccdc4c5a1d57069c833e402921df696b7f970791b12ec6",
    "image": {"id": _IMAGE, "links": [{
        "rel": "bookmark", "href": f"http://pod.example.org:8774/images/{_IMAGE}"}]},
    "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0,
               "original_name": "m1.tiny", "extra_specs": {"hw:numa_nodes": "1"}},
    "created": "%(created)s", "updated": "%(created)s",
    "addresses": {"private": [{
        "addr": "192.168.1.30", "version": 4, "OS-EXT-IPS-MAC:mac_addr": "00:0c:29:0d:11:74",
        "OS-EXT-IPS:type": "fixed"}]},
    "accessIPv4": "", "accessIPv6": "",
    "links": _SERVER_LINKS,
    "OS-DCF:diskConfig": "AUTO", "OS-EXT-AZ:availability_zone": "nova", "config_drive": "",
    "key_name": "mykey", "OS-SRV-USG:launched_at": "2026-01-01T00:00:00.000000",
    "OS-SRV-USG:terminated_at": None, "security_groups": [{"name": "default"}],
    "OS-EXT-STS:task_state": None, "OS-EXT-STS:vm_state": "active",
    "OS-EXT-STS:power_state": 1, "os-extended-volumes:volumes_attached": [], "progress": 0,
    "locked": False, "locked_reason": None, "description": "%(name)s", "tags": [],
    "trusted_image_certificates": None,
}  # fmt: skip

# As Cinder writes it at 3.70.
_VOLUME = {
    "id": "%(id)s", "name": "%(name)s", "status": "%(status)s", "size": 1,
    "availability_zone": "nova", "created_at": "%(created)s", "updated_at": "%(created)s",
    "description": None, "volume_type": TYPE_NAME, "volume_type_id": "%(type)s",
    "snapshot_id": None, "source_volid": None, "metadata": {"role": "data", "owner": "team-a"},
    "links": _VOLUME_LINKS, "user_id": _USER, "bootable": "false", "encrypted": False,
    "replication_status": None, "consistencygroup_id": None, "group_id": None,
    "multiattach": False, "attachments": [], "migration_status": None, "provider_id": None,
    "service_uuid": "2f1a1c5e-9ac5-4a2f-9f6a-8a5bb2b0e4d0", "shared_targets": False,
    "consumes_quota": True, "os-vol-tenant-attr:tenant_id": "%(project)s",
}  # fmt: skip


def _brief(links: list[dict[str, str]]) -> bytes:
    return orjson.dumps({"id": "%(id)s", "name": "%(name)s", "links": links})


_SERVERS = Kind(
    service="compute",
    one="server",
    base="/v2.1",
    oldest="2.1",
    newest="2.96",
    asked="2.79",
    stamp="%Y-%m-%dT%H:%M:%SZ",
    fine="ACTIVE",
    failed="ERROR",
    by_name="display_name",
    sign=b'"OS-EXT-STS:vm_state"',
    document=orjson.dumps(_SERVER),
    brief=_brief(_SERVER_LINKS),
    created=orjson.dumps({
        "id": "%(id)s", "links": _SERVER_LINKS[:1], "OS-DCF:diskConfig": "MANUAL",
        "security_groups": [{"name": "default"}], "adminPass": "zPnp2Gs",
    }),
    wanted={"flavorRef": FLAVOR_ID, "networks": "none", "imageRef": _IMAGE},
    refusals={
        QUOTA: (403, "Quota exceeded for instances: Requested 1, but already used 10 of 10 "
                     "instances"),
        NO_HOST: (500, "No valid host was found. There are not enough hosts available."),
    },
    faults={403: "forbidden"},
    allocation=models.Allocation.server_id,
    more={},
)  # fmt: skip

_VOLUMES = Kind(
    service="volume",
    one="volume",
    base="/v3",
    oldest="3.0",
    newest="3.71",
    asked="3.70",
    stamp="%Y-%m-%dT%H:%M:%S.000000",
    fine="available",
    failed="error",
    by_name="name",
    sign=b'"os-vol-tenant-attr:tenant_id"',
    document=orjson.dumps(_VOLUME),
    brief=_brief(_VOLUME_LINKS),
    created=None,
    wanted={"size": 1},
    refusals={
        QUOTA: (413, "VolumeLimitExceeded: Maximum number of volumes allowed (10) exceeded for "
                     "quota 'volumes'."),
        # Cinder takes a volume before it looks for a host; what it can fail of is itself.
        NO_HOST: (500, "The server has either erred or is incapable of performing the requested "
                       "operation."),
    },
    faults={413: "overLimit"},
    allocation=models.StorageAllocation.resource_id,
    more={
        "/v3/scheduler-stats/get_pools": orjson.dumps({"pools": [{
            "name": "host@lvm#lvm",
            "capabilities": {"total_capacity_gb": 1_000_000, "free_capacity_gb": 900_000},
        }]}),
        **{f"/v3/{name}/detail": orjson.dumps({name: []})
           for name in ("snapshots", "backups", "groups")},
    },
)  # fmt: skip

KINDS: Mapping[str, Kind] = {kind.service: kind for kind in (_SERVERS, _VOLUMES)}


def add_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--service", nargs="+", choices=tuple(KINDS), default=list(KINDS), help="whose to measure"
    )


def chosen(given: argparse.Namespace) -> list[Kind]:
    return [KINDS[service] for service in given.service]
