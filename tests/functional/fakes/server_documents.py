# SPDX-License-Identifier: Apache-2.0
"""The documents servers are shown as, by microversion and by who looks."""

import hashlib
from typing import Any

from tests.functional.fakes.http import Exchange
from tests.functional.fakes.server_security_groups_api import ServerSecurityGroups
from tests.functional.fakes.server_store import Object, Server

ISO = "%Y-%m-%dT%H:%M:%SZ"


class ServerDocuments(ServerSecurityGroups):
    """Brief in lists, whole where one server is shown."""

    server_groups: dict[str, Any]

    def links(self, collection: str, object_id: str, exchange: Exchange) -> list[Object]:
        return [
            {"rel": "self", "href": f"{self.url}/v2.1/{collection}/{object_id}"},
            {"rel": "bookmark", "href": f"{self.url}/{collection}/{object_id}"},
        ]

    def brief(self, server: Server, exchange: Exchange) -> Object:
        return {
            "id": server.id,
            "name": server.name,
            "links": self.links("servers", server.id, exchange),
        }

    def document(self, server: Server, exchange: Exchange) -> Object:
        version, admin = exchange.version, exchange.token.is_admin
        flavor = self.flavors.get(server.flavor_id, {})
        project = server.project_id.encode()
        doc: Object = {
            **self.brief(server, exchange),
            "status": server.status,
            "tenant_id": server.project_id,
            "user_id": server.user_id,
            "metadata": server.metadata,
            "hostId": hashlib.sha224(project + server.host.encode()).hexdigest(),
            "image": "",
            "created": server.created.strftime(ISO),
            "updated": server.updated.strftime(ISO),
            "addresses": self.addresses(server),
            "accessIPv4": "",
            "accessIPv6": "",
            "OS-DCF:diskConfig": "MANUAL",
            "OS-EXT-AZ:availability_zone": server.zone,
            "OS-EXT-STS:task_state": server.task_state,
            "OS-EXT-STS:vm_state": server.vm_state,
            "OS-EXT-STS:power_state": server.power_state,
            "OS-SRV-USG:launched_at": server.launched and server.launched.isoformat(),
            "OS-SRV-USG:terminated_at": None,
            "config_drive": server.config_drive,
            "key_name": server.key_name,
            "os-extended-volumes:volumes_attached": [
                {"id": volume["id"]} for volume in self.attached(server).values()
            ],
        }
        groups = sorted({group["name"] for group in self.security_groups_of(server)})
        if groups:
            doc["security_groups"] = [{"name": name} for name in groups]
        if server.image_id:
            link = {"rel": "bookmark", "href": f"{self.url}/images/{server.image_id}"}
            doc["image"] = {"id": server.image_id, "links": [link]}
        if version < (2, 47):
            link = {"rel": "bookmark", "href": f"{self.url}/flavors/{server.flavor_id}"}
            doc["flavor"] = {"id": server.flavor_id, "links": [link]}
        else:
            doc["flavor"] = {
                "original_name": flavor.get("name", ""),
                **{name: flavor.get(name, 0) for name in ("vcpus", "ram", "disk", "swap")},
                "ephemeral": flavor.get("OS-FLV-EXT-DATA:ephemeral", 0),
                "extra_specs": flavor.get("extra_specs", {}),
            }
        if server.fault and server.status == "ERROR":
            doc["fault"] = server.fault
        if server.status in ("BUILD", "ACTIVE"):
            doc["progress"] = server.progress
        if admin:
            doc["OS-EXT-SRV-ATTR:host"] = server.host
            doc["OS-EXT-SRV-ATTR:hypervisor_hostname"] = server.host
            doc["OS-EXT-SRV-ATTR:instance_name"] = f"instance-{server.launch_index:08x}"
            if version >= (2, 3):
                doc["OS-EXT-SRV-ATTR:hostname"] = server.hostname
                doc["OS-EXT-SRV-ATTR:launch_index"] = server.launch_index
                doc["OS-EXT-SRV-ATTR:reservation_id"] = server.reservation_id
                doc["OS-EXT-SRV-ATTR:root_device_name"] = server.root_device_name
                doc["OS-EXT-SRV-ATTR:kernel_id"] = doc["OS-EXT-SRV-ATTR:ramdisk_id"] = ""
                doc["OS-EXT-SRV-ATTR:user_data"] = server.user_data
            if version >= (2, 16):
                doc["host_status"] = "UP"
        elif version >= (2, 90):
            doc["OS-EXT-SRV-ATTR:hostname"] = server.hostname
        added = {
            (2, 9): ("locked", server.locked),
            (2, 19): ("description", server.description),
            (2, 26): ("tags", server.tags),
            (2, 63): ("trusted_image_certificates", None),
            (2, 73): ("locked_reason", None),
            (2, 96): ("pinned_availability_zone", server.pinned_zone),
            (2, 100): ("scheduler_hints", self._kept(server.hints)),
        }
        doc.update(dict(pair for since, pair in added.items() if version >= since))
        return doc

    @staticmethod
    def _kept(hints: Object) -> Object:
        """Hints as Nova keeps them: every value is a list."""
        return {
            name: value if isinstance(value, list) else [value] for name, value in hints.items()
        }

    def whole(self, server: Server, exchange: Exchange) -> Object:
        """A document as it is shown of one server."""
        doc = self.document(server, exchange)
        if exchange.version >= (2, 71):
            groups = self.server_groups.values()
            doc["server_groups"] = [group.id for group in groups if server.id in group.members]
        return doc
