# SPDX-License-Identifier: Apache-2.0
"""An address of a subnet set aside for a pod.

A pod makes ports of its own on a network (for DHCP, for metadata). They must not take an address
central Neutron gives to somebody else, so central keeps one for each pod and subnet, as a port of
device owner ``network:dhcp``: Neutron removes those by itself with their subnet or network. They
belong to no project, so only an administrator sees them and they cost no quota.
"""

import contextlib
import uuid
from typing import Any

from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api import attributes
from neutron_lib.api.definitions import port as port_def
from oslo_db import exception as db_exc
from oslo_log import log

from tricircle.network import central
from tricircle.network.central import Resource

LOG = log.getLogger(__name__)
_NAMESPACE = uuid.UUID("9d9d3c9c-6f0d-5a53-8b0b-0d6f4c1f7d57")


def port_id(subnet_id: str, pod_id: str) -> str:
    """The reserving port's id: always the same, so that two who reserve at once make one."""
    return str(uuid.uuid5(_NAMESPACE, f"{subnet_id} {pod_id}"))


def address(subnet: Resource, pod_id: str) -> str | None:
    """The pod's address in the subnet, reserved at the first call; None when there is none left."""
    core, reserving = central.core(), port_id(subnet["id"], pod_id)
    port = central.found(core.get_port, reserving)
    if port is None:
        try:
            port = _reserve(core, subnet, pod_id, reserving)
        except n_exc.IpAddressGenerationFailure:
            LOG.warning("Subnet %s has no address left to reserve in pod %s", subnet["id"], pod_id)
            return None
        except (db_exc.DBDuplicateEntry, n_exc.Conflict):
            port = core.get_port(central.admin(), reserving)
    fixed = [ip for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]]
    return str(fixed[0]["ip_address"]) if fixed else None


def release(subnet_id: str, pod_id: str) -> None:
    """Give the pod's address in the subnet back, if one was reserved."""
    core, reserving = central.core(), port_id(subnet_id, pod_id)
    with contextlib.suppress(n_exc.PortNotFound):
        core.delete_port(central.admin(), reserving, l3_port_check=False)


def _reserve(core: Any, subnet: Resource, pod_id: str, reserving: str) -> Resource:
    body = {
        "network_id": subnet["network_id"],
        "project_id": "",
        "tenant_id": "",
        "name": "",
        "description": "An address set aside for a pod",
        "device_id": f"tricircle-{pod_id}",
        "device_owner": constants.DEVICE_OWNER_DHCP,
        "admin_state_up": True,
        "fixed_ips": [{"subnet_id": subnet["id"]}],
        "security_groups": [],
        "port_security_enabled": False,
    }
    known = attributes.AttributeInfo(attributes.RESOURCES[port_def.COLLECTION_NAME])
    known.fill_post_defaults(body)
    known.convert_values(body)
    port: Resource = core.create_port(central.admin(), {"port": {**body, "id": reserving}})
    return port
