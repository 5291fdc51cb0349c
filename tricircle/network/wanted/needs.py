# SPDX-License-Identifier: Apache-2.0
"""Garbage collection: which realizations the ports in a pod still need; the others are retired.

Everything is in a pod because of a port. A port needs its network with the subnets; its security
groups, and the groups and address groups that their rules name, with the members these groups have
in other pods; its own QoS policy and its network's. All that is shared with the projects it is
shared with. A network needs the routers joined to it, and a router needs what it reaches; where
either is open to the outside, it needs the QoS policy it has there. What was in a pod before
the region stays as long as the region has it.
"""

import threading
import time
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import securitygroup as sg_models
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.db.work_queue import Work, WorkQueue
from tricircle.network.central import adopted
from tricircle.network.central.models import Realization
from tricircle.network.routers import bridges, east_west, floating_ip_reach, reach, topology
from tricircle.network.wanted import group_members, outbox, sharing, tunnel_endpoints

# What goes when nothing needs it; a port is wanted for its own sake.
# A network goes before its subnets: then its routers leave it and do not ask for them again.
KINDS = (
    "floating_ip",
    "router",
    east_west.KIND,
    tunnel_endpoints.KIND,
    sharing.KIND,
    "network",
    "subnet",
    "security_group",
    group_members.KIND,
    "address_group",
    "qos_policy",
)
# Seconds the state of the realizations is believed; at the most, between looks at all.
_BELIEVED = 1.0
_RARELY = 60.0

# What begins to be needed by what happens in another pod, or along with what it is about.
_BEGUN = (group_members.KIND, tunnel_endpoints.KIND, sharing.KIND)


class Changes:
    """Whether something may be needed otherwise than before. Thread-safe; one for all pods.

    What is needed changes with a realization in the same transaction: one is new, wanted anew, no
    longer wanted or gone.
    """

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._lock = threading.Lock()
        self._read_at, self._told = float("-inf"), ""

    def state(self) -> str:
        """Another word than before when there was a change, not later than a moment ago."""
        table = self._queue.table
        query = sa.select(
            sa.func.count(), sa.func.sum(table.wanted_revision), sa.func.max(table.created_at)
        ).select_from(table)
        with self._lock:
            if time.monotonic() - self._read_at > _BELIEVED:
                began = time.monotonic()
                self._told = str(self._queue.transact(lambda tx: tx.execute(query).one()))
                self._read_at = began
            return self._told


class Sweeper:
    """Sweeps one pod when there was a change, and now and then: pods come, go and change zones."""

    def __init__(self, queue: WorkQueue, pod_id: str, changes: Changes) -> None:
        self._queue, self._pod_id, self._changes = queue, pod_id, changes
        self._swept: str | None = None
        self._swept_at = float("-inf")

    def look(self) -> int:
        """See ``sweep``; zero, without a look, when nothing has changed."""
        state, began = self._changes.state(), time.monotonic()
        if state == self._swept and began - self._swept_at < _RARELY:
            return 0
        marks = sweep(self._queue, self._pod_id)
        self._swept, self._swept_at = state, began
        return marks


def sweep(queue: WorkQueue, pod_id: str) -> int:
    """Mark as unwanted what nothing in the pod needs any more; how many marks.

    And as wanted what is in other pods, members of groups and ports of tunnelled networks, where
    that has been missed: a group may come to a pod in the same moment as another's first member
    to another pod.
    """
    table = queue.table
    present = sa.select(table.resource_type, table.resource_id).where(
        table.pod_id == pod_id, table.absent.is_(False), table.resource_type.in_(KINDS)
    )

    def look(tx: Session) -> tuple[list[Key], list[Key]]:
        found = {Key(*row) for row in tx.execute(present).tuples()}
        needed = of(tx, pod_id) if found else set()
        surplus = sorted(found - needed, key=lambda key: KINDS.index(key.resource_type))
        return surplus, sorted(key for key in needed - found if key.resource_type in _BEGUN)

    surplus, missed = queue.transact(look)
    works = [_beginning(key, pod_id) for key in missed]
    works += [_retiring(queue, key, pod_id) for key in surplus]
    return sum(queue.transact(work) for work in works)


