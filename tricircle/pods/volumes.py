# SPDX-License-Identifier: Apache-2.0
"""What of a volume says whether it can be moved to another pod."""

from collections.abc import Sequence
from typing import Any


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
