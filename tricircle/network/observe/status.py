# SPDX-License-Identifier: Apache-2.0
"""The status of ports, floating IPs and trunks comes back from the pods, and the names Nova gives
ports."""

import contextlib
import datetime
import time
from collections.abc import Collection, Mapping
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

from tricircle.conf import CONF
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.central.models import Realization, VirtualPort
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.wanted import floating_ip_status, outbox

LOG = log.getLogger(__name__)

_FIELDS = ("id", "status", "dns_name")
# The extension by which a pod tells what has changed since when.
_TIMESTAMPS = "standard-attr-timestamp"
# Seconds: what was written so long before something else may be seen after it.
_OVERLAP = 10

# What a pod may say of a port that central Neutron says too.
_ACTIVE, _BUILD = constants.PORT_STATUS_ACTIVE, constants.PORT_STATUS_BUILD
_KNOWN = {_ACTIVE, constants.PORT_STATUS_DOWN, _BUILD, constants.PORT_STATUS_ERROR}


class StatusWatch:
    """Takes over the status of what one pod has, again and again.

    Of ports the pod is asked only for those that have changed since the last look, by its own
    clock; now and then for all, for what may have been missed. One that was in the making when it
    was looked at is looked at again.
    """

    def __init__(self) -> None:
        self._since = ""
        self._all_at = float("-inf")
        self._unfinished: dict[str, Resource] = {}

    def look(self, session: PodSession) -> int:
        """Look; how many statuses have changed. Raises PodError."""
        began = time.monotonic()
        if began - self._all_at > CONF.reconciler.audit_interval:
            self._since, self._unfinished = "", {}
        is_whole = not self._since
        floating = session.queue.transact(lambda tx: floating_ip_status.look(tx, session.pod.id))
        changed = self._look_at_ports(session) if _has_ports(session) else 0
        if is_whole:
            self._all_at = began
        return floating + changed + _trunks(session)

    def _look_at_ports(self, session: PodSession) -> int:
        since = self._since
        query = {"changed_since": since} if since else {}
        listed = session.neutron.list("ports", fields=[*_FIELDS, "updated_at"], **query)
        asked = {**self._unfinished, **{port["id"]: port for port in listed}}
        changed, unfinished = _take_over(session, asked, is_whole=not since)
        self._unfinished = {one: asked[one] for one in unfinished if one in asked}
        if session.neutron.has(_TIMESTAMPS):
            newest = max((str(port.get("updated_at") or "") for port in listed), default="")
            self._since = _before(newest) or since
        return changed


def bring_back(session: PodSession) -> int:
    """Take over the status of all ports, floating IPs and trunks in a pod; how many changed."""
    return StatusWatch().look(session)


def _has_ports(session: PodSession) -> bool:
    """Whether ports are wanted in a pod."""
    query = _copies(session).limit(1)
    return session.queue.transact(lambda tx: tx.execute(query).first()) is not None


def _copies(session: PodSession) -> Any:
    """Query: the ports that a pod has, their copies, and whether each is as it is wanted by now."""
    table = session.queue.table
    latest = sa.func.coalesce(table.realized_revision, 0) == table.wanted_revision
    return sa.select(table.resource_id, table.pod_resource_id, latest).where(
        table.resource_type == "port",
        table.pod_id == session.pod.id,
        table.absent.is_(False),
        table.pod_resource_id.is_not(None),
    )


def _before(moment: str) -> str:
    """A moment a pod told, less the time that what was written earlier may be seen later."""
    try:
        told = datetime.datetime.fromisoformat(moment)
    except ValueError:
        return ""
    return f"{told - datetime.timedelta(seconds=_OVERLAP):%Y-%m-%dT%H:%M:%SZ}"


def _take_over(
    session: PodSession, there: Mapping[str, Resource], is_whole: bool
) -> tuple[int, set[str]]:
    """Take over the status and name of ports that a pod told of; how many changed, and which are
    in the making: one that the pod has not as it is wanted by now is."""
    query, queue = _copies(session), session.queue
    if not is_whole:
        query = query.where(queue.table.pod_resource_id.in_(list(there)))
    rows = queue.transact(lambda tx: tx.execute(query).tuples().all()) if there else []
    ours = {port_id: copy for port_id, copy, _ in rows}
    behind = {port_id for port_id, _, is_latest in rows if not is_latest}
    if not ours:
        return 0, set()
    among = None if is_whole else ours.keys()
    known = queue.transact(lambda tx: _statuses(tx, session.pod.id, among))
    told = {
        port_id: _BUILD if port_id in behind and status == _ACTIVE else status
        for port_id, status in (
            (one, there.get(copy, {}).get("status")) for one, copy in ours.items()
        )
    }
    changed = {
        port_id: status
        for port_id, status in told.items()
        if status in _KNOWN and port_id in known and known[port_id] != status
    }
    core, context = central_neutron.core(), central_neutron.admin()
    for port_id, status in changed.items():
        core.update_port_status(context, port_id, status, session.pod.region_name)
    names = {one: there.get(copy, {}).get("dns_name") for one, copy in ours.items()}
    named, nobodys = _names(session, names)
    return len(changed) + named, {ours[one] for one in behind | nobodys}


def _names(session: PodSession, names: Mapping[str, Any]) -> tuple[int, set[str]]:
    """Call ports of servers what the pod's Nova calls them, after their servers, if they have no
    name; how many, and which are no server's yet. ``names`` is {port: name in the pod}.
    """
    given = {port_id: name for port_id, name in names.items() if isinstance(name, str) and name}
    core, context = central_neutron.core(), central_neutron.admin()
    if not given or not _keeps_names(core):
        return 0, set()
    query = _unnamed(session.pod.region_name, given)
    found = session.queue.transact(lambda tx: tx.execute(query).tuples().all())
    unnamed = {port_id for port_id, is_servers in found if is_servers}
    for port_id in unnamed:
        with contextlib.suppress(n_exc.PortNotFound):
            core.update_port(context, port_id, {"port": {"dns_name": given[port_id]}})
    return len(unnamed), {port_id for port_id, _ in found} - unnamed


def _keeps_names(core: Any) -> bool:
    """Whether central Neutron has names of ports: with the extension, and a domain of its own."""
    domain = cfg.CONF.dns_domain.rstrip(".")
    ours = domain and domain != constants.DNS_DOMAIN_DEFAULT.rstrip(".")
    return bool(ours and extensions.is_extension_supported(core, dns.ALIAS))


def _unnamed(region: str, among: Collection[str]) -> sa.Select[tuple[str, bool]]:
    """Query: those ports that are bound to a pod and unnamed, and whether they are servers'."""
    port, owner = models_v2.Port, constants.DEVICE_OWNER_COMPUTE_PREFIX
    is_servers = sa.and_(port.device_id != "", port.device_owner.startswith(owner))
    return (
        sa.select(port.id, is_servers)
        .join(PortBinding, PortBinding.port_id == port.id)
        .outerjoin(PortDNS, PortDNS.port_id == port.id)
        .where(port.id.in_(list(among)), PortBinding.host == region)
        .where(sa.func.coalesce(PortDNS.dns_name, "") == "")
    )


def _statuses(tx: Session, pod_id: str, among: Collection[str] | None) -> dict[str, str]:
    """{central port: its status} of those in a pod, of some or all. Neutron's own list would read
    whole ports."""
    query = outbox.ports_in(tx, pod_id).add_columns(models_v2.Port.status)
    if among is not None:
        query = query.where(models_v2.Port.id.in_(list(among)))
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
