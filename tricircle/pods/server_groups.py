# SPDX-License-Identifier: Apache-2.0
"""The groups that pods have for server groups. Their name is the marker: they have no description.

Nova tells from microversion 2.13 on whose a group is.
"""

from typing import Any

from tricircle.pods import markers
from tricircle.pods.markers import Place

COLLECTION = "server-groups"


def name(region: str, group_id: str, project_id: str) -> str:
    """The name of the group that is made in a pod for a project's server group."""
    return markers.sign(group_id, Place(region, COLLECTION), project_id)


def is_for(region: str, inside: dict[str, Any], group_id: str, project_id: str | None) -> bool:
    """Whether we made a group in a pod, and for this server group of this project."""
    return markers.named(inside["name"]) == group_id and is_ours(region, inside, project_id)


def is_ours(region: str, inside: dict[str, Any], project_id: str | None) -> bool:
    """Whether we made a group in a pod that has a marker for its name.

    ``project_id`` is whose group it is for, None when that is not known any more.
    """
    owners = None if project_id is None else [project_id]
    return markers.is_ours(
        inside["name"], Place(region, COLLECTION), str(inside["project_id"]), owners
    )
