# SPDX-License-Identifier: Apache-2.0
"""The segment of a network that a pod had: what the region makes of it.

A VLAN or flat network on a physical network that the region knows stays what it is, so it can be
stretched to other pods. Any other is the pod's own affair: to the region it is a ``local`` network,
whose copies routers join.
"""

import sqlalchemy as sa
from neutron.db.models.segment import NetworkSegment
from neutron_lib import constants
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession

_KEPT = (constants.TYPE_VLAN, constants.TYPE_FLAT)
_TYPE, _PHYSICAL = "provider:network_type", "provider:physical_network"
_NUMBER = "provider:segmentation_id"


def provider(session: PodSession, network: Resource) -> Resource:
    """The provider attributes that the region's network gets."""
    kind = network.get(_TYPE)
    physical = _physical(session, network) if kind in _KEPT else None
    if physical is None:
        return {_TYPE: constants.TYPE_LOCAL}
    found = {_TYPE: kind, _PHYSICAL: physical}
    if network.get(_NUMBER) is not None:
        found[_NUMBER] = network[_NUMBER]
    return found


def refusal(session: PodSession, network: Resource, outside: str) -> str:
    """Why the region cannot have a network on this segment; empty if it can."""
    wanted = provider(session, network)
    kind = wanted[_TYPE]
    driver = central_neutron.core().type_manager.drivers.get(kind)
    if driver is None:
        return f"central Neutron has no networks of type {kind} ([ml2] type_drivers)"
    if kind in _KEPT and (holder := _holder(session, wanted, outside)) is not None:
        number = wanted.get(_NUMBER)
        where = f"{kind} {'' if number is None else f'{number} '}on {wanted[_PHYSICAL]}"
        return f"its segment, {where}, is that of the region's network {holder}"
    most, mtu = driver.obj.get_mtu(wanted.get(_PHYSICAL)), network.get("mtu")
    if mtu and most and mtu > most:
        return (
            f"it carries packets of {mtu} bytes, the region's networks of type {kind} {most} at "
            "the most ([DEFAULT] global_physnet_mtu of central Neutron)"
        )
    return ""


def _physical(session: PodSession, network: Resource) -> str | None:
    """The region's name of a pod's physical network; None where the region has none."""
    called, region = network.get(_PHYSICAL), session.pod.region_name
    driver = central_neutron.core().type_manager.drivers.get(network[_TYPE])
    if driver is None:
        return None
    if network[_TYPE] == constants.TYPE_VLAN:
        ranges = driver.obj.get_network_segment_ranges()
        known = set(ranges) if isinstance(ranges, dict) else set()
    else:
        names = driver.obj.flat_networks
        known = set(names) if names is not None else {str(called)}
    renamed = CONF.interconnect.physical_networks
    for name in sorted(known):
        if renamed.get(f"{region}/{name}", name) == called:
            return str(name)
    return None


def _holder(session: PodSession, wanted: Resource, outside: str) -> str | None:
    """The network of the region that has a segment, unless it is the one meant."""
    row = NetworkSegment
    query = sa.select(row.network_id).where(
        row.network_type == wanted[_TYPE],
        row.physical_network == wanted[_PHYSICAL],
        row.network_id != outside,
    )
    if wanted.get(_NUMBER) is not None:
        query = query.where(row.segmentation_id == wanted[_NUMBER])

    def look(tx: Session) -> str | None:
        return tx.scalar(query.limit(1))

    found: str | None = session.queue.transact(look)
    return found
