# SPDX-License-Identifier: Apache-2.0
"""Which networks and ports of central Neutron a server is to be on, by Nova's rules."""

import dataclasses
from collections.abc import Sequence
from typing import Any

from tricircle.gateway.call import Call
from tricircle.gateway.compute.networking.neutron import central, user
from tricircle.gateway.compute.server_request import AUTO, NONE, NetworkWish
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.central_neutron import NeutronError
from tricircle.scheduling.request import Network

_CANNOT_APPLY = (
    "Network requires port_security_enabled and subnet associated in order to apply security "
    "groups."
)


class NotThere(Fault):
    """A network or port named does not exist for the caller."""


class Ambiguous(Fault):
    """None was named and there are several."""


@dataclasses.dataclass(frozen=True, slots=True)
class PlannedNic:
    """A NIC before it exists: ``port`` is the user's own, None when one is to be made."""

    network: dict[str, Any]
    port: dict[str, Any] | None = None
    fixed_ip: str | None = None
    tag: str | None = None

    @property
    def placement(self) -> Network:
        """What the scheduler must know of it."""
        return Network(self.network["id"], tuple(self.network.get("availability_zone_hints", ())))


async def plan(
    call: Call, wanted: Sequence[NetworkWish] | str | None, security_groups: Sequence[str] = ()
) -> list[PlannedNic]:
    """The NICs a request asks for. Nothing is made, except the topology ``auto`` may need.

    Raises Fault as Nova words it.
    """
    if wanted == NONE:
        return []
    if wanted is None or isinstance(wanted, str):
        nics = [PlannedNic(network) for network in await _the_one(call, wanted == AUTO)]
    else:
        nics = await _wished(call, wanted)
    for nic in nics:
        _check(call, nic, security_groups)
    return nics


async def own_port(call: Call, port_id: str) -> dict[str, Any]:
    """A port the user brings. Raises Fault 400 when it does not exist or fit, 409 when in use."""
    try:
        port = await central(call).show("ports", port_id, **user(call))
    except NeutronError as error:
        if error.status == 404:
            raise NotThere(400, f"Port id {port_id} could not be found.") from None
        raise
    if port["tenant_id"] != call.context.project_id:
        raise Fault(400, f"Port {port_id} not usable for instance.")
    if port.get("device_id"):
        raise Fault(409, f"Port {port_id} is still in use.")
    if not port.get("fixed_ips") and port.get("ip_allocation") not in ("deferred", "none"):
        raise Fault(400, f"Port {port_id} requires a FixedIP in order to be used.")
    return port


async def _wished(call: Call, wanted: Sequence[NetworkWish]) -> list[PlannedNic]:
    ports = {wish.port_id: await own_port(call, wish.port_id) for wish in wanted if wish.port_id}
    requested = [wish.network_id for wish in wanted if wish.network_id]
    ids = dict.fromkeys([*requested, *(port["network_id"] for port in ports.values())])
    networks = await _by_id(call, list(ids))
    if lost := [
        network_id for network_id in dict.fromkeys(requested) if network_id not in networks
    ]:
        raise NotThere(400, f"Network {', '.join(lost)} could not be found.")
    for network_id in requested:
        if not networks[network_id].get("subnets"):
            raise Fault(
                400, f"Network {network_id} requires a subnet in order to boot instances on."
            )
    nics = []
    for wish in wanted:
        port = ports[wish.port_id] if wish.port_id else None
        network_id = port["network_id"] if port else str(wish.network_id)
        # The network of the user's port may be hidden from them: its id is enough then.
        network = networks.get(network_id, {"id": network_id})
        nics.append(PlannedNic(network, port, wish.fixed_ip, wish.tag))
    return nics


async def _the_one(call: Call, auto: bool) -> list[dict[str, Any]]:
    """The only network there is for the project; none at all is right unless ``auto`` asks."""
    networks = await available(call, ready=auto)
    if len(networks) > 1:
        raise Ambiguous(
            409, "Multiple possible networks found, use a Network ID to be more specific."
        )
    if not networks and auto:
        return [await _allocated(call)]
    return networks


async def available(call: Call, ready: bool = False) -> list[dict[str, Any]]:
    """The project's own networks and the shared ones; ``ready`` leaves half-built ones out."""
    own: dict[str, Any] = {"tenant_id": call.context.project_id, "shared": "False"}
    if ready:
        own["admin_state_up"] = "True"
    neutron = central(call)
    found = await neutron.list("networks", **user(call), **own)
    return found + await neutron.list("networks", **user(call), shared="True")


async def _allocated(call: Call) -> dict[str, Any]:
    project = call.context.project_id
    neutron = central(call)
    try:
        topology = await neutron.show("auto-allocated-topology", project, **user(call))
        return await neutron.show("networks", topology["id"], **user(call))
    except NeutronError as error:
        if error.status in (404, 409):
            raise Fault(
                400, f"Unable to automatically allocate a network for project {project}"
            ) from None
        raise


async def _by_id(call: Call, ids: list[str]) -> dict[str, dict[str, Any]]:
    if not ids:
        return {}
    found = await central(call).list("networks", id=ids, **user(call))
    return {network["id"]: network for network in found}


def _check(call: Call, nic: PlannedNic, security_groups: Sequence[str]) -> None:
    network = nic.network
    external = network.get("router:external") and not network.get("shared")
    if external and not call.context.is_admin:
        raise Fault(
            403, f"It is not allowed to create an interface on external network {network['id']}"
        )
    if nic.port is None:
        secured = network.get("port_security_enabled", True)
        if (secured and not network.get("subnets")) or (not secured and security_groups):
            raise Fault(400, _CANNOT_APPLY)
