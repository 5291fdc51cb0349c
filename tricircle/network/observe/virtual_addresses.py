# SPDX-License-Identifier: Apache-2.0
"""Looks in which pod addresses are answered for that servers share (see ``virtual_ports``)."""

from typing import Any

from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.wanted import virtual_ports
from tricircle.network.wanted.outbox import SessionOnly

_FIELDS = ["id", "binding:host_id", "binding:vif_details"]
# Ports named in one call: addresses of requests must not become too long.
_CHUNK = 50


def look(session: PodSession) -> None:
    """Have what leads to such an address lead to where it is answered for. Raises PodError."""
    ports = session.queue.transact(lambda tx: virtual_ports.in_pod(tx, session.pod.id))
    if not ports:
        return
    there: dict[str, dict[str, Any]] = {}
    ids = sorted(ports.values())
    for start in range(0, len(ids), _CHUNK):
        some = ids[start : start + _CHUNK]
        listed = session.neutron.list("ports", id=some, fields=_FIELDS)
        there |= {port["id"]: port for port in listed}
    hosts = {
        port_id: _host(there[pod_port_id])
        for port_id, pod_port_id in ports.items()
        if pod_port_id in there
    }
    session.queue.transact(
        lambda tx: virtual_ports.answered(SessionOnly(tx), session.pod.id, hosts)
    )
    session.queue.transact(lambda tx: virtual_ports.refresh_known(SessionOnly(tx)))


def _host(port: dict[str, Any]) -> str:
    """Where a pod says that the address of an unbound port was answered for last."""
    details = port.get("binding:vif_details") or {}
    return str(details.get("parent_hostname") or port.get("binding:host_id") or "")
