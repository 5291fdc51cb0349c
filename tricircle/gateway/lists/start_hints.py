# SPDX-License-Identifier: Apache-2.0
"""Hints where a page begins in each pod, from the times of routings.

A routing is written just after its thing was made, so the times of both are nearly the same.
"""

import datetime
from collections.abc import Mapping

from oslo_utils import timeutils

from tricircle.db import routings
from tricircle.gateway.call import Call
from tricircle.gateway.threads import in_thread

# A routing is written so soon after a thing was made, unless it was learned later.
_WRITTEN_WITHIN = datetime.timedelta(seconds=60)


async def of(
    call: Call, kind: str, order: list[tuple[str, bool]], made_at: str | None
) -> Mapping[str, str]:
    """{pod id: a thing of the caller's, of a ``kind``, likely a little before one made at a time}.

    Only the ``order`` by when things were made is known.
    """
    key, descending = order[0] if order else ("", False)
    if key != "created_at" or made_at is None or "all_tenants" in call.query:
        return {}
    moment = timeutils.normalize_time(timeutils.parse_isotime(made_at))
    if descending:
        moment += _WRITTEN_WITHIN
    pods = [pod.id for pod in call.answering]
    project = call.context.project_id
    return await in_thread(routings.near, kind, project, pods, moment, after=descending)
