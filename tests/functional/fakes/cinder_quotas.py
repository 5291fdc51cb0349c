# SPDX-License-Identifier: Apache-2.0
"""Cinder's limits, quota sets and quota classes, mixed into Cinder: the pod's own."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_lists import Object, Store, true
from tests.functional.fakes.http import Exchange, Refusal, reply, route
from tests.functional.fakes.rights import admin_only

NAMES = ("volumes", "snapshots", "gigabytes", "backups", "backup_gigabytes", "groups")
BY_TYPE = ("volumes", "snapshots", "gigabytes")
_SHOWN = {
    "TotalVolumes": "volumes", "TotalVolumeGigabytes": "gigabytes", "TotalSnapshots": "snapshots",
    "TotalBackups": "backups", "TotalBackupGigabytes": "backup_gigabytes",
}  # fmt: skip


class Quotas(Store):
    """``quotas`` are the pod's limits for every project: none."""

    types: dict[str, Object]

    def prepare_quotas(self) -> None:
        self.quotas: dict[str, int] = dict.fromkeys((*NAMES, "per_volume_gigabytes"), -1)
        #: what somebody wanted to change here: (project or class, other limits than there were)
        self.quota_changes: list[tuple[str, Object]] = []

    def _used(self, project_id: str) -> dict[str, int]:
        used = dict.fromkeys(NAMES, 0)
        for kind in ("volume", "snapshot", "backup", "group"):
            for item in self.items[kind].values():
                if item["project_id"] == project_id:
                    used[f"{kind}s"] += 1
                    if kind != "group":
                        size = "backup_gigabytes" if kind == "backup" else "gigabytes"
                        used[size] += item["size"]
        return used

    def room(self, project_id: str, **more: int) -> None:
        used = self._used(project_id)
        for name, amount in more.items():
            limit = self.quotas[name]
            if limit >= 0 and used[name] + amount > limit:
                raise Refusal(413, f"Maximum number of {name} allowed ({limit}) exceeded for quota "
                                   f"'{name}'.")  # fmt: skip

    def _limits(self) -> dict[str, int]:
        typed = [f"{name}_{kind['name']}" for name in BY_TYPE for kind in self.types.values()]
        return {**dict.fromkeys(typed, -1), **self.quotas}

    def _may_see(self, exchange: Exchange, project_id: str) -> None:
        if exchange.token.project_id != project_id:
            admin_only(exchange)

    def _changed(self, whose: str, wanted: Object) -> None:
        limits = self._limits()
        for name, value in wanted.items():
            if not isinstance(value, int | str) or isinstance(value, bool):
                raise Refusal(400, f"Invalid input for field/attribute {name}. {value!r}")
            if not str(value).removeprefix("-").isdecimal() or not -1 <= int(value) < 2**31:
                raise Refusal(400, f"Invalid input for field/attribute {name}. Value: {value}. "
                                   f"{value} is not valid")  # fmt: skip
        different = {k: v for k, v in wanted.items() if limits.get(k, v) != int(v)}
        if different:
            self.quota_changes.append((whose, different))

    @route("GET", "/os-quota-sets/{project_id}")
    def quota_set(self, exchange: Exchange, project_id: str) -> web.Response:
        self._may_see(exchange, project_id)
        shown: Object = dict(self._limits())
        if true(exchange.query.get("usage")):
            used = self._used(project_id)
            shown = {
                name: {"limit": limit, "in_use": used.get(name, 0), "reserved": 0}
                for name, limit in shown.items()
            }
        return reply({"quota_set": {**shown, "id": project_id}})

    @route("GET", "/os-quota-sets/{project_id}/defaults")
    def quota_defaults(self, exchange: Exchange, project_id: str) -> web.Response:
        self._may_see(exchange, project_id)
        return reply({"quota_set": {**self._limits(), "id": project_id}})

    @route("PUT", "/os-quota-sets/{project_id}")
    def update_quota_set(self, exchange: Exchange, project_id: str) -> web.Response:
        self._changed(project_id, exchange.json("quota_set"))
        return reply({"quota_set": self._limits()})

    @route("DELETE", "/os-quota-sets/{project_id}")
    def delete_quota_set(self, exchange: Exchange, project_id: str) -> web.Response:
        return reply(None, 200)

    @route("GET", "/os-quota-class-sets/{name}")
    def quota_class(self, exchange: Exchange, name: str) -> web.Response:
        return reply({"quota_class_set": {**self._limits(), "id": name}})

    @route("PUT", "/os-quota-class-sets/{name}")
    def update_quota_class(self, exchange: Exchange, name: str) -> web.Response:
        self._changed(name, exchange.json("quota_class_set"))
        return reply({"quota_class_set": self._limits()})

    @route("GET", "/limits")
    def limits(self, exchange: Exchange) -> web.Response:
        project = exchange.token.project_id
        if exchange.token.is_admin and exchange.version >= (3, 39):
            query: Any = exchange.query
            project = query.get("project_id") or query.get("tenant_id") or project
        used = self._used(project)
        absolute = {f"max{shown}": self.quotas[name] for shown, name in _SHOWN.items()}
        for shown, name in _SHOWN.items():
            if name != "gigabytes":
                absolute[f"t{shown[1:]}Used"] = used[name]
        absolute["totalGigabytesUsed"] = used["gigabytes"]
        return reply({"limits": {"rate": [], "absolute": absolute}})
