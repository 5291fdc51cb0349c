# SPDX-License-Identifier: Apache-2.0
"""What is let go of in central Neutron when a pod is registered no more."""

import contextlib

import sqlalchemy as sa
from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from oslo_log import log

from tricircle.db.work_queue import WorkQueue
from tricircle.network.central import address_reservations, adopted, central_neutron

LOG = log.getLogger(__name__)


def let_go(queue: WorkQueue, pod_id: str) -> None:
    """Give back the addresses set aside for the pod, and unbind the ports that were there.

    To be done before the pod's rows are dropped: whoever dies on the way begins anew.
    """
    address_reservations.release(pod_id)
    queue.transact(lambda tx: adopted.forget_pod(tx, pod_id))
    table = queue.table
    query = sa.select(table.resource_id).where(
        table.pod_id == pod_id, table.resource_type == "port", table.absent.is_(False)
    )
    core, context = central_neutron.core(), central_neutron.admin()
    ports = queue.transact(lambda tx: list(tx.scalars(query)))
    for port_id in ports:
        with contextlib.suppress(n_exc.PortNotFound):
            core.update_port(context, port_id, {"port": {"binding:host_id": ""}})
            core.update_port_status(context, port_id, constants.PORT_STATUS_DOWN)
    LOG.info("%d ports of pod %s are unbound", len(ports), pod_id)
