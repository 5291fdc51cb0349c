# SPDX-License-Identifier: Apache-2.0
"""Finish what a gateway began and did not end: it died, or a pod fell silent.

Each kind of operation is looked into here and either finished (the pod has the server, so its ports
and routing are given to it) or undone. Everything may be done twice: two workers at the same row do
no harm. All here blocks.
"""

import datetime
import re
from typing import Any
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import allocations, models, operations, routings
from tricircle.db.operations import (
    UNBOUND,
    UNNAMED,
    InterfaceAttach,
    InterfaceDetach,
    Operation,
    ServerCreate,
    ServerDelete,
)
from tricircle.pods import rights
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodService, PodServices

LOG = logging.getLogger(__name__)

_SKEW = datetime.timedelta(seconds=60)
# Nova clears a server's task before the server is out of its answers: one that looks at rest
# right after its DELETE is not yet one that stays.
_STAYS_AFTER = datetime.timedelta(minutes=10)

Port = dict[str, Any]


class NotNow(Exception):
    """What became of it cannot be said yet: the row stays."""


class Operations:
    """Looks into operations older than [reconciler] creation_grace."""

    def __init__(self, registry: Registry, services: PodServices) -> None:
        self._registry = registry
        self._services = services

    def run(self, older_than: float | None = None) -> int:
        """Look into every stale operation once; how many are ended now."""
        grace = CONF.reconciler.creation_grace if older_than is None else older_than
        return sum(self._one(row) for row in operations.stale(grace))

    def _one(self, row: models.Operation) -> bool:
        try:
            self._finish(row)
        except (NotNow, PodError, KeystoneFailed) as error:
            LOG.info("%s %s stays open: %s", row.resource_type, row.id, error)
            return False
        except Exception:
            LOG.exception("%s %s could not be looked into", row.resource_type, row.id)
            return False
        operations.end(row.id)
        return True

    def _finish(self, row: models.Operation) -> None:
        match operations.of(row):
            case ServerCreate() as creation:
                self._server(row, creation)
            case ServerDelete() as deletion:
                self._server_deletion(row, deletion)
            case InterfaceAttach() as attachment:
                self._interface(row, attachment)
            case InterfaceDetach() as detachment:
                self._interface_deletion(row, detachment)

    # A server that was being made

    def _server(self, row: models.Operation, creation: ServerCreate) -> None:
        ports = self._ports(row.id)
        server_id, pod = self._holder(ports)
        if server_id is not None and pod is not None and self._is_theirs(row, server_id, pod):
            made = [port["id"] for port in ports if creation.deletes(port["id"])]
            known = routings.get("server", server_id)
            if known is not None and known.pod_id != pod.id:
                raise NotNow(f"pod {pod.region_name} names a server of another pod, {server_id}")
            routings.put("server", server_id, pod.id, row.project_id)
            routings.change_ports(server_id, add=made)
            allocations.confirm(row.id, server_id, pod.id)
            self._give(ports, server_id)
            LOG.info("Server %s in pod %s is adopted", server_id, pod.region_name)
            return
        if pod is not None and self._is_building(row.project_id, creation, pod):
            raise NotNow(f"pod {pod.region_name} is building a server of that name")
        allocations.give_back(row.id)
        self._release(ports, creation)
        LOG.info("The %d ports of creation %s are undone", len(ports), row.id)

    def _holder(self, ports: list[Port]) -> tuple[str | None, Pod | None]:
        """The server that holds a port in its pod, and that pod, as far as there are such."""
        pod = None
        for port in ports:
            pod = self._pod_of(port) or pod
            inside = self._in_pod(port)
            if inside is not None and inside.get("device_id"):
                return inside["device_id"], pod
        return None, pod

    def _is_theirs(self, row: models.Operation, server_id: str, pod: Pod) -> bool:
        """Whether a server is of the project that asked for one.

        In its pod a user may write any server on their port.
        """
        server = self._server_in(pod, server_id)
        return server is not None and server["tenant_id"] == row.project_id

    def _is_building(self, project_id: str, creation: ServerCreate, pod: Pod) -> bool:
        """Whether the server may be on its way still: then it will want its ports."""
        query = {
            "all_tenants": 1,
            "project_id": project_id,
            "name": f"^{re.escape(creation.name)}$",
            "status": "BUILD",
        }
        compute = self._services.of(pod, rights.UNFINISHED_SERVER)
        document = compute.ask("GET", f"/servers/detail?{urlencode(query)}")
        began = datetime.datetime.fromisoformat(creation.began)
        since = (began - _SKEW).strftime("%Y-%m-%dT%H:%M:%SZ")
        return any(server["created"] >= since for server in document["servers"])

    # A server that was being deleted

    def _server_deletion(self, row: models.Operation, deletion: ServerDelete) -> None:
        server_id = deletion.server_id
        server = self._server_in(self._pod(row), server_id)
        # Nova shows one for a moment when all it had is gone already.
        if server is not None and server["status"] != "DELETED":
            state = (server["status"], server.get("OS-EXT-STS:task_state"))
            leaving = state[0] == "SOFT_DELETED" or state[1] in ("deleting", "soft-deleting")
            if leaving or models.now() - row.created_at < _STAYS_AFTER:
                raise NotNow(f"server {server_id} is on its way out: {state}")
            LOG.info("Server %s stays: its pod did not delete it", server_id)
            return
        self._release(self._ports(server_id), deletion)
        routings.delete("server", server_id)
        allocations.gone([server_id])

    def _server_in(self, pod: Pod, server_id: str) -> dict[str, Any] | None:
        compute = self._services.of(pod, rights.UNFINISHED_SERVER)
        document = compute.ask("GET", f"/servers/{server_id}", missing=True)
        return document and document["server"]

    # An interface that was being attached or detached

    def _interface(self, row: models.Operation, attachment: InterfaceAttach) -> None:
        ports = self._ports(row.id)
        server_id = attachment.server_id
        holder, _ = self._holder(ports)
        if holder == server_id:
            made = [port["id"] for port in ports if attachment.deletes(port["id"])]
            routings.change_ports(server_id, add=made)
            self._give(ports, server_id)
        else:
            self._release(ports, attachment)

    def _interface_deletion(self, row: models.Operation, detachment: InterfaceDetach) -> None:
        port_id, pod = detachment.port_id, self._pod(row)
        inside = self._pod_port(pod, str(detachment.pod_port_id))
        if inside is not None and inside.get("device_id") == detachment.server_id:
            if models.now() - row.created_at < _STAYS_AFTER:
                raise NotNow(f"port {port_id} is on its way out")
            LOG.info("Port %s stays: its pod did not detach it", port_id)
            return
        self._release_one(port_id, delete=detachment.deletes(port_id))
        routings.change_ports(detachment.server_id, remove=[port_id])

    # Ports

    def _ports(self, device_id: str) -> list[Port]:
        document = self._central().ask("GET", f"/v2.0/ports?device_id={device_id}")
        found: list[Port] = document["ports"]
        return found

    def _in_pod(self, port: Port) -> Port | None:
        """What stands for a central port in the pod it is bound to; None for nothing."""
        pod = self._pod_of(port)
        inside = (port.get("binding:vif_details") or {}).get("pod_port_id")
        if pod is None or inside is None:
            return None
        return self._pod_port(pod, inside)

    def _pod_port(self, pod: Pod, port_id: str) -> Port | None:
        network = self._services.of(pod, rights.UNFINISHED_PORT)
        document = network.ask("GET", f"/v2.0/ports/{port_id}", missing=True)
        return document and document["port"]

    def _pod_of(self, port: Port) -> Pod | None:
        return self._registry.by_region(port.get("binding:host_id") or "")

    def _pod(self, row: models.Operation) -> Pod:
        pod = self._registry.get(row.pod_id or "")
        if pod is None:
            raise NotNow(f"its pod {row.pod_id} is not known")
        return pod

    def _give(self, ports: list[Port], server_id: str) -> None:
        for port in ports:
            self._update(port["id"], {"device_id": server_id})

    def _release(self, ports: list[Port], operation: Operation) -> None:
        """Delete the ports that were made, let the user have their own again."""
        for port in ports:
            self._release_one(port["id"], delete=operation.deletes(port["id"]))

    def _release_one(self, port_id: str, *, delete: bool) -> None:
        if delete:
            self._central().ask("DELETE", f"/v2.0/ports/{port_id}", missing=True)
        else:
            document = self._update(port_id, UNBOUND)
            if document and document["port"].get("dns_name"):  # its server's
                self._update(port_id, UNNAMED)

    def _update(self, port_id: str, values: dict[str, str]) -> Any:
        path, body = f"/v2.0/ports/{port_id}", {"port": values}
        return self._central().ask("PUT", path, body=body, missing=True)

    def _central(self) -> PodService:
        return self._services.central_network(rights.UNFINISHED_PORTS)
