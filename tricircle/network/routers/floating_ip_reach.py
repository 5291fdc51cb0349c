# SPDX-License-Identifier: Apache-2.0
"""Which pods floating IPs reach: those of their servers, and the ways in."""

import collections
from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from neutron.db.models import l3 as l3_models
from neutron.db.models import port_forwarding as forwarding_models
from sqlalchemy.orm import Session

from tricircle.network.central.models import Realization, VirtualPort
from tricircle.network.routers import reach
from tricircle.network.routers.topology import RouterReach


def pods_of(
    tx: Session,
    ids: Collection[str] | None = None,
    known: Mapping[str, RouterReach] | None = None,
) -> dict[str, set[str]]:
    """{floating IP: pods it is to be in}: its server's, and the one it comes in by.

    A server's also if it is only ports that are forwarded to it. ``known`` is how far the routers
    reach, where that has been read already.
    """
    fip, row, forwarding = l3_models.FloatingIP, Realization, forwarding_models.PortForwarding
    query = sa.select(fip.id, fip.router_id, row.pod_id).distinct()
    query = query.where(
        row.resource_type == "port", row.absent.is_(False), fip.router_id.is_not(None)
    )
    if ids is not None:
        query = query.where(fip.id.in_(list(ids)))
    query = _answered_for(query)
    own = query.join(row, row.resource_id == fip.fixed_port_id)
    forwarded = query.join(forwarding, forwarding.floatingip_id == fip.id).join(
        row, row.resource_id == forwarding.internal_neutron_port_id
    )
    rows = [*tx.execute(own).tuples(), *tx.execute(forwarded).tuples()]
    reached = known
    if reached is None:
        reached = reach.routers(tx, {router_id for _, router_id, _ in rows}) if rows else {}
    found: dict[str, set[str]] = collections.defaultdict(set)
    for fip_id, router_id, pod_id in rows:
        router = reached.get(router_id)
        if router is None or not router.outlets or pod_id not in router.tenants:
            continue
        found[fip_id].add(pod_id)
        if pod_id in router.guests and router.exit:
            found[fip_id].add(router.exit)
    return found


def server_pods(tx: Session, port_ids: Collection[str]) -> set[str]:
    """The pods that traffic to ports is to reach."""
    row = Realization
    query = sa.select(row.pod_id).where(
        row.resource_type == "port", row.absent.is_(False), row.resource_id.in_(list(port_ids))
    )
    return set(tx.scalars(_answered_for(query)))


def _answered_for(query: sa.Select[Any]) -> sa.Select[Any]:
    """Of ports that servers in several pods answer for in turn, only the pod of whose turn it is;
    ``query`` has the rows of ports."""
    elsewhere = sa.exists().where(
        VirtualPort.port_id == Realization.resource_id, VirtualPort.pod_id != Realization.pod_id
    )
    return query.where(~elsewhere)
