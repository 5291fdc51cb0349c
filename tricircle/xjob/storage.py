# SPDX-License-Identifier: Apache-2.0
"""What storage really uses of projects' quotas, as the pods tell it.

The gateway writes down what it makes, extends and ends. Now and then all of a pod is looked
through: what was made, grown or deleted behind our back (Nova makes volumes in its own pod), or
was there before us, is learned. While a pod is away what was known of it holds. What a pod makes
together with a server, and what goes with one, is looked at by itself: there it matters at once.
"""

from collections.abc import Collection, Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import backup_copies, definitions, models, moves, routings, storage
from tricircle.db.storage import Use
from tricircle.pods import rights
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.document import pages
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService, PodServices

LOG = logging.getLogger(__name__)

_PAGE = 1000
# What was set aside is given back after this many times as long as a create may take.
_PATIENCE = 10
_BATCH = 100
_AGAIN = 5.0
# Seconds an audit may take, however often it is done.
_LEAST_FOR_AUDIT = 300.0
# A volume on its way out, or one that a server which is gone still holds.
_GOING = ("deleting", "detaching", "in-use")


class _Kind(NamedTuple):
    """Where a pod lists things, where it shows whose they are, and since which microversion."""

    path: str
    owner: str
    version: tuple[int, int]


_KINDS = {
    "volume": _Kind("/volumes", "os-vol-tenant-attr:tenant_id", (3, 65)),
    "snapshot": _Kind("/snapshots", "os-extended-snapshot-attributes:project_id", (3, 65)),
    "backup": _Kind("/backups", "os-backup-project-attr:project_id", (3, 18)),
    "group": _Kind("/groups", "project_id", (3, 58)),
}


def audit_deadline() -> Deadline:
    """When an audit of all servers, or all storage, of a pod must have ended: before the next."""
    return Deadline(max(_LEAST_FOR_AUDIT, CONF.quota.audit_interval))


class Storage:
    """Looks through the storage of pods. All blocks."""

    def __init__(self, services: PodServices) -> None:
        self._services = services

    def run(self, pod: Pod) -> int:
        """Look at what of a pod's storage is due; how much."""
        due = storage.due(pod.id, _BATCH) if pod.has("volume") else []
        if due:
            try:
                service = self._service(pod, Deadline(CONF.reconciler.claim_seconds))
                for row in due:
                    _look(service, row)
            except (PodError, KeystoneFailed, DeadlinePassed) as error:
                what = (pod.region_name, error)
                LOG.info("What storage of pod %s uses is not known yet: %s", *what)
        return len(due)

    def made_with(self, pod: Pod, owner: str, volume_ids: Collection[str]) -> None:
        """A server has these volumes by now: they, and what snapshots of them were made, stand for
        what was set aside with its allocation ``owner``. Raises PodError, KeystoneFailed,
        DeadlinePassed.
        """
        kinds = storage.begun(owner)
        if not kinds:
            return
        service = self._service(pod, Deadline(CONF.reconciler.claim_seconds))
        version = _text(_owner_since(pod))
        made: dict[str, tuple[Use, str]] = {}
        for volume_id in volume_ids:
            found = service.ask("GET", f"/volumes/{volume_id}", version, missing=True)
            volume = found and found["volume"]
            if not volume:
                continue
            if "volume" in kinds:
                made[service.outside(volume_id)] = _told(
                    "volume", volume, volume.get("volume_type")
                )
            if "snapshot" in kinds:
                query = urlencode({"all_tenants": 1, "volume_id": volume_id})
                path = f"/snapshots/detail?{query}"
                for one in service.ask("GET", path, version)["snapshots"]:
                    made[service.outside(one["id"])] = _told(
                        "snapshot", one, volume.get("volume_type")
                    )
        storage.made_with(owner, pod.id, made)

    def _service(self, pod: Pod, deadline: Deadline) -> PodService:
        names = definitions.names((moves.KIND,), pod.id).get(pod.id)
        return self._services.of(pod, rights.STORAGE_USED, deadline, names)

    def audit(self, pod: Pod) -> int:
        """Hold all of a pod's storage against what is written down; how much was not right.

        Raises PodError, KeystoneFailed, DeadlinePassed.
        """
        storage.sweep(_PATIENCE * CONF.gateway.request_deadline)
        if not pod.has("volume"):
            return 0
        service = self._service(pod, audit_deadline())
        types: dict[str, str | None] = {}
        wrong = sum(_look_through(service, pod, kind, types) for kind in _KINDS)
        if wrong:
            what = (wrong, pod.region_name)
            LOG.info("What %d volumes, snapshots, … of pod %s use is put right", *what)
        return wrong


