# SPDX-License-Identifier: Apache-2.0
"""GET /v2.0/server-addresses?id=…: what documents of servers show of their ports, by one call."""

from typing import Any

from neutron.api import extensions
from neutron.api.v2 import base
from neutron_lib.api import extensions as api_extensions
from neutron_lib.plugins import constants, directory

from tricircle.network.plugins.server_addresses import ALIAS, COLLECTION, RESOURCE

_READ = {"allow_post": False, "allow_put": False, "is_visible": True}
_ATTRIBUTES = {"id": {**_READ, "is_filter": True, "primary_key": True}, "ports": _READ}


class Server_addresses(api_extensions.ExtensionDescriptor):  # type: ignore[misc]
    @classmethod
    def get_name(cls) -> str:
        return "Addresses of servers"

    @classmethod
    def get_alias(cls) -> str:
        return ALIAS

    @classmethod
    def get_description(cls) -> str:
        return "The ports of servers with names of networks and groups, and floating IPs"

    @classmethod
    def get_updated(cls) -> str:
        return "2026-12-01T00:00:00-00:00"

    @classmethod
    def get_resources(cls) -> list[Any]:
        attributes = {COLLECTION: _ATTRIBUTES}
        controller = base.create_resource(
            COLLECTION, RESOURCE, directory.get_plugin(constants.L3), _ATTRIBUTES
        )
        return [extensions.ResourceExtension(COLLECTION, controller, attr_map=attributes)]
