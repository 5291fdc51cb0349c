# SPDX-License-Identifier: Apache-2.0
"""Limits kept in Keystone, read as oslo.limit's flat model reads them.

A project has its own limit, else the registered one. They are those of the compute service in
the region users see.
"""

import threading
import time
from typing import Any
from urllib.parse import urlencode

from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.identity import ServiceIdentity

# What Nova's resources are called in Keystone.
NAMES = {
    "instances": "servers",
    "cores": "class:VCPU",
    "ram": "class:MEMORY_MB",
    "metadata_items": "server_metadata_items",
    "injected_files": "server_injected_files",
    "injected_file_content_bytes": "server_injected_file_content_bytes",
    "injected_file_path_bytes": "server_injected_file_path_bytes",
    "key_pairs": "server_key_pairs",
    "server_groups": "server_groups",
    "server_group_members": "server_group_members",
}
_MOST = 10_000


def unregistered(resource: str) -> int:
    """The limit of what has none registered: nothing may be used, or as much as one likes."""
    listed = NAMES[resource] in CONF.quota.unified_limits_resource_list
    required = listed == (CONF.quota.unified_limits_resource_strategy == "require")
    return 0 if required else -1


class UnifiedLimits:
    """Keystone's limits, each project's believed for [quota] limits_cache_seconds. Blocks."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity
        self._lock = threading.Lock()
        self._known: dict[str | None, tuple[float, dict[str, int | None]]] = {}

    def read(self, project_id: str | None) -> dict[str, int | None]:
        """{resource by Nova's older name: limit} of a project, or as registered (None).

        The limit of what is not registered is None. Raises KeystoneFailed.
        """
        now = time.monotonic()
        with self._lock:
            kept = self._known.get(project_id)
            if kept is not None and now - kept[0] < CONF.quota.limits_cache_seconds:
                return dict(kept[1])
        found = self._read(project_id)
        with self._lock:
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[project_id] = (now, found)
        return dict(found)

    def _read(self, project_id: str | None) -> dict[str, int | None]:
        scope = {
            "service_id": self._identity.service_id("compute"),
            "region_id": CONF.tricircle_identity.region_name,
        }
        rows = self._list("registered_limits", scope)
        limits = {row["resource_name"]: int(row["default_limit"]) for row in rows}
        if project_id is not None:
            own = self._list("limits", {**scope, "project_id": project_id})
            limits |= {
                row["resource_name"]: int(row["resource_limit"])
                for row in own
                if row["resource_name"] in limits
            }
        return {ours: limits.get(theirs) for ours, theirs in NAMES.items()}

    def _list(self, collection: str, query: dict[str, str]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self._identity.ask_keystone(
            rights.LIMITS, f"/{collection}?{urlencode(query)}"
        )[collection]
        return found
