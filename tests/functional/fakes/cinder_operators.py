# SPDX-License-Identifier: Apache-2.0
"""What operators see of a Cinder, mixed into it: services, hosts, pools, zones, extensions."""

from typing import Any

from aiohttp import web

from tests.functional.fakes.cinder_lists import KINDS, Object, Store, true
from tests.functional.fakes.http import Exchange, Refusal, reply, route


class Operators(Store):
    """``hosts`` are those of the volume service; ``free`` is what its pool has left, in GB."""

    def prepare_operators(self) -> None:
        pod = self.name.partition("/")[0]
        self.hosts = [f"{pod}-host@lvm"]
        self.disabled: dict[str, str] = {}
        self.total, self.free = 100, 100

    def _service(self, host: str, binary: str, exchange: Exchange) -> Object:
        shown: Object = {
            "binary": binary, "host": host, "zone": self.zone,
            "status": "disabled" if host in self.disabled else "enabled", "state": "up",
            "updated_at": "2026-11-01T00:00:00.000000",
            "disabled_reason": self.disabled.get(host),
        }  # fmt: skip
        if exchange.version >= (3, 7):
            shown["cluster"] = None
        return shown

    @route("GET", "/os-services")
    def services(self, exchange: Exchange) -> web.Response:
        pod = self.name.partition("/")[0]
        found = [(f"{pod}-host", "cinder-scheduler"), *((h, "cinder-volume") for h in self.hosts)]
        query: Any = exchange.query
        asked = (query.get("host"), query.get("binary"))
        found = [
            one
            for one in found
            if all(want in (None, have) for want, have in zip(asked, one, strict=True))
        ]
        return reply({"services": [self._service(*one, exchange) for one in found]})

    @route("PUT", "/os-services/(?P<action>enable|disable|disable-log-reason|freeze|thaw)")
    def change_service(self, exchange: Exchange, action: str) -> web.Response:
        wanted = exchange.json()
        host = wanted.get("host")
        if host not in self.hosts:
            raise Refusal(404, f"Service cinder-volume could not be found on host {host}.")
        if action == "enable":
            self.disabled.pop(host, None)
        elif action.startswith("disable"):
            self.disabled[host] = wanted.get("disabled_reason") or ""
        return reply({"host": host, "service": "", "binary": wanted.get("binary"),
                      "disabled": host in self.disabled, "status": action + "d"})  # fmt: skip

    @route("GET", "/os-hosts")
    def list_hosts(self, exchange: Exchange) -> web.Response:
        found = [{"host_name": host, "service": "cinder-volume", "zone": self.zone,
                  "service-status": "available", "service-state": "enabled",
                  "last-update": "2026-11-01T00:00:00.000000"} for host in self.hosts]  # fmt: skip
        return reply({"hosts": found})

    @route("GET", "/os-hosts/{host}")
    def show_host(self, exchange: Exchange, host: str) -> web.Response:
        if host not in self.hosts:
            raise Refusal(404, f"Host {host} could not be found.")
        resource = {"host": host, "project": "(total)", "volume_count": "0"}
        return reply({"host": [{"resource": resource}]})

    @route("GET", "/scheduler-stats/get_pools")
    def pools(self, exchange: Exchange) -> web.Response:
        found: list[Object] = [{"name": f"{host}#lvm"} for host in self.hosts]
        if true(exchange.query.get("detail")):
            for pool in found:
                pool["capabilities"] = {
                    "total_capacity_gb": self.total, "free_capacity_gb": self.free,
                    "volume_backend_name": "lvm", "storage_protocol": "iSCSI",
                }  # fmt: skip
        return reply({"pools": found})

    @route("GET", "/os-availability-zone")
    def zones(self, exchange: Exchange) -> web.Response:
        zone = {"zoneName": self.zone, "zoneState": {"available": True}}
        return reply({"availabilityZoneInfo": [zone]})

    @route("GET", "/extensions")
    def extensions(self, exchange: Exchange) -> web.Response:
        named = {
            "os-availability-zone": "AvailabilityZones",
            "os-quota-sets": "Quotas",
            "backups": "Backups",
            "qos-specs": "Qos_specs_manage",
            "os-volume-transfer": "VolumeTransfer",
        }
        return reply({"extensions": [{"alias": one, "name": named[one]} for one in named]})

    @route("GET", "/resource_filters")
    def resource_filters(self, exchange: Exchange) -> web.Response:
        found = [{"resource": kind.key, "filters": list(kind.filters)} for kind in KINDS.values()]
        return reply({"resource_filters": found})
