# SPDX-License-Identifier: Apache-2.0
"""An address of a subnet set aside for a pod.

A pod makes ports of its own on a network (for DHCP, for metadata), and its copy of a router may
need an address that no other pod's copy has. They must not take an address central Neutron gives
to somebody else, so central keeps one for each pod, subnet and purpose, as a port of device owner
``network:dhcp``: Neutron removes those by itself with their subnet or network. They
belong to no project, so only an administrator sees them and they cost no quota.

A subnet's gateway address is nobody's to set aside: a router takes it. In which pod it is answered
for is kept by such a port without an address.

What a floating IP has on a router's bridge network is held by it in the place of a pod.
"""

import contextlib
import ipaddress
import time
import types
import uuid
from collections.abc import Callable, Collection, Mapping

import sqlalchemy as sa
from neutron.db import models_v2
from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api import attributes
from neutron_lib.api.definitions import port as port_def
from oslo_log import log
from sqlalchemy.orm import Session

from tricircle.db.realizations import Key
from tricircle.db.work_queue import Busy
from tricircle.network.central import central_neutron, facts, models
from tricircle.network.central.central_neutron import Resource
from tricircle.pods.reconciler import NotYet

LOG = log.getLogger(__name__)
_NAMESPACE = uuid.UUID("9d9d3c9c-6f0d-5a53-8b0b-0d6f4c1f7d57")
_DEVICE = "tricircle-"
#: {(subnet, reserving port): address} of what is reserved for a pod. Where ports make addresses
#: of their own, a reserving port has one on every such subnet besides the one it keeps.
Reserved = Mapping[tuple[str, str], str]
NOTHING: Reserved = types.MappingProxyType({})
# Seconds to wait for somebody else who makes the same reservation.
_PATIENCE = 10.0
_POLL = 0.1
# Addresses of a subnet that are counted one by one.
_COUNTED = 4096


def port_id(subnet_id: str, pod_id: str, purpose: str = "") -> str:
    """The reserving port's id: always the same, so that two who reserve at once make one."""
    return str(uuid.uuid5(_NAMESPACE, f"{subnet_id} {pod_id} {purpose}".rstrip()))


def reserved(subnet: Resource, pod_id: str, purpose: str = "") -> Resource | None:
    """The port that keeps the pod's address in the subnet for a purpose, made at the first call;
    None when the subnet has no address left. Raises NotYet when somebody else is slow at it."""
    reserving = port_id(subnet["id"], pod_id, purpose)
    fixed = [{"subnet_id": subnet["id"]}]
    try:
        return _made_once(reserving, lambda: _reserve(subnet, pod_id, purpose, reserving, fixed))
    except n_exc.IpAddressGenerationFailure:
        LOG.warning("Subnet %s has no address left to reserve in pod %s", subnet["id"], pod_id)
        return None


def keep(subnet: Resource, pod_id: str, purpose: str, ip_address: str) -> None:
    """Set aside for a pod an address that it has already. Raises NotYet, and what Neutron raises
    where somebody else has it."""
    reserving = port_id(subnet["id"], pod_id, purpose)
    fixed = [{"subnet_id": subnet["id"], "ip_address": ip_address}]
    _made_once(reserving, lambda: _reserve(subnet, pod_id, purpose, reserving, fixed))


def _made_once(reserving: str, make: Callable[[], Resource]) -> Resource:
    """A reserving port, made at the first call. Raises NotYet."""
    until = time.monotonic() + _PATIENCE
    while (port := _kept(reserving)) is None:
        try:
            # Neutron would try in vain for minutes when two make the same port at once.
            with models.work_queue().exclusive(Key("reservation", reserving)):
                return _kept(reserving) or make()
        except Busy as error:
            if time.monotonic() > until:
                raise NotYet(str(error)) from None
            time.sleep(_POLL)
    return port


def address(
    subnet: Resource, pod_id: str, purpose: str = "", known: Reserved = NOTHING
) -> str | None:
    """The pod's address in the subnet for a purpose; None when there is none left. ``known`` is
    what ``of_pod`` has told."""
    reserving = port_id(subnet["id"], pod_id, purpose)
    if (told := known.get((subnet["id"], reserving))) is not None:
        return told
    port = reserved(subnet, pod_id, purpose)
    fixed = [ip for ip in port["fixed_ips"] if ip["subnet_id"] == subnet["id"]] if port else []
    return str(fixed[0]["ip_address"]) if fixed else None


def answering(tx: Session, subnet_ids: Collection[str]) -> dict[str, str]:
    """{subnet: the pod whose router has the subnet's gateway address} of those that have one."""
    keeping = {_answering_id(subnet_id): subnet_id for subnet_id in subnet_ids}
    found = facts.ports(tx, keeping)
    return {keeping[one]: port["device_id"].removeprefix(_DEVICE) for one, port in found.items()}


def answer(subnet: Resource, pod_id: str) -> str:
    """Have a pod's router have the subnet's gateway address, if none has it yet; which has it.

    Raises NotYet when somebody else is slow at it.
    """
    keeping, purpose = _answering_id(subnet["id"]), _answering(subnet["id"])
    port = _made_once(keeping, lambda: _reserve(subnet, pod_id, purpose, keeping, []))
    return str(port["device_id"].removeprefix(_DEVICE))


