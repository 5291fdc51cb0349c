# SPDX-License-Identifier: Apache-2.0
"""The status of ports and trunks comes back from the pods."""

import sqlalchemy as sa
from neutron.db import models_v2
from oslo_log import log
from sqlalchemy.orm import Session

from tricircle.network import central, outbox, trunks
from tricircle.network.site import Site

LOG = log.getLogger(__name__)

# What a pod may say of a port that central Neutron says too.
_KNOWN = {"ACTIVE", "DOWN", "BUILD", "ERROR"}


def bring_back(site: Site) -> int:
    """Take over the status of every port and trunk in a pod; how many have changed."""
    return _ports(site) + trunks.bring_back(site)


def _ports(site: Site) -> int:
    """One list for all ports."""
    table = site.store.table
    query = sa.select(table.resource_id, table.pod_resource_id).where(
        table.resource_type == "port",
        table.pod_id == site.pod.id,
        table.absent.is_(False),
        table.pod_resource_id.is_not(None),
    )
    ours = dict(site.store.transact(lambda tx: tx.execute(query).tuples().all()))
    if not ours:
        return 0
    there = {
        port.get("id"): port.get("status")
        for port in site.neutron.list("ports", fields=["id", "status"])
    }
    known = site.store.transact(lambda tx: _statuses(tx, site.pod.id))
    changed = {
        port_id: there[pod_port_id]
        for port_id, pod_port_id in ours.items()
        if there.get(pod_port_id) in _KNOWN
        and port_id in known
        and known[port_id] != there[pod_port_id]
    }
    core, context = central.core(), central.admin()
    for port_id, status in changed.items():
        core.update_port_status(context, port_id, status, site.pod.region_name)
    return len(changed)


def _statuses(tx: Session, pod_id: str) -> dict[str, str]:
    """{central port: its status} of those in a pod. Neutron's own list would read whole ports."""
    query = outbox.ports_in(tx, pod_id).add_columns(models_v2.Port.status)
    return dict(tx.execute(query).tuples().all())
