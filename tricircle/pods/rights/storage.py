# SPDX-License-Identifier: Apache-2.0
"""Volumes and backups."""

from tricircle.pods.rights.right import Proof, Right

STORED_GONE = Right(
    "stored_gone",
    "volume",
    (
        "GET /volumes/{}",
        "GET /snapshots/{}",
        "GET /backups/{}",
        "GET /groups/{}",
        "GET /group_snapshots/{}",
        "GET /consistencygroups/{}",
        "GET /cgsnapshots/{}",
        "GET /os-volume-transfer/{}",
        "GET /attachments/{}",
        "GET /messages/{}",
    ),
    Proof.NOBODY,
    "Only whether the thing is there at all is heeded: then what was written of it is dropped.",
    ("DELETE /volumes/{}", "GET /volumes/{}", "GET /attachments/{}"),
)
RESTORE_ELSEWHERE = Right(
    "restore_elsewhere",
    "volume",
    (
        "GET /volumes/{}",
        "GET /backups/{}",
        "GET /backups/{}/export_record",
        "POST /backups/import_record",
        "POST /backups/{}/restore",
    ),
    Proof.POLICY,
    "tricircle:backups:restore_elsewhere for the owners of backup and volume; both pods show what "
    "they have to the caller's own token, and that of the volume lets it change the volume.",
    ("POST /backups/{}/restore",),
)
BACKUP_COPY = Right(
    "backup_copy",
    "volume",
    ("GET /backups/{}", "DELETE /backups/{}"),
    Proof.ROW,
    "The row in realizations says that the record was brought there for a restore, and that the "
    "backup itself is gone; only one of the service user's own project is removed.",
)
MOVE = Right(
    "move",
    "volume",
    (
        "GET /volumes",
        "GET /volumes/detail",
        "GET /volumes/{}",
        "POST /volumes",
        "PUT /volumes/{}",
        "PUT /volumes/{}/metadata",
        "DELETE /volumes/{}",
        "GET /snapshots/detail",
        "POST /volumes/{}/action os-update_readonly_flag",
        "POST /volumes/{}/action os-volume_upload_image",
        "POST /volumes/{}/action os-set_image_metadata",
        "POST /volumes/{}/action os-unset_image_metadata",
        "POST /volumes/{}/action os-set_bootable",
        "GET /os-volume-transfer/detail",
        "POST /os-volume-transfer",
        "DELETE /os-volume-transfer/{}",
    ),
    Proof.POLICY,
    "tricircle:moves:create, or tricircle:moves:follow for an empty volume of the caller's own "
    "project, and the pod shows the volume to the caller's own token; then the row in "
    "volume_moves.",
    ("POST /volumes/{}/move",),
)
MOVE_ACCEPTED = Right(
    "move_accepted",
    "volume",
    ("POST /os-volume-transfer/{}/accept",),
    Proof.POLICY,
    "As of the move; the volume that is taken is the copy we made, for the owner of the old one.",
)
MOVE_IMAGE = Right(
    "move_image",
    "image",
    ("GET /v2/images", "DELETE /v2/images/{}"),
    Proof.POLICY,
    "As of the move; only images that the service user itself made are looked at.",
)
