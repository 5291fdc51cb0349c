# SPDX-License-Identifier: Apache-2.0
"""What storage really uses of projects' quotas, as the pods tell it.

The gateway writes down what it makes, extends and ends. Now and then all of a pod is looked
through: what was made, grown or deleted behind our back (Nova makes volumes in its own pod), or
was there before us, is learned. While a pod is away what was known of it holds.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import backup_copies, definitions, models, moves, storage
from tricircle.db.storage import Use
from tricircle.pods import rights
from tricircle.pods.definitions import Target
from tricircle.pods.document import pages
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

_PAGE = 1000
# What was set aside is given back after this many times as long as a create may take.
_PATIENCE = 10


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


class Storage:
    """Looks through the storage of pods. All blocks."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity

    def audit(self, pod: Pod) -> int:
        """Hold all of a pod's storage against what is written down; how much was not right.

        Raises PodError, KeystoneFailed.
        """
        storage.sweep(_PATIENCE * CONF.gateway.request_deadline)
        if not pod.has("volume"):
            return 0
        names = definitions.names((moves.KIND,), pod.id).get(pod.id)
        target = Target(pod, self._identity.adapter(pod, rights.STORAGE_USED), "volume", names)
        types: dict[str, str | None] = {}
        wrong = sum(_look_through(target, pod, kind, types) for kind in _KINDS)
        if wrong:
            what = (wrong, pod.region_name)
            LOG.info("What %d volumes, snapshots, … of pod %s use is put right", *what)
        return wrong


def _look_through(target: Target, pod: Pod, kind: str, types: dict[str, str | None]) -> int:
    """``types`` are those of the volumes seen, {volume id: name}: snapshots count by them."""
    how = _KINDS[kind]
    version = min(how.version, pod.newest("volume", unknown=(3, 0)))
    began = models.now()
    known = storage.in_pod(pod.id, kind)
    # Counted where the backup is.
    copies = backup_copies.in_pod(pod.id) if kind == "backup" else set()
    wrong, seen = 0, set()
    for item in _every(target, how.path, f"{kind}s", version):
        if kind == "volume":
            types[item["id"]] = item.get("volume_type")
        counts = item.get("consumes_quota") is not False and item["id"] not in copies
        if not counts or not item.get(how.owner):
            continue
        known_as = target.outside(item["id"])
        seen.add(known_as)
        by_type = types.get(item["volume_id"]) if kind == "snapshot" else item.get("volume_type")
        use = Use(kind, int(item.get("size") or 0), by_type)
        row = known.get(known_as)
        right = row is not None and _is_right(row, use, item[how.owner])
        if not right and storage.learn(use, known_as, item[how.owner], pod.id, began):
            wrong += 1
    for missing in known.keys() - seen:
        path = f"{how.path}/{target.inside(missing)}"
        if target.ask("GET", path, _text(version), missing=True) is None:
            storage.gone(kind, [missing])
            wrong += 1
    return wrong


def _is_right(row: models.StorageAllocation, use: Use, project_id: str) -> bool:
    told = (project_id, use.gigabytes, use.volume_type)
    return (row.project_id, row.gigabytes, row.volume_type) == told


def _every(
    target: Target, path: str, key: str, version: tuple[int, int]
) -> Iterator[dict[str, Any]]:
    """Everything of a pod in a collection, of all projects, in the order it was made."""
    query: dict[str, Any] = {"all_tenants": 1, "limit": _PAGE, "sort": "created_at:asc"}
    for _ in pages(target.pod.region_name, key):
        page = target.ask("GET", f"{path}/detail?{urlencode(query)}", _text(version))[key]
        yield from page
        if len(page) < _PAGE:
            return
        query["marker"] = page[-1]["id"]


def _text(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"
