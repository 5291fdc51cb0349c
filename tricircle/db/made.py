# SPDX-License-Identifier: Apache-2.0
"""What is written down when something that was begun is made: all in one transaction. Blocks."""

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa

from tricircle.db import allocations, bindings, models, routings, session
from tricircle.db.transaction import retried_if_overtaken


@retried_if_overtaken
def server(
    creation_id: str,
    server_id: str,
    pod_id: str,
    project_id: str,
    ports: Sequence[str],
    placement: Mapping[str, Any],
    *,
    ends: bool,
) -> None:
    """A server is made in a pod: count it, say where it is, and that the project uses the pod.

    ``ports`` are the central ports made for it. The operation goes as well when that
    ``ends`` it, else once its ports are the server's. Raises oslo_db's DBReferenceError when the
    pod was deleted meanwhile.
    """
    with session.write() as tx:
        allocations.confirm_in(tx, creation_id, server_id, pod_id, placement)
        routings.put_in(tx, "server", server_id, pod_id, project_id, {"ports": list(ports)})
        bindings.ensure_in(tx, project_id, pod_id)
        if ends:
            tx.execute(sa.delete(models.Operation).where(models.Operation.id == creation_id))