def _look(service: PodService, row: models.StorageAllocation) -> None:
    """Whether a thing is there still."""
    kind, known_as = row.resource_type, str(row.resource_id)
    path = f"{_KINDS[kind].path}/{service.inside(known_as)}"
    found = service.ask("GET", path, _text(_owner_since(service.pod)), missing=True)
    if found is None:
        storage.gone(kind, [known_as])
    else:
        going = found[kind].get("status") in _GOING
        storage.look(row.id, _AGAIN if going else None)


def _owner_since(pod: Pod) -> tuple[int, int]:
    """A microversion at which volumes and snapshots show whose they are."""
    return min(_KINDS["volume"].version, pod.newest("volume", unknown=(3, 0)))


def _told(kind: str, shown: dict[str, Any], by_type: str | None) -> tuple[Use, str]:
    """What a thing uses, and whose it is."""
    return Use(kind, int(shown.get("size") or 0), by_type), str(shown[_KINDS[kind].owner])


def _look_through(service: PodService, pod: Pod, kind: str, types: dict[str, str | None]) -> int:
    """``types`` are those of the volumes seen, {volume id: name}: snapshots count by them."""
    how = _KINDS[kind]
    version = min(how.version, pod.newest("volume", unknown=(3, 0)))
    began = models.now()
    known = storage.in_pod(pod.id, kind)
    # Counted where the backup is.
    copies = backup_copies.in_pod(pod.id) if kind == "backup" else set()
    wrong, seen = 0, set()
    for item in _every(service, how.path, f"{kind}s", version):
        if kind == "volume":
            types[item["id"]] = item.get("volume_type")
        counts = item.get("consumes_quota") is not False and item["id"] not in copies
        if not counts or not item.get(how.owner):
            continue
        known_as = service.outside(item["id"])
        seen.add(known_as)
        by_type = types.get(item["volume_id"]) if kind == "snapshot" else item.get("volume_type")
        use = Use(kind, int(item.get("size") or 0), by_type)
        row = known.get(known_as)
        right = row is not None and _is_right(row, use, item[how.owner])
        if not right and storage.learn(use, known_as, item[how.owner], pod.id, began):
            routings.seen(kind, known_as, pod.id, item[how.owner])
            wrong += 1
    for missing in known.keys() - seen:
        path = f"{how.path}/{service.inside(missing)}"
        if service.ask("GET", path, _text(version), missing=True) is None:
            storage.gone(kind, [missing])
            wrong += 1
    return wrong


def _is_right(row: models.StorageAllocation, use: Use, project_id: str) -> bool:
    seen = (project_id, use.gigabytes, use.volume_type)
    return (row.project_id, row.gigabytes, row.volume_type) == seen


def _every(
    service: PodService, path: str, key: str, version: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Everything of a pod in a collection, of all projects, in the order it was made."""
    query: dict[str, Any] = {"all_tenants": 1, "limit": _PAGE, "sort": "created_at:asc"}
    for _ in pages(service.pod.region_name, key):
        page = service.ask("GET", f"{path}/detail?{urlencode(query)}", _text(version))[key]
        yield from page
        if len(page) < _PAGE:
            return
        query["marker"] = page[-1]["id"]


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
