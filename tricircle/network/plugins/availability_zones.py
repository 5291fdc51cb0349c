# SPDX-License-Identifier: Apache-2.0
"""Availability zones: those of the pods. Neutron's own code knows only zones of DHCP and L3 agents.

A hint may name a zone or a pod; Neutron lists zones only.
"""

import types
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from neutron_lib.exceptions import availability_zone as az_exc

from tricircle.db.realizations import Key, pods_with
from tricircle.network.central import models
from tricircle.network.reconcile import runtime
from tricircle.pods.pod import Pod

RESOURCES = ("network", "router")


def install(core: Any) -> None:
    """Make the core plugin answer from the pods (on the instance, as ML2/OVN does it)."""
    for method in (get_availability_zones, validate_availability_zones):
        setattr(core, method.__name__, types.MethodType(method, core))
    core.get_network_availability_zones = lambda network: of("network", network)


def of(resource_type: str, resource: Any) -> list[str]:
    """The zones of the pods a resource (Neutron's database object of it) is in."""
    queue, key = models.work_queue(), Key(resource_type, resource["id"])
    state = sa.inspect(resource, raiseerr=False)
    if state is not None and state.session is not None:
        # Neutron may be inside a transaction: another beside it could wait for it for ever.
        found = pods_with(state.session, queue.table, key)
    else:
        found = queue.transact(lambda tx: pods_with(tx, queue.table, key))
    pods = (runtime.get().registry.fresh().get(pod_id) for pod_id in found)
    return sorted({pod.availability_zone for pod in pods if pod is not None})


def validate(resource_type: str, hints: Iterable[str] | None) -> None:
    """Raises AvailabilityZoneNotFound for a hint that is neither a zone nor a pod."""
    if resource_type not in RESOURCES or not hints:
        return
    pods = _pods()
    known = {pod.availability_zone for pod in pods} | {pod.region_name for pod in pods}
    if unknown := sorted(set(hints) - known):
        raise az_exc.AvailabilityZoneNotFound(availability_zone=", ".join(unknown))


def get_availability_zones(
    core: Any,
    context: Any,
    filters: Any = None,
    fields: Any = None,
    sorts: Any = None,
    limit: Any = None,
    marker: Any = None,
    page_reverse: bool = False,
) -> list[dict[str, Any]]:
    """A zone is available while one of its pods takes new resources."""
    state: dict[str, str] = {}
    for pod in _pods():
        was = state.get(pod.availability_zone)
        state[pod.availability_zone] = (
            "available" if pod.takes_new or was == "available" else "unavailable"
        )
    found = [
        # Policy asks for project_id; it is not shown.
        {"name": zone, "resource": kind, "state": word, "project_id": context.project_id}
        for zone, word in sorted(state.items())
        for kind in RESOURCES
    ]
    wanted = {name: values for name, values in (filters or {}).items() if name in _SHOWN}
    return [zone for zone in found if all(zone[key] in values for key, values in wanted.items())]


_SHOWN = ("name", "resource", "state")


def validate_availability_zones(core: Any, context: Any, resource_type: str, hints: Any) -> None:
    validate(resource_type, hints)


def _pods() -> list[Pod]:
    return runtime.get().registry.fresh().all()