def answer_no_more(subnet_id: str, pod_id: str) -> None:
    """A pod's router does not have the subnet's gateway address any more."""
    release(pod_id, purpose=_answering(subnet_id))


def _answering(subnet_id: str) -> str:
    return f"gateway of {subnet_id}"


def _answering_id(subnet_id: str) -> str:
    return port_id(subnet_id, "", "gateway")


def kept(subnet: Resource, pod_id: str, purpose: str = "") -> bool:
    """Whether the pod has an address in the subnet for a purpose already."""
    return _kept(port_id(subnet["id"], pod_id, purpose)) is not None


def size(subnet: Resource) -> int:
    """The addresses that central Neutron gives out by itself."""
    return sum(last - first + 1 for first, last in _pools(subnet))


def free(subnet: Resource) -> int:
    """How many of them it can still give out; of a large subnet perhaps fewer than this."""
    if (total := size(subnet)) > _COUNTED:
        return total
    row, pools = models_v2.IPAllocation, _pools(subnet)
    query = sa.select(row.ip_address).where(row.subnet_id == subnet["id"])
    with models.transaction() as tx:
        taken = [int(ipaddress.ip_address(one)) for one in tx.scalars(query)]
    return total - sum(any(first <= one <= last for first, last in pools) for one in taken)


def is_reservation(port: Resource) -> bool:
    """Whether a central port only keeps an address for a pod."""
    return bool(
        port["device_owner"] == constants.DEVICE_OWNER_DHCP
        and port["device_id"].startswith(_DEVICE)
        and not port["project_id"]
    )


def of_pod(tx: Session, pod_id: str, subnet_ids: Collection[str]) -> Reserved:
    """What is reserved for a pod on subnets."""
    ip, port = models_v2.IPAllocation, models_v2.Port
    query = (
        sa.select(ip.subnet_id, ip.port_id, ip.ip_address)
        .join(port, port.id == ip.port_id)
        .where(ip.subnet_id.in_(subnet_ids), _is_for(pod_id))
    )
    rows = tx.execute(query).tuples() if subnet_ids else ()
    return {(subnet_id, reserving): address for subnet_id, reserving, address in rows}


def give_back(subnet_id: str, pod_id: str) -> None:
    """The pod makes no port by itself in the subnet any more."""
    reserving = port_id(subnet_id, pod_id)
    if _kept(reserving) is None:
        return
    with contextlib.suppress(n_exc.PortNotFound):
        central_neutron.core().delete_port(central_neutron.admin(), reserving, l3_port_check=False)


def held(holder: str) -> list[str]:
    """Ids of the ports that keep addresses for a pod, or whoever else holds them."""
    query = sa.select(models_v2.Port.id).where(_is_for(holder))
    found: list[str] = models.work_queue().transact(lambda tx: list(tx.scalars(query)))
    return found


def release(
    pod_id: str, *, subnet_ids: Collection[str] | None = None, purpose: str | None = None
) -> None:
    """Give back what was reserved for a pod: of subnets, for a purpose, or both."""
    port, ip = models_v2.Port, models_v2.IPAllocation
    query = sa.select(port.id).where(_is_for(pod_id))
    if subnet_ids is not None:
        on_them = sa.select(ip.port_id).where(ip.subnet_id.in_(subnet_ids))
        query = query.where(port.id.in_(on_them))
    if purpose is not None:
        query = query.where(port.name == purpose)
    for one in models.work_queue().transact(lambda tx: list(tx.scalars(query))):
        with contextlib.suppress(n_exc.PortNotFound):
            central_neutron.core().delete_port(central_neutron.admin(), one, l3_port_check=False)


def _is_for(pod_id: str) -> sa.ColumnElement[bool]:
    """Of a port: whether it keeps an address for a pod."""
    port = models_v2.Port
    return sa.and_(
        port.device_id == f"{_DEVICE}{pod_id}", port.device_owner == constants.DEVICE_OWNER_DHCP
    )


def _kept(reserving: str) -> Resource | None:
    """A reserving port, if it is made already."""
    found: dict[str, Resource] = models.work_queue().transact(
        lambda tx: facts.ports(tx, [reserving])
    )
    return found.get(reserving)


def _pools(subnet: Resource) -> list[tuple[int, int]]:
    """First and last address of each pool, as numbers."""
    return [
        (int(ipaddress.ip_address(pool["start"])), int(ipaddress.ip_address(pool["end"])))
        for pool in subnet["allocation_pools"]
    ]


def _reserve(
    subnet: Resource, pod_id: str, purpose: str, reserving: str, fixed_ips: list[Resource]
) -> Resource:
    body = {
        "network_id": subnet["network_id"],
        "project_id": "",
        "tenant_id": "",
        "name": purpose,
        "description": "An address set aside for a pod",
        "device_id": f"{_DEVICE}{pod_id}",
        "device_owner": constants.DEVICE_OWNER_DHCP,
        "admin_state_up": True,
        "fixed_ips": fixed_ips,
        "security_groups": [],
        "port_security_enabled": False,
    }
    known = attributes.AttributeInfo(attributes.RESOURCES[port_def.COLLECTION_NAME])
    known.fill_post_defaults(body)
    known.convert_values(body)
    port: Resource = central_neutron.core().create_port(
        central_neutron.admin(), {"port": {**body, "id": reserving}}
    )
    return port
