# SPDX-License-Identifier: Apache-2.0
"""The central ports of a server: made, bound in a pod, handed to the server, undone.

Those of several servers are made by one call (``make_bound``).
"""

import asyncio
import dataclasses
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db.operations import UNBOUND, UNNAMED
from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.networks import NotThere, PlannedNic
from tricircle.gateway.compute.networking.neutron import Caller, central, service, user
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.central_neutron import CHANGED, NeutronError
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights
from tricircle.pods.errors import PodError, PodTimeout
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right

LOG = logging.getLogger(__name__)

Done = TypeVar("Done")

# Tries to take a port while other things of it change.
_CLAIMS = 5


class AddressTaken(Fault):
    """The address wanted is another's."""


class BindingFailed(PodError):
    """A central port could not be realized in a pod."""


@dataclasses.dataclass(frozen=True, slots=True)
class BoundPort:
    """A central port and what stands for it in the pod it is bound to."""

    id: str
    region: str
    pod_port_id: str
    pod_network_id: str

    @classmethod
    def of(cls, port: dict[str, Any]) -> "BoundPort | None":
        """From a port as the service user sees it; None when it is not bound to a pod."""
        details = port.get("binding:vif_details") or {}
        if "pod_port_id" not in details:
            return None
        return cls(
            port["id"],
            details.get("pod", ""),
            details["pod_port_id"],
            details.get("pod_network_id", ""),
        )


@dataclasses.dataclass(frozen=True, slots=True)
class Nic:
    """A central port on its way to a server; ``brought`` by the user or made for it.

    ``foreign``: the network is another project's. ``bound`` where it was made in a pod at once.
    """

    port_id: str
    network_id: str
    brought: bool
    tag: str | None = None
    foreign: bool = False
    bound: BoundPort | None = None

    def entry(self, bound: BoundPort) -> dict[str, str]:
        """How ``networks`` of a server in a pod names it."""
        entry = {"port": bound.pod_port_id}
        return {**entry, "tag": self.tag} if self.tag is not None else entry


def _binding(call: Call) -> Caller:
    return service(call, rights.PORTS_BOUND)


def _letting_go(call: Call) -> Caller:
    return service(call, rights.PORTS_LET_GO)


async def make(
    call: Call,
    planned: Sequence[PlannedNic],
    security_groups: Sequence[str],
    device_id: str,
    device_owner: str,
) -> list[Nic]:
    """Make the ports a server lacks, as the user, in order, and take those they brought.

    Every port made has ``device_id`` from its first moment, so that none can be lost.
    Raises Fault as Nova words it.
    """
    return await _all(
        [_one(call, nic, security_groups, device_id, device_owner) for nic in planned]
    )


async def _one(
    call: Call,
    nic: PlannedNic,
    security_groups: Sequence[str],
    device_id: str,
    device_owner: str,
) -> Nic:
    if nic.port is not None:
        await _claim(call, nic.port, device_id, device_owner)
        foreign = _is_foreign(call, nic)
        return Nic(nic.port["id"], nic.port["network_id"], True, nic.tag, foreign)
    body = _body(nic, security_groups, device_id, device_owner)
    try:
        port = await central(call).create("ports", body, **user(call))
    except NeutronError as error:
        raise _refused(error, nic.network["id"], nic.fixed_ip) from None
    return _made(call, nic, port)


def _is_foreign(call: Call, nic: PlannedNic) -> bool:
    return bool(nic.network.get("tenant_id") != call.context.project_id)


def _body(
    nic: PlannedNic, security_groups: Sequence[str], device_id: str, device_owner: str
) -> dict[str, Any]:
    """The port to be made for a NIC."""
    body: dict[str, Any] = {
        "network_id": nic.network["id"],
        "admin_state_up": True,
        "device_id": device_id,
        "device_owner": device_owner,
    }
    if nic.fixed_ip:
        body["fixed_ips"] = [{"ip_address": nic.fixed_ip}]
    if security_groups:
        body["security_groups"] = list(security_groups)
    return body


