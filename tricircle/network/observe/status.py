# SPDX-License-Identifier: Apache-2.0
"""The status of ports, floating IPs and trunks comes back from the pods, and the names Nova gives
ports."""

import contextlib
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models.dns import PortDNS
from neutron.objects import trunk as trunk_objects
from neutron.plugins.ml2.models import PortBinding
from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api import extensions
from neutron_lib.api.definitions import dns
from neutron_lib.services.trunk import constants as trunk_constants
from oslo_config import cfg
from oslo_log import log
from sqlalchemy.orm import Session

from tricircle.network.central import central_neutron
from tricircle.network.central.models import Realization, VirtualPort
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.wanted import floating_ip_status, outbox

LOG = log.getLogger(__name__)

# What a pod may say of a port that central Neutron says too.
_ACTIVE, _BUILD = constants.PORT_STATUS_ACTIVE, constants.PORT_STATUS_BUILD
_KNOWN = {_ACTIVE, constants.PORT_STATUS_DOWN, _BUILD, constants.PORT_STATUS_ERROR}


def bring_back(session: PodSession) -> int:
    """Take over the status of all ports, floating IPs and trunks in a pod; how many changed."""
    floating = session.queue.transact(lambda tx: floating_ip_status.look(tx, session.pod.id))
    return _ports(session) + floating + _trunks(session)


def _ports(session: PodSession) -> int:
    """One list for all ports. One that the pod has not as it is wanted by now is in the making."""
    table = session.queue.table
    latest = sa.func.coalesce(table.realized_revision, 0) == table.wanted_revision
    query = sa.select(table.resource_id, table.pod_resource_id, latest).where(
        table.resource_type == "port",
        table.pod_id == session.pod.id,
        table.absent.is_(False),
        table.pod_resource_id.is_not(None),
    )
    rows = session.queue.transact(lambda tx: tx.execute(query).tuples().all())
    ours = {port_id: copy for port_id, copy, _ in rows}
    behind = {port_id for port_id, _, is_latest in rows if not is_latest}
    if not ours:
        return 0
    found = session.neutron.list("ports", fields=["id", "status", "dns_name"])
    there = {port.get("id"): port.get("status") for port in found}
    known = session.queue.transact(lambda tx: _statuses(tx, session.pod.id))
    told = {
        port_id: _BUILD if port_id in behind and status == _ACTIVE else status
        for port_id, status in ((one, there.get(copy)) for one, copy in ours.items())
    }
    changed = {
        port_id: status
        for port_id, status in told.items()
        if status in _KNOWN and port_id in known and known[port_id] != status
    }
    core, context = central_neutron.core(), central_neutron.admin()
    for port_id, status in changed.items():
        core.update_port_status(context, port_id, status, session.pod.region_name)
    names = {port.get("id"): port.get("dns_name") for port in found}
    return len(changed) + _names(session, {one: names.get(there) for one, there in ours.items()})


def _names(session: PodSession, names: Mapping[str, Any]) -> int:
    """Call ports of servers what the pod's Nova calls them, after their servers, if they have no
    name; how many. ``names`` is {port: name in the pod}.
    """
    given = {port_id: name for port_id, name in names.items() if isinstance(name, str) and name}
    core, context = central_neutron.core(), central_neutron.admin()
    if not given or not _keeps_names(core):
        return 0
    region = session.pod.region_name
    unnamed = session.queue.transact(lambda tx: set(tx.scalars(_unnamed(region)))) & given.keys()
    for port_id in unnamed:
        with contextlib.suppress(n_exc.PortNotFound):
            core.update_port(context, port_id, {"port": {"dns_name": given[port_id]}})
    return len(unnamed)


def _keeps_names(core: Any) -> bool:
    """Whether central Neutron has names of ports: with the extension, and a domain of its own."""
    domain = cfg.CONF.dns_domain.rstrip(".")
    ours = domain and domain != constants.DNS_DOMAIN_DEFAULT.rstrip(".")
    return bool(ours and extensions.is_extension_supported(core, dns.ALIAS))


def _unnamed(region: str) -> sa.Select[tuple[str]]:
    """Query: ids of the ports of servers that are bound to a pod and have no name."""
    port, owner = models_v2.Port, constants.DEVICE_OWNER_COMPUTE_PREFIX
    return (
        sa.select(port.id)
        .join(PortBinding, PortBinding.port_id == port.id)
        .outerjoin(PortDNS, PortDNS.port_id == port.id)
        .where(PortBinding.host == region, port.device_id != "")
        .where(port.device_owner.startswith(owner))
        .where(sa.func.coalesce(PortDNS.dns_name, "") == "")
    )


def _statuses(tx: Session, pod_id: str) -> dict[str, str]:
    """{central port: its status} of those in a pod. Neutron's own list would read whole ports."""
    query = outbox.ports_in(tx, pod_id).add_columns(models_v2.Port.status)
    # Those are bound nowhere, and several pods have them.
    query = query.where(models_v2.Port.id.not_in(sa.select(VirtualPort.port_id)))
    return dict(tx.execute(query).tuples().all())


def _trunks(session: PodSession) -> int:
    """Take over the status of every trunk in a pod; how many have changed.

    One that the pod has as it should be is as the pod says; one that fails there is degraded.
    """
    row, queue = Realization, session.queue
    query = sa.select(row.resource_id, row.pod_resource_id, row.next_try_at, row.failing_since)
    query = query.where(
        row.resource_type == "trunk", row.pod_id == session.pod.id, row.absent.is_(False)
    )
    rows = queue.transact(lambda tx: tx.execute(query).all())
    if not rows:
        return 0
    there = {
        trunk.get("id"): trunk.get("status")
        for trunk in session.neutron.list("trunks", fields=["id", "status"])
    }
    count = 0
    for trunk_id, pod_trunk_id, dirty, failing in rows:
        status = there.get(pod_trunk_id)
        if dirty:
            status = trunk_constants.TRUNK_DEGRADED_STATUS if failing else None
        trunk = trunk_objects.Trunk.get_object(central_neutron.admin(), id=trunk_id)
        if trunk is not None and status and trunk.status != status:
            trunk.update(status=status)
            count += 1
    return count
