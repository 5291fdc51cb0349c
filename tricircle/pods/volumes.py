# SPDX-License-Identifier: Apache-2.0
"""What of a volume says whether it can be moved to another pod."""

import datetime
from collections.abc import Sequence
from typing import Any

from tricircle.pods.pod import Pod

# A volume that was attached, written to and let go again was changed later than so many seconds
# after it was made: Cinder notes a change at each of these.
_MAKING = 10.0


def obstacle(volume: dict[str, Any], snapshots: Sequence[Any]) -> str | None:
    """Why a volume cannot be moved, as its document has it; None when it can."""
    if volume["status"] != "available":
        return f"It is {volume['status']}; only a volume that is available can be moved."
    if volume.get("encrypted"):
        return "It is encrypted."
    if volume.get("group_id") or volume.get("consistencygroup_id"):
        return "It is in a group."
    if snapshots:
        return f"It has {len(snapshots)} snapshots, which would be left behind: delete them first."
    return None


def images_apart(*pods: Pod) -> str | None:
    """Why what a volume holds cannot go between pods, whose Glance it passes; None when it can."""
    for pod in pods:
        if not pod.is_shared:
            return f"Data goes by way of images, and pod {pod.region_name} has its own."
    return None


def is_untouched(volume: dict[str, Any]) -> bool:
    """Whether nothing was done to a volume since it was made empty, as its document has it.

    What it was made of, a document does not always say: a volume of a backup looks as an empty one.
    """
    filled = ("snapshot_id", "source_volid", "volume_image_metadata", "attachments")
    if str(volume.get("bootable")).lower() == "true" or any(volume.get(name) for name in filled):
        return False
    made, changed = (volume.get(name) for name in ("created_at", "updated_at"))
    if made is None or changed is None:
        return made is not None
    seconds = (_moment(changed) - _moment(made)).total_seconds()
    return 0 <= seconds <= _MAKING


def _moment(text: str) -> datetime.datetime:
    return datetime.datetime.fromisoformat(text).replace(tzinfo=None)