def _made(call: Call, nic: PlannedNic, port: dict[str, Any]) -> Nic:
    foreign = _is_foreign(call, nic)
    return Nic(port["id"], nic.network["id"], False, nic.tag, foreign, BoundPort.of(port))


async def make_bound(
    call: Call,
    planned: Mapping[str, Sequence[PlannedNic]],
    security_groups: Sequence[str],
    device_owner: str,
    pod: Pod,
) -> dict[str, list[Nic]]:
    """Make the ports of several servers by one call, bound in a pod: {device: its ports in order}.

    ``planned`` is {device: its NICs}. Central Neutron must have made a port for each of the NICs of
    one such server for the caller's own token before: so it would make these. They are counted as
    the project's. Empty when Neutron refuses them together: each server may still get its own.
    One that could not be bound is without ``bound``. Raises PodError, and NeutronError of 503, when
    what became of them is not known; they may be there then.
    """
    wanted = [(device_id, nic) for device_id, some in planned.items() for nic in some]
    project = {"project_id": call.context.project_id, "binding:host_id": pod.region_name}
    bodies = [
        _body(nic, security_groups, device_id, device_owner) | project for device_id, nic in wanted
    ]
    deadline = CONF.reconciler.bind_deadline + CONF.reconciler.port_deadline + 5 + len(bodies)
    try:
        ports: Sequence[dict[str, Any]] = await central(call).create_all(
            "ports", bodies, **service(call, rights.PORTS_MADE), deadline=deadline
        )
    except NeutronError as error:
        if error.status >= 500:
            raise
        LOG.info("%d ports are made one by one: %s", len(bodies), error)
        return {}
    made: dict[str, list[Nic]] = {device_id: [] for device_id in planned}
    for (device_id, nic), port in zip(wanted, ports, strict=True):
        made[device_id].append(_made(call, nic, port))
    return made


async def _claim(call: Call, port: dict[str, Any], device_id: str, device_owner: str) -> None:
    """Take a port the user brought, as the user, unless another request was faster.

    Raises Fault 409, and what Neutron says to somebody who may see the port and not change it.
    """
    neutron = central(call)
    body = {"device_id": device_id, "device_owner": device_owner}
    for _ in range(_CLAIMS):
        try:
            await neutron.update(
                "ports",
                port["id"],
                body,
                revision=port["revision_number"],
                **user(call),
            )
        except NeutronError as error:
            if error.kind != CHANGED:
                raise
        else:
            return
        # Its status may have changed, no more.
        port = await neutron.show("ports", port["id"], **user(call))
        if port["device_id"]:
            break
    raise Fault(409, f"Port {port['id']} is still in use.")


def _refused(error: NeutronError, network_id: str, fixed_ip: str | None) -> Fault:
    """Neutron's refusal of a port in Nova's words."""
    match error.kind:
        case "OverQuota":
            return Fault(403, "Maximum number of ports exceeded")
        case "IpAddressGenerationFailure":
            return Fault(400, f"No fixed IP addresses available for network: {network_id}")
        case "IpAddressInUse" | "IpAddressAlreadyAllocated":
            return AddressTaken(400, f"Fixed IP {fixed_ip} is already in use.")
        case "InvalidIpForNetwork" | "InvalidIpForSubnet":
            return Fault(
                400, f"Fixed IP {fixed_ip} is not a valid ip address for network {network_id}."
            )
        case "NetworkNotFound":
            return NotThere(400, f"Network {network_id} could not be found.")
    return Fault(400, error.message) if error.status in (404, 409) else error


async def bind(call: Call, nics: Sequence[Nic], pod: Pod) -> list[BoundPort]:
    """Bind the ports to a pod, which realizes them there, those that are not there yet.

    Raises PodError, BindingFailed too.
    """
    bound = await _all([_bind(call, nic, pod) for nic in nics])
    await _check_seen(
        call, [port for nic, port in zip(nics, bound, strict=True) if nic.foreign], pod
    )
    return bound


