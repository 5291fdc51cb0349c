# SPDX-License-Identifier: Apache-2.0
"""External networks: those of a pod that are the region's, and whose addresses are free there."""

import sqlalchemy as sa
from neutron.db import models_v2
from sqlalchemy.orm import Session

from tricircle.network.adoption.default_group import Outside
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.network import NetworkAdapter

_EXTERNAL = "router:external"


def link(
    session: PodSession,
    network: Resource,
    subnets: list[Resource],
    links: dict[tuple[str, str], str],
) -> None:
    """Note which network of the region a pod's external network is: the one on the same segment."""
    core, admin, adapter = central_neutron.core(), central_neutron.admin(), NetworkAdapter()
    for central in core.get_networks(admin, filters={_EXTERNAL: [True]}):
        if not adapter.is_on_segment(session, network, central):
            continue
        links["network", network["id"]] = central["id"]
        known = core.get_subnets(admin, filters={"network_id": [central["id"]]})
        by_range = {one["cidr"]: one["id"] for one in known}
        for subnet in subnets:
            if subnet["cidr"] in by_range:
                links["subnet", subnet["id"]] = by_range[subnet["cidr"]]
        return


def refusal(
    session: PodSession,
    outside: Outside,
    holder: str,
    network_id: str,
    addresses: list[Resource],
) -> str:
    """Why something open to a pod's external network cannot be taken over; empty if it can.

    ``holder`` is what has the addresses in the region if they are its own already.
    """
    central = outside("network", network_id)
    if central is None:
        return (
            f"its external network {network_id} is not the region's: make the region's own, on the "
            "same segment"
        )
    for ip in addresses:
        if "subnet_id" in ip and outside("subnet", ip["subnet_id"]) is None:
            return (
                f"subnet {ip['subnet_id']} of its external network is not the region's: give "
                f"network {central} a subnet of the same range"
            )
    found: set[str] = session.queue.transact(
        lambda tx: _taken(tx, central, holder, [ip["ip_address"] for ip in addresses])
    )
    if found:
        return f"its address {min(found)} is in use in the region, on network {central}"
    return ""


def _taken(tx: Session, network_id: str, holder: str, addresses: list[str]) -> set[str]:
    """Those of the addresses that somebody else has in the region."""
    port, ip = models_v2.Port, models_v2.IPAllocation
    query = (
        sa.select(ip.ip_address)
        .join(port, port.id == ip.port_id)
        .where(
            ip.network_id == network_id,
            ip.ip_address.in_(addresses),
            port.device_id != holder,
        )
    )
    return set(tx.scalars(query))
