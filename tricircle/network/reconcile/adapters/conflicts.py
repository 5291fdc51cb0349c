# SPDX-License-Identifier: Apache-2.0
"""What has a MAC or an address in a pod that another port is to have there.

Central Neutron gives out what is free to it; in a pod it may still be the copy's of a port that is
deleted, elsewhere or readdressed by now. What users do in one breath, releasing, taking and
swapping, ends right there when the old copies give way, whichever is looked at first.
"""

from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import central_neutron, facts
from tricircle.network.central.central_neutron import ROUTER_PORTS, Resource
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.wanted import tunnel_endpoints
from tricircle.pods.errors import PodRefused
from tricircle.pods.reconciler import NotYet

# What tells whose a port is.
_FIELDS = ["id", "description", "project_id", "fixed_ips", "mac_address", "device_owner"]


class Leaving(NotYet):
    """What is in the way goes by itself, very soon."""


def make_way(session: PodSession, resource_id: str, body: Resource, error: PodRefused) -> None:
    """Have stale ports give up what a resource's copy with the attributes ``body`` was refused for.

    Raises Leaving when one of ours holds it that goes by itself, ``error`` when nothing gives way.
    """
    if error.status != 409:
        raise error
    found = [port for port in holders(session, body) if named(port) != resource_id]
    if not found:
        return  # It has just gone.
    gave = [_gives_way(session, holder, body) for holder in found]
    if any(gave):
        return
    if any(_leaves_soon(session, holder) for holder in found):
        raise Leaving(f"{error}: what has it there is about to go")
    raise error


def holders(session: PodSession, body: Resource) -> list[Resource]:
    """The ports that have a port's MAC or one of its addresses."""
    network = {"network_id": body["network_id"], "fields": _FIELDS}
    found = session.neutron.list("ports", mac_address=body["mac_address"], **network)
    for ip in body["fixed_ips"]:
        if "ip_address" in ip:
            wanted = f"ip_address={ip['ip_address']}"
            found += session.neutron.list("ports", fixed_ips=wanted, **network)
    return list({port["id"]: port for port in found}.values())


def _gives_way(session: PodSession, holder: Resource, body: Resource) -> bool:
    """Remove a copy that is not to be there, or its addresses that its port has no more."""
    if holder["device_owner"] in ROUTER_PORTS:
        # Only its router can let it go.
        return False
    if tunnel_endpoints.is_shadow(session, holder):
        _look_again(session, Key(tunnel_endpoints.KIND, str(named(holder))))
        session.neutron.delete(f"/ports/{holder['id']}")
        return True
    key = Key("port", str(named(holder)))
    if not is_copy(session, holder):
        return False
    central = central_neutron.found(central_neutron.core().get_port, key.resource_id)
    if central is None or not session.queue.wanted(
        key.resource_type, [key.resource_id], session.pod.id
    ):
        # The port's own row finds that it is gone.
        session.neutron.delete(f"/ports/{holder['id']}")
        return True
    has = {ip["ip_address"] for ip in central["fixed_ips"]}
    wanted = {ip.get("ip_address") for ip in body["fixed_ips"]}
    there = {ip["ip_address"] for ip in holder["fixed_ips"]}
    if not (there & wanted) - has:
        return False
    # Whoever works on that port at this moment may have it as it was: it is looked at after this,
    # even if we do not live to see the answer.
    _look_again(session, key)
    kept = _kept(session, central, there & has)
    session.neutron.put(f"/ports/{holder['id']}", {"port": {"fixed_ips": kept}})
    _look_again(session, key)
    return True


def is_copy(session: PodSession, holder: Resource) -> bool:
    """Whether a port in the pod is the copy of a central port: by its row, or by its marker."""
    if (resource_id := named(holder)) is None:
        return False
    row = session.queue.get(Key("port", resource_id), session.pod.id)
    if row is not None and row.pod_resource_id == holder["id"]:
        return True
    central = central_neutron.found(central_neutron.core().get_port, resource_id)
    return session.is_ours("ports", holder, [central["project_id"]] if central else ())


def _leaves_soon(session: PodSession, holder: Resource) -> bool:
    """Whether a port is ours in some way: a router's, or of a copy that is being worked on."""
    is_routers = holder["device_owner"] in ROUTER_PORTS and named(holder) is not None
    return is_routers or is_copy(session, holder)


def _kept(session: PodSession, central: Resource, addresses: set[str]) -> list[dict[str, str]]:
    """Those of the addresses, as an update names them."""
    fixed = [ip for ip in central["fixed_ips"] if ip["ip_address"] in addresses]
    wanted = {ip["subnet_id"] for ip in fixed}
    subnets: dict[str, Resource] = session.queue.transact(lambda tx: facts.subnets(tx, wanted))
    derived = {one for one in subnets if central_neutron.takes_own_address(subnets[one])}
    there = session.mapped("subnet", wanted)
    return [
        {"subnet_id": there[ip["subnet_id"]]}
        if ip["subnet_id"] in derived
        else {"subnet_id": there[ip["subnet_id"]], "ip_address": ip["ip_address"]}
        for ip in fixed
        if ip["subnet_id"] in there
    ]


def _look_again(session: PodSession, key: Key) -> None:
    def touch(tx: Session) -> None:
        realizations.touch(tx, session.queue.table, key, [session.pod.id])

    session.queue.transact(touch)