def of(tx: Session, pod_id: str) -> set[Key]:
    """Everything the ports in a pod need there."""
    subnet = models_v2.Subnet
    networks = {network for network, pods in reach.populated(tx).items() if pod_id in pods}
    routers: set[Key] = set()
    reached = reach.routers(tx)
    for router in reached.values():
        if pod_id in router.places:
            routers.add(Key("router", router.router_id))
            networks |= _networks_of(router, pod_id)
        if pod_id in router.parted:
            routers.add(east_west.key(router.router_id))
    subnets = tx.scalars(sa.select(subnet.id).where(subnet.network_id.in_(networks)))
    floating_ips = {
        one for one, pods in floating_ip_reach.pods_of(tx, None, reached).items() if pod_id in pods
    }
    policies = outbox.policies_of(tx, outbox.ports_in(tx, pod_id), networks)
    open_here = [one.router_id for one in reached.values() if pod_id in one.outlets]
    policies |= outbox.policies_outside(tx, open_here, floating_ips)
    kept = adopted.kept(tx, pod_id)
    groups = outbox.groups_of_ports(tx, pod_id)
    groups |= {one.resource_id for one in kept if one.resource_type == "security_group"}
    groups = _with_named(tx, groups)
    rule = sg_models.SecurityGroupRule
    address_groups = _named(tx, rule.remote_address_group_id, groups)
    away = group_members.elsewhere(tx, _named(tx, rule.remote_group_id, groups), pod_id)
    shared = {
        "network": networks,
        "qos_policy": policies,
        "security_group": groups,
        "address_group": address_groups,
    }
    return {
        *kept,
        *(Key(sharing.KIND, one) for one in sharing.policies(tx, shared)),
        *(Key("network", one) for one in networks),
        *(Key("subnet", one) for one in subnets),
        *routers,
        *(Key("floating_ip", one) for one in floating_ips),
        *(Key("security_group", one) for one in groups),
        *(Key("qos_policy", one) for one in policies),
        *(Key("address_group", one) for one in address_groups),
        *(Key(group_members.KIND, one) for one in away),
        *tunnel_endpoints.shadows(tx, pod_id, networks),
    }


def _networks_of(router: topology.RouterReach, pod_id: str) -> set[str]:
    """The networks that a pod has for a router."""
    found = {network for network, pods in router.networks.items() if pod_id in pods}
    if pod_id in router.outlets and router.external_network:
        found.add(router.external_network)
    found |= {
        bridges.network_id(router.router_id, kind) for kind in topology.kinds_in(router, pod_id)
    }
    return found


def _with_named(tx: Session, groups: set[str]) -> set[str]:
    """The groups, with those their rules name, and so on."""
    known, newest = set(groups), set(groups)
    while newest:
        newest = _named(tx, sg_models.SecurityGroupRule.remote_group_id, newest) - known
        known |= newest
    return known


def _named(tx: Session, column: Any, groups: set[str]) -> set[str]:
    """What the rules of groups name in a column."""
    rule = sg_models.SecurityGroupRule
    query = sa.select(column).where(rule.security_group_id.in_(groups), column.is_not(None))
    return set(tx.scalars(query.distinct()))


def _beginning(key: Key, pod_id: str) -> Work:
    if key.resource_type in (tunnel_endpoints.KIND, sharing.KIND):
        return lambda tx: realizations.ensure(tx, Realization, key, pod_id, None)
    return lambda tx: group_members.begin(tx, key.resource_id, pod_id)


def _retiring(queue: WorkQueue, key: Key, pod_id: str) -> Work:
    """A transaction that retires a row, if even now that it is locked nothing needs it.

    Whoever binds a port locks the rows of what it needs before it commits the port's own: either
    it has committed when the lock is ours and the port is seen, or it finds the row retired.
    """
    table = queue.table

    def retire(tx: Session) -> int:
        lock = (
            sa.select(table.id)
            .where(
                table.resource_type == key.resource_type,
                table.resource_id == key.resource_id,
                table.pod_id == pod_id,
            )
            .with_for_update()
        )
        tx.execute(lock)
        if key in of(tx, pod_id):
            return 0
        if key.resource_type == "network":
            for router_id in outbox.routers_of(tx, key.resource_id):
                east_west.touch(tx, router_id)
        if key.resource_type == group_members.KIND:
            group_members.look_at_rules(tx, key.resource_id, [pod_id])
        return realizations.retire(tx, table, key, [pod_id])

    return retire
