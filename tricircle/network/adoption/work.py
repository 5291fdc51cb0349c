# SPDX-License-Identifier: Apache-2.0
"""What operators ask for: take over what a project has in a pod, or give it back; or only tell."""

from typing import Any

from neutron_lib import exceptions as n_exc

from tricircle.network.adoption import carry, plan, release
from tricircle.network.adoption.items import Impossible
from tricircle.network.central import adopted
from tricircle.network.pod_api.pod_session import PodSession

__all__ = ["Impossible", "adopt", "release_all"]

Told = list[dict[str, Any]]


def adopt(session: PodSession, project_id: str, dry_run: bool) -> Told:
    """What becomes of each of a project's objects in a pod; it is so by then, unless ``dry_run``.

    What is the region's already is not told. Raises PodError, NotYet, Impossible.
    """
    found = plan.make(session, project_id)
    if not dry_run:
        carry.carry_out(found)
    return [item.told() for item in found.items]


def release_all(session: PodSession, project_id: str, dry_run: bool) -> Told:
    """What is given back of what was taken over of a project in a pod; it is so by then, unless
    ``dry_run``, or something of it cannot be. Raises PodError, Impossible."""
    rows = release.rows_of(session, project_id)
    why = release.obstacles(session, rows)
    if not dry_run and not why:
        try:
            release.give_back(session, rows)
        except n_exc.NeutronException as error:
            raise Impossible(f"Central Neutron refuses: {error}") from error
    return [
        {
            "resource_type": row.resource_type,
            "id": row.pod_resource_id,
            "name": "",
            "action": "keep" if adopted.key(row) in why else "release",
            "region_id": row.resource_id,
            "reason": why.get(adopted.key(row)),
        }
        for row in rows
    ]
