# SPDX-License-Identifier: Apache-2.0
"""Port forwarding: Neutron's own plugin, over our router plugin instead of an L3 agent's.

A floating IP takes its port forwardings along to the pods (see its adapter). As it comes in by
one pod and goes on to one, all its port forwardings lead to servers of one pod.
"""

import contextlib
from typing import Any

import sqlalchemy as sa
from neutron.db.models import l3 as l3_models
from neutron.db.models import port_forwarding as models
from neutron.services.portforwarding import pf_plugin
from neutron_lib import exceptions as n_exc
from neutron_lib.db import api as db_api

from tricircle.conf import CONF
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters.port_forwarding import EXTENSION
from tricircle.network.routers import floating_ip_reach, reach
from tricircle.network.wanted import outbox, virtual_ports
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError

ROUTERS = "tricircle-router"
_RESOURCE = "port_forwarding"


class TricirclePortForwardingPlugin(pf_plugin.PortForwardingPlugin):  # type: ignore[misc]
    """``service_plugins = tricircle-port-forwarding``."""

    required_service_plugins = (ROUTERS,)
    # There are no L3 agents to tell anything.
    _rpc_notifications_required = False

    def create_floatingip_port_forwarding(
        self, context: Any, floatingip_id: str, port_forwarding: Any
    ) -> Any:
        _check(context, floatingip_id, port_forwarding[_RESOURCE])
        with _outbox(context, floatingip_id):
            return super().create_floatingip_port_forwarding(
                context, floatingip_id, port_forwarding
            )

    def update_floatingip_port_forwarding(
        self, context: Any, id: str, floatingip_id: str, port_forwarding: Any
    ) -> Any:
        _check(context, floatingip_id, port_forwarding[_RESOURCE], id)
        with _outbox(context, floatingip_id):
            return super().update_floatingip_port_forwarding(
                context, id, floatingip_id, port_forwarding
            )

    def delete_floatingip_port_forwarding(self, context: Any, id: str, floatingip_id: str) -> None:
        with _outbox(context, floatingip_id):
            super().delete_floatingip_port_forwarding(context, id, floatingip_id)

    def _process_port_request(self, event: str, context: Any, port: Any) -> Any:
        """A port has lost an address, or goes: so do its port forwardings."""
        row = models.PortForwarding
        query = sa.select(row.floatingip_id).where(row.internal_neutron_port_id == port["id"])
        with db_api.CONTEXT_WRITER.using(context), contextlib.ExitStack() as stack:
            for floating_ip_id in context.session.scalars(query.distinct()).all():
                stack.enter_context(_outbox(context, floating_ip_id))
            return super()._process_port_request(event, context, port)


@contextlib.contextmanager
def _outbox(context: Any, floating_ip_id: str) -> Any:
    """The floating IP is written to the outbox in the transaction of what is done inside."""
    with db_api.CONTEXT_WRITER.using(context):
        yield
        context.session.flush()
        networks = virtual_ports.networks_of_floating_ip(context.session, floating_ip_id)
        virtual_ports.refresh(context, networks)
        outbox.refresh_floating_ips(context, floating_ip_id=floating_ip_id)


def _check(
    context: Any, floating_ip_id: str, wanted: dict[str, Any], own_id: str | None = None
) -> None:
    """Refuse what the pods could not do. Raises BadRequest."""
    port_id = wanted.get("internal_port_id")
    if not port_id:
        return
    with db_api.CONTEXT_READER.using(context):
        places = _pods_of(context.session, port_id)
        row, fip = models.PortForwarding, l3_models.FloatingIP
        others = sa.select(row.internal_neutron_port_id).where(
            row.floatingip_id == floating_ip_id, row.id != (own_id or "")
        )
        known = set().union(*(_pods_of(context.session, one) for one in
                              context.session.scalars(others).all()))  # fmt: skip
        network = context.session.scalar(
            sa.select(fip.floating_network_id).where(fip.id == floating_ip_id)
        )
        outlets = reach.outlets_of(context.session, network) if network else ()
    if places and known and places != known:
        raise _refusal(
            f"Floating IP {floating_ip_id} forwards to servers in "
            f"{_names(known)}, the port {port_id} is in {_names(places)}: use another floating IP"
        )
    for pod_id in sorted({*places, *([] if places & set(outlets) else outlets[:1])}):
        pod = runtime.get().registry.get(pod_id)
        if pod is None:
            continue
        deadline = Deadline(CONF.reconciler.bind_call_deadline)
        session = runtime.get().engine.session(pod, deadline)
        # Of a pod that does not answer now, its realization will tell.
        with (
            contextlib.suppress(PodError, DeadlinePassed),
            runtime.get().bulkhead(pod).place(),
        ):
            if not session.neutron.has(EXTENSION):
                raise _refusal(
                    f"The Neutron of pod {pod.region_name}, which would forward for floating IP "
                    f"{floating_ip_id}, lacks the extension {EXTENSION}"
                )


def _refusal(text: str) -> Exception:
    refusal: Exception = n_exc.BadRequest(resource=_RESOURCE, msg=text)
    return refusal


def _pods_of(session: Any, port_id: str) -> set[str]:
    return floating_ip_reach.server_pods(session, [port_id])


def _names(pod_ids: set[str]) -> str:
    pods = (runtime.get().registry.get(pod_id) for pod_id in sorted(pod_ids))
    return "pod " + ", ".join(pod.region_name for pod in pods if pod)
