# SPDX-License-Identifier: Apache-2.0
"""A project has one default security group in the region, and one in each pod.

The pod's becomes the copy of the region's. Where servers elsewhere are in the region's already, the
two must say the same: else either these or those would be open to others than before.
"""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from neutron.db.models import securitygroup as sg_models
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import central_neutron, models
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.security_group import DEFAULT as NAME
from tricircle.network.reconcile.adapters.security_rules import identity

__all__ = ["NAME", "of", "outside_rule", "refusal"]

Outside = Callable[[str, str | None], str | None]


def of(project_id: str) -> Resource | None:
    """A project's default group in the region, if it has one."""
    row = sg_models.DefaultSecurityGroup
    query = sa.select(row.security_group_id).where(row.project_id == project_id)
    found: str | None = models.work_queue().transact(lambda tx: tx.scalar(query))
    core = central_neutron.core()
    return central_neutron.found(core.get_security_group, found) if found else None


def refusal(session: PodSession, outside: Outside, group: Resource, key: Key) -> str:
    """Why a pod's default group cannot stand for the region's; empty if it can."""
    default = central_neutron.found(central_neutron.core().get_security_group, key.resource_id)
    if default is None or not session.queue.transact(lambda tx: _is_used(tx, key)):
        return ""
    there = {identity(outside_rule(outside, rule)) for rule in group["security_group_rules"]}
    here = {identity(rule) for rule in default["security_group_rules"]}
    if there == here and group.get("stateful", True) == default.get("stateful", True):
        return ""
    return (
        f"it has other rules than the project's default group in the region, {default['id']}, "
        f"which is in use: {len(there - here)} that are there only, {len(here - there)} that are "
        "in the region only. Give both the same first"
    )


def outside_rule(outside: Outside, rule: Resource) -> Resource:
    """A rule of a pod's as the region has it."""
    return {
        **rule,
        "remote_group_id": outside("security_group", rule.get("remote_group_id")),
        "remote_address_group_id": outside("address_group", rule.get("remote_address_group_id")),
    }


def _is_used(tx: Session, key: Key) -> bool:
    binding: Any = sg_models.SecurityGroupPortBinding
    query = sa.select(binding.port_id).where(binding.security_group_id == key.resource_id)
    if tx.scalar(query.limit(1)) is not None:
        return True
    return bool(realizations.pods_with(tx, models.Realization, key, gone_too=True))
