# SPDX-License-Identifier: Apache-2.0
"""What is shared with single projects (RBAC policies): a pod's services look for it there.

A pod's Nova, for one, leaves out a NIC on a network that the server's project cannot see in the
pod. What a network or QoS policy is to all projects is an attribute of its own copy, and so is who
may use an external network; all other policies have copies.
"""

from collections.abc import Collection, Mapping
from typing import Any

import sqlalchemy as sa
from neutron.db import rbac_db_models as models
from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import Resource
from tricircle.network.central.models import Realization

KIND = "rbac_policy"
ALL = "*"
#: By the type of what is shared: those of which pods have copies.
MODELS: Mapping[str, Any] = {
    "network": models.NetworkRBAC,
    "qos_policy": models.QosPolicyRBAC,
    "security_group": models.SecurityGroupRBAC,
    "address_group": models.AddressGroupRBAC,
}
# Those have an attribute that tells whether they are shared with all.
_SAY_SO = ("network", "qos_policy")


def get(policy_id: str) -> Resource | None:
    """A policy that has copies, or None."""
    plugin = central_neutron.core()
    found = central_neutron.found(plugin.get_rbac_policy, policy_id)
    if found is None or found["object_type"] not in MODELS:
        return None
    to_all = found["target_project"] == ALL and found["object_type"] in _SAY_SO
    return None if to_all or found["action"] != models.ACCESS_SHARED else found


def policies(tx: Session, shared: Mapping[str, Collection[str]]) -> set[str]:
    """Ids of the policies that have copies, of these {type: objects}."""
    found: set[str] = set()
    for kind, ids in shared.items():
        if ids:
            found |= set(tx.scalars(_policies(kind).where(MODELS[kind].object_id.in_(list(ids)))))
    return found


def with_project(tx: Session, network_id: str, project_id: str) -> list[str]:
    """Ids of the policies by which a project may use a network."""
    model = models.NetworkRBAC
    mine = (model.object_id == network_id, model.target_project == project_id)
    return list(tx.scalars(_policies("network").where(*mine)))


def external_to(network_id: str) -> set[str]:
    """The projects that may use an external network."""
    filters = {"object_id": [network_id], "action": [models.ACCESS_EXTERNAL]}
    found = central_neutron.core().get_rbac_policies(central_neutron.admin(), filters=filters)
    return {policy["target_project"] for policy in found}


def changed(tx: Any, kind: str, policy: Any, *, gone: bool = False) -> None:
    """A policy was written: it is wanted wherever what it shares is."""
    key, shared = Key(KIND, policy.id), Key(kind, policy.object_id)
    realizations.touch(tx, Realization, shared)
    if gone:
        realizations.retire(tx, Realization, key)
        return
    if policy.action != models.ACCESS_SHARED or (policy.target_project == ALL and kind in _SAY_SO):
        realizations.retire(tx, Realization, key)
        return
    for pod_id in realizations.pods_with(tx, Realization, shared):
        if not realizations.ensure(tx, Realization, key, pod_id, policy.project_id):
            realizations.touch(tx, Realization, key, [pod_id])


def _policies(kind: str) -> Any:
    model = MODELS[kind]
    query = sa.select(model.id).where(model.action == models.ACCESS_SHARED)
    return query.where(model.target_project != ALL) if kind in _SAY_SO else query
