# SPDX-License-Identifier: Apache-2.0
"""The members of a security group that are in other pods, as one pod sees it.

A rule that names a remote group admits the group's members. Those in the same pod are known to
its Neutron; the addresses of those elsewhere are told to it as an address group, the realization
``group_members`` of the security group. It is wanted in a pod where a group with such a rule is,
while there are members in another one. A member is a port that is wanted in a pod; its addresses
are the fixed ones and, as in Neutron itself, those of its allowed address pairs.

Functions that take ``tx`` work inside the caller's transaction.
"""

import ipaddress
from collections.abc import Collection, Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import allowed_address_pair as pair_models
from neutron.db.models import securitygroup as sg_models
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central.models import Realization

KIND = "group_members"
_GROUP = "security_group"


def addresses(tx: Session, group_id: str, pod_id: str) -> list[str]:
    """Addresses of a group's members in other pods, as CIDRs, sorted."""
    binding = sg_models.SecurityGroupPortBinding
    ports = (
        sa.select(binding.port_id)
        .where(binding.security_group_id == group_id, binding.port_id.in_(_ports_elsewhere(pod_id)))
        .subquery()
    )
    fixed, pair = models_v2.IPAllocation, pair_models.AllowedAddressPair
    found = {
        *tx.scalars(sa.select(fixed.ip_address).where(fixed.port_id == ports.c.port_id)),
        *tx.scalars(sa.select(pair.ip_address).where(pair.port_id == ports.c.port_id)),
    }
    return cidrs(found)


def cidrs(spelled: Iterable[object]) -> list[str]:
    """Addresses and networks, each spelled in the one way, sorted."""
    networks = {ipaddress.ip_network(str(one), strict=False) for one in spelled}
    return [str(one) for one in sorted(networks, key=lambda one: (one.version, one))]


def elsewhere(tx: Session, group_ids: Collection[str], pod_id: str) -> set[str]:
    """Those of the groups that have members in other pods."""
    if not group_ids:
        return set()
    binding = sg_models.SecurityGroupPortBinding
    query = sa.select(binding.security_group_id).where(
        binding.security_group_id.in_(group_ids), binding.port_id.in_(_ports_elsewhere(pod_id))
    )
    return set(tx.scalars(query.distinct()))


def joined(tx: Session, group_ids: Collection[str], pod_ids: Collection[str]) -> None:
    """There are new members, or new addresses of members, in some pods: the others must know."""
    if not group_ids:
        return
    # Those of the pod itself are none of its address group's business.
    home = next(iter(pod_ids)) if len(pod_ids) == 1 else None
    changed(tx, group_ids, home)
    for group_id, pod_id in sorted(_places(tx, group_ids, home) - _known(tx, group_ids)):
        begin(tx, group_id, pod_id)


def changed(tx: Session, group_ids: Collection[str], but_in: str | None = None) -> None:
    """Members may have left, or have other addresses."""
    if not group_ids:
        return
    row = Realization
    query = sa.update(row).where(
        row.resource_type == KIND, row.resource_id.in_(group_ids), row.absent.is_(False)
    )
    if but_in is not None:
        query = query.where(row.pod_id != but_in)
    realizations.mark(tx, row, query)


def look_again(queue: WorkQueue) -> None:
    """Mark them all: a pod with members in it is no pod any more."""
    rows = sa.update(Realization).where(
        Realization.resource_type == KIND, Realization.absent.is_(False)
    )
    queue.transact(lambda tx: realizations.mark(tx, Realization, rows))


def begin(tx: Session, group_id: str, pod_id: str) -> bool:
    """Members elsewhere are to be known in a pod from now on. Whether they were not before."""
    key = Key(KIND, group_id)
    project = tx.scalar(
        sa.select(sg_models.SecurityGroup.project_id).where(sg_models.SecurityGroup.id == group_id)
    )
    is_new = realizations.ensure(tx, Realization, key, pod_id, project)
    if is_new:
        look_at_rules(tx, group_id, [pod_id])
    return is_new


def look_at_rules(tx: Session, group_id: str, pod_ids: Collection[str] | None = None) -> None:
    """Mark the groups whose rules name this one, in these pods or in all."""
    rule = sg_models.SecurityGroupRule
    naming = sa.select(rule.security_group_id).where(rule.remote_group_id == group_id).distinct()
    for other in sorted(tx.scalars(naming)):
        realizations.touch(tx, Realization, Key(_GROUP, other), pod_ids)


def of_network(tx: Session, network_id: str) -> set[str]:
    """Ids of the groups that the ports of a network are in."""
    binding, port = sg_models.SecurityGroupPortBinding, models_v2.Port
    query = sa.select(binding.security_group_id).join(port, port.id == binding.port_id)
    return set(tx.scalars(query.where(port.network_id == network_id).distinct()))


def _ports_elsewhere(pod_id: str) -> sa.Select[Any]:
    row = Realization
    return sa.select(row.resource_id).where(
        row.resource_type == "port", row.pod_id != pod_id, row.absent.is_(False)
    )


def _places(tx: Session, group_ids: Collection[str], but_in: str | None) -> set[tuple[str, str]]:
    """(group, pod) where a rule of a group that is wanted in the pod names the group."""
    rule, row = sg_models.SecurityGroupRule, Realization
    query = (
        sa.select(rule.remote_group_id, row.pod_id)
        .join(
            row,
            sa.and_(row.resource_type == _GROUP, row.resource_id == rule.security_group_id),
        )
        .where(rule.remote_group_id.in_(group_ids), row.absent.is_(False))
    )
    if but_in is not None:
        query = query.where(row.pod_id != but_in)
    return set(tx.execute(query.distinct()).tuples())


def _known(tx: Session, group_ids: Collection[str]) -> set[tuple[str, str]]:
    """(group, pod) where members elsewhere are known already.

    Locks the rows: whoever is about to retire one has done it, or will see the new member.
    """
    row = Realization
    query = sa.select(row.resource_id, row.pod_id).where(
        row.resource_type == KIND, row.resource_id.in_(group_ids), row.absent.is_(False)
    )
    return set(tx.execute(query.with_for_update()).tuples())
