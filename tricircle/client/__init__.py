# SPDX-License-Identifier: Apache-2.0
"""``conn.tricircle``: the Admin API as openstacksdk has every other service.

    conn = openstack.connect(cloud="mycloud")
    tricircle.client.extend(conn)
    for pod in conn.tricircle.pods(state="enabled"):
        print(pod.region_name, pod.health)

A cloud of ``clouds.yaml`` with ``vendor_hook: "tricircle.client:extend"`` is extended by itself.
Nothing else of Tricircle is needed on a client's machine, and nothing of it is imported here.
"""

from typing import Any

from openstack.service_description import ServiceDescription

from tricircle.client.proxy import Proxy

SERVICE_TYPE = "multi-region-network-automation"
ALIAS = "tricircle"


def extend(connection: Any) -> None:
    """Give an openstacksdk connection its ``tricircle``."""
    connection.add_service(
        ServiceDescription(SERVICE_TYPE, supported_versions={"1": Proxy}, aliases=[ALIAS])
    )
