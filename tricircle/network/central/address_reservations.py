# SPDX-License-Identifier: Apache-2.0
"""An address of a subnet set aside for a pod.

A pod makes ports of its own on a network (for DHCP, for metadata), and its copy of a router may
need an address that no other pod's copy has. They must not take an address central Neutron gives
to somebody else, so central keeps one for each pod, subnet and purpose, as a port of device owner
``network:dhcp``: Neutron removes those by itself with their subnet or network. They
belong to no project, so only an administrator sees them and they cost no quota.
"""

import contextlib
import time
import uuid
from typing import Any

from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api import attributes
from neutron_lib.api.definitions import port as port_def
from oslo_log import log

from tricircle.db.realizations import Key
from tricircle.db.work_queue import Busy
from tricircle.network.central import central_neutron, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.site import NotYet

LOG = log.getLogger(__name__)
_NAMESPACE = uuid.UUID("9d9d3c9c-6f0d-5a53-8b0b-0d6f4c1f7d57")
_DEVICE = "tricircle-"
# Seconds to wait for somebody else who makes the same reservation.
_PATIENCE = 10.0
_POLL = 0.1


def port_id(subnet_id: str, pod_id: str, purpose: str = "") -> str:
    """The reserving port's id: always the same, so that two who reserve at once make one."""
    return str(uuid.uuid5(_NAMESPACE, f"{subnet_id} {pod_id} {purpose}".rstrip()))


def reserved(subnet: Resource, pod_id: str, purpose: str = "") -> Resource | None:
    """The port that keeps the pod's address in the subnet for a purpose, made at the first call;
    None when the subnet has no address left. Raises NotYet when somebody else is slow at it."""
    core, reserving = central_neutron.core(), port_id(subnet["id"], pod_id, purpose)
    until = time.monotonic() + _PATIENCE
    while (port := central_neutron.found(core.get_port, reserving)) is None:
        try:
            # Neutron would try in vain for minutes when two make the same port at once.
            with models.work_queue().exclusive(Key("reservation", reserving)):
                port = central_neutron.found(core.get_port, reserving)
                return port or _reserve(core, subnet, pod_id, purpose)
        except n_exc.IpAddressGenerationFailure:
            LOG.warning("Subnet %s has no address left to reserve in pod %s", subnet["id"], pod_id)
            return None
        except Busy as error:
            if time.monotonic() > until:
                raise NotYet(str(error)) from None
            time.sleep(_POLL)
    return port


def address(subnet: Resource, pod_id: str, purpose: str = "") -> str | None:
    """The pod's address in the subnet for a purpose; None when there is none left."""
    port = reserved(subnet, pod_id, purpose)
    fixed = [ip for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]] if port else []
    return str(fixed[0]["ip_address"]) if fixed else None


def is_reservation(port: Resource) -> bool:
    """Whether a central port only keeps an address for a pod."""
    return bool(
        port["device_owner"] == constants.DEVICE_OWNER_DHCP
        and port["device_id"].startswith(_DEVICE)
        and not port["project_id"]
    )


def release(pod_id: str, *, subnet_id: str | None = None, purpose: str | None = None) -> None:
    """Give back what was reserved for a pod: of a subnet, for a purpose, or both."""
    core = central_neutron.core()
    filters: dict[str, Any] = {"device_id": [f"{_DEVICE}{pod_id}"]}
    if subnet_id is not None:
        filters["fixed_ips"] = {"subnet_id": [subnet_id]}
    if purpose is not None:
        filters["name"] = [purpose]
    for port in core.get_ports(central_neutron.admin(), filters=filters):
        with contextlib.suppress(n_exc.PortNotFound):
            core.delete_port(central_neutron.admin(), port["id"], l3_port_check=False)


def _reserve(core: Any, subnet: Resource, pod_id: str, purpose: str) -> Resource:
    body = {
        "network_id": subnet["network_id"],
        "project_id": "",
        "tenant_id": "",
        "name": purpose,
        "description": "An address set aside for a pod",
        "device_id": f"{_DEVICE}{pod_id}",
        "device_owner": constants.DEVICE_OWNER_DHCP,
        "admin_state_up": True,
        "fixed_ips": [{"subnet_id": subnet["id"]}],
        "security_groups": [],
        "port_security_enabled": False,
    }
    known = attributes.AttributeInfo(attributes.RESOURCES[port_def.COLLECTION_NAME])
    known.fill_post_defaults(body)
    known.convert_values(body)
    reserving = port_id(subnet["id"], pod_id, purpose)
    port: Resource = core.create_port(central_neutron.admin(), {"port": {**body, "id": reserving}})
    return port
