# SPDX-License-Identifier: Apache-2.0
"""The way back: the region forgets what it has taken over, and the pod's objects are as before.

The rows that say what a pod had before the region go last: until then no audit takes an object
with our mark for one that nobody wants.
"""

import contextlib
import functools
from collections.abc import Callable
from typing import Any

from neutron_lib import exceptions as n_exc
from neutron_lib.plugins import constants, directory
from sqlalchemy.orm import Session

from tricircle.db.realizations import Key
from tricircle.network.adoption import forwardings, uses
from tricircle.network.central import address_reservations, adopted, central_neutron
from tricircle.network.central.models import Adopted
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile.adapters import ADAPTERS

#: In this order the region's resources go: what leans on others first.
ORDER = (
    "floating_ip",
    adopted.INTERFACE,
    "router",
    "trunk",
    "port",
    "subnet",
    "network",
    "security_group",
    "address_group",
    "qos_policy",
)


def rows_of(session: PodSession, project_id: str) -> list[Adopted]:
    """What was taken over of a project in a pod, what leans on others first."""
    found: list[Adopted] = session.queue.transact(
        lambda tx: adopted.of_pod(tx, session.pod.id, project_id)
    )
    known = [row for row in found if row.resource_type in ORDER]
    return sorted(known, key=lambda row: ORDER.index(row.resource_type))


def obstacles(session: PodSession, rows: list[Adopted]) -> dict[Key, str]:
    """{resource: why it cannot be given back}: the region uses it for things of its own."""
    leaving = {adopted.key(row) for row in rows}

    def look(tx: Session) -> dict[Key, str]:
        found = {}
        for row in rows:
            if why := uses.of(tx, adopted.key(row), leaving):
                found[adopted.key(row)] = why
        return found

    told: dict[Key, str] = session.queue.transact(look)
    return told


def give_back(session: PodSession, rows: list[Adopted]) -> None:
    """Have the pod's objects as before, and no resource of the region for them.

    Raises PodError, and what Neutron raises; it may be done again.
    """
    queue, pod_id = session.queue, session.pod.id
    keys = [adopted.key(row) for row in rows]

    def leave(tx: Session) -> None:
        adopted.set_state(tx, pod_id, keys, adopted.LEAVING)
        for one in keys:
            queue.forget(tx, one, pod_id)

    queue.transact(leave)
    for row in rows:
        _unmark(session, row)
    _forget(session, rows)


def undo(session: PodSession, project_id: str) -> None:
    """What was begun and cannot be ended is given back."""
    rows = rows_of(session, project_id)
    give_back(session, [row for row in rows if row.state == adopted.COMING])


def _unmark(session: PodSession, row: Adopted) -> None:
    collection, member = _place(row.resource_type)
    path = f"/{collection}/{row.pod_resource_id}"
    document = session.neutron.find(path)
    if document is None or named(document[member]) is None:
        return
    session.neutron.put(path, {member: adopted.before(row)})


def _place(kind: str) -> tuple[str, str]:
    """(collection, member) of a kind in a pod."""
    adapter = ADAPTERS["port" if kind == adopted.INTERFACE else kind]
    return adapter.collection, adapter.member


def _forget(session: PodSession, rows: list[Adopted]) -> None:
    """The region has them no more."""
    core, pod_id = central_neutron.core(), session.pod.id
    removing: dict[str, Callable[..., Any]] = {
        "floating_ip": _delete_floating_ip,
        adopted.INTERFACE: _leave,
        "router": _delete_router,
        "port": _delete_port,
        "subnet": core.delete_subnet,
        "network": core.delete_network,
        "security_group": core.delete_security_group,
        "trunk": _delete_trunk,
        "address_group": core.delete_address_group,
        "qos_policy": _delete_policy,
    }
    for row in rows:
        one = adopted.key(row)
        if row.made:
            with contextlib.suppress(n_exc.NotFound):
                removing[one.resource_type](central_neutron.admin(), one.resource_id)
        if one.resource_type == "subnet":
            address_reservations.release(pod_id, subnet_ids=[one.resource_id])
        session.queue.transact(functools.partial(_strike, one, pod_id))


def _strike(one: Key, pod_id: str, tx: Session) -> None:
    adopted.forget(tx, one, pod_id)


def _delete_port(context: Any, port_id: str) -> None:
    central_neutron.core().delete_port(context, port_id, l3_port_check=False)


def _delete_floating_ip(context: Any, floating_ip_id: str) -> None:
    forwardings.remove(context, floating_ip_id)
    central_neutron.routers().delete_floatingip(context, floating_ip_id)


def _delete_trunk(context: Any, trunk_id: str) -> None:
    plugin = directory.get_plugin("trunk")
    # Neutron lets nobody delete one that is down.
    plugin.update_trunk(context, trunk_id, {"trunk": {"admin_state_up": True}})
    plugin.delete_trunk(context, trunk_id)


def _delete_policy(context: Any, policy_id: str) -> None:
    directory.get_plugin(constants.QOS).delete_policy(context, policy_id)


def _leave(context: Any, port_id: str) -> None:
    """A router leaves a network, by the port that joins it."""
    port = central_neutron.core().get_port(context, port_id)
    if port["device_id"]:
        plugin = central_neutron.routers()
        plugin.remove_router_interface(context, port["device_id"], {"port_id": port_id})
    else:
        _delete_port(context, port_id)


def _delete_router(context: Any, router_id: str) -> None:
    central_neutron.routers().update_router(context, router_id, {"router": {"routes": []}})
    central_neutron.routers().delete_router(context, router_id)
