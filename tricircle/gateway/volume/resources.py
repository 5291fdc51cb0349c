# SPDX-License-Identifier: Apache-2.0
"""What of Cinder lives in one pod and is found by its UUID."""

from collections.abc import Callable

from tricircle.db import backup_copies, moves
from tricircle.gateway.call import ResourceType
from tricircle.gateway.volume import deletion


def _stored(
    name: str,
    path: str,
    missing: str,
    owner: str = "tenant_id",
    copies: Callable[[str], set[str]] | None = None,
    was_moved: Callable[[str], bool] | None = None,
) -> ResourceType:
    return ResourceType(
        name, "volume", f"/{path}/{{}}", missing, owner, deletion.vanished, copies, was_moved
    )


def _was_moved(volume_id: str) -> bool:
    return moves.get(volume_id) is not None


TYPES = (
    _stored(
        moves.KIND,
        "volumes",
        "Volume {} could not be found.",
        "os-vol-tenant-attr:tenant_id",
        was_moved=_was_moved,
    ),
    _stored(
        "snapshot",
        "snapshots",
        "Snapshot {} could not be found.",
        "os-extended-snapshot-attributes:project_id",
    ),
    _stored(
        "backup",
        "backups",
        "Backup {} could not be found.",
        "os-backup-project-attr:project_id",
        copies=backup_copies.pods_with,
    ),
    _stored("group", "groups", "Group {} could not be found.", "project_id"),
    _stored(
        "group_snapshot", "group_snapshots", "GroupSnapshot {} could not be found.", "project_id"
    ),
    _stored("consistencygroup", "consistencygroups", "Group {} could not be found."),
    _stored("cgsnapshot", "cgsnapshots", "CgSnapshot {} could not be found."),
    _stored("transfer", "os-volume-transfer", "Transfer {} could not be found."),
    _stored(
        "attachment",
        "attachments",
        "Volume attachment could not be found with filter: attachment_id = {}.",
    ),
    _stored("message", "messages", "Message {} could not be found."),
)