async def _check_seen(call: Call, ports: Sequence[BoundPort], pod: Pod) -> None:
    """A pod's Nova makes a server without the NICs whose networks the caller does not see there,
    and says nothing: better none than such a server. Raises PodError, BindingFailed.
    """
    wanted = {port.pod_network_id for port in ports} - {""}
    if not wanted:
        return
    query = urlencode([("fields", "id"), *(("id", one) for one in sorted(wanted))])
    request = PodRequest("GET", "/v2.0/networks", "network", query=query)
    answer = await forward(call, pod, request)
    if not answer.ok:
        return  # Nobody knows: a token may be restricted to other calls.
    networks = answer.json().get("networks") or []
    hidden = wanted - {network.get("id") for network in networks}
    for port in ports:
        if port.pod_network_id in hidden:
            raise BindingFailed(
                pod.region_name,
                f"port {port.id} could not be bound: its network is not shared there with project "
                f"{call.context.project_id}, so a server would not get the port",
            )


async def _all(work: Sequence[Coroutine[Any, Any, Done]]) -> list[Done]:
    """Every result; the first error only when none is still at work, so that an undo sees all."""
    results = await asyncio.gather(*work, return_exceptions=True)
    for result in results:
        if isinstance(result, BaseException):
            raise result
    return [result for result in results if not isinstance(result, BaseException)]


async def _bind(call: Call, nic: Nic, pod: Pod) -> BoundPort:
    if nic.bound is not None and nic.bound.region == pod.region_name:
        return nic.bound
    try:
        port = await central(call).update(
            "ports",
            nic.port_id,
            {"binding:host_id": pod.region_name},
            **_binding(call),
            deadline=CONF.reconciler.bind_deadline + CONF.reconciler.port_deadline + 5,
        )
    except (NeutronError, PodTimeout) as error:
        raise BindingFailed(
            pod.region_name, f"port {nic.port_id} could not be bound: {error}"
        ) from None
    bound = BoundPort.of(port)
    if bound is None:
        reason = (port.get("binding:vif_details") or {}).get("reason")
        raise BindingFailed(
            pod.region_name,
            f"port {nic.port_id} could not be bound: {reason or 'no reason given'}",
        )
    return bound


async def hand_over(call: Call, nics: Sequence[Nic], server_id: str) -> bool:
    """Write the server on its ports. Whether all of it could be done; xjob does the rest."""
    done = await asyncio.gather(*(_hand_over(call, nic.port_id, server_id) for nic in nics))
    return all(done)


async def _hand_over(call: Call, port_id: str, server_id: str) -> bool:
    try:
        await central(call).update("ports", port_id, {"device_id": server_id}, **_binding(call))
    except (NeutronError, PodError) as error:
        LOG.warning("Port %s could not be given to server %s: %s", port_id, server_id, error)
        return False
    return True


async def held_by(
    call: Call, device_id: str, right: Right = rights.PORTS_SEEN
) -> list[dict[str, Any]]:
    """The central ports of a server or of a creation, as the service user sees them."""
    return await central(call).list("ports", device_id=device_id, **service(call, right))


async def release(call: Call, device_id: str, was_made: Callable[[str], bool]) -> bool:
    """Let go of every port of a device; whether all of it could be done.

    A port (by id) that was made for it is deleted; any other was the user's before, and is theirs
    again.
    """
    try:
        ports = await held_by(call, device_id, rights.PORTS_LET_GO)
    except (NeutronError, PodError) as error:
        LOG.warning("The ports of %s could not be listed: %s", device_id, error)
        return False
    done = await asyncio.gather(
        *(release_one(call, port["id"], was_made(port["id"])) for port in ports)
    )
    return all(done)


async def release_one(call: Call, port_id: str, delete: bool) -> bool:
    neutron = central(call)
    try:
        if delete:
            await neutron.delete("ports", port_id, **_letting_go(call))
        else:
            port = await neutron.update("ports", port_id, UNBOUND, **_letting_go(call))
            if port.get("dns_name"):  # its server's, not there without Neutron's extension
                await neutron.update("ports", port_id, UNNAMED, **_letting_go(call))
    except NeutronError as error:
        if error.status == 404:
            return True
        LOG.warning("Port %s could not be let go: %s", port_id, error)
        return False
    except PodError as error:
        LOG.warning("Port %s could not be let go: %s", port_id, error)
        return False
    return True
