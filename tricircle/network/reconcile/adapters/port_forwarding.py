# SPDX-License-Identifier: Apache-2.0
"""The port forwardings of a floating IP's copy, which are compared as one set."""

from collections.abc import Mapping
from typing import Any

from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.pods.errors import PodRefused

EXTENSION = "floating-ip-port-forwarding"
_IDENTITY = ("protocol", "external_port", "internal_port", "internal_ip_address")
_NAMES = (*_IDENTITY, "internal_port_id", "external_port_range", "internal_port_range")

Forwardings = Mapping[tuple[Any, ...], Resource]


def wanted(session: PodSession, central: Resource, between: Resource | None) -> Forwardings:
    """What the copy must forward: to the servers, or to the port ``between`` two pods.

    ``central`` is the floating IP, with its port forwardings whole. Raises NotYet.
    """
    found = []
    ports = {one["internal_port_id"] for one in central["port_forwardings"]}
    here = session.queue.wanted("port", ports, session.pod.id)
    for one in central["port_forwardings"]:
        if between is None and one["internal_port_id"] not in here:
            continue
        body = {name: one[name] for name in _NAMES if one.get(name)}
        if one.get("external_port"):
            body = {name: value for name, value in body.items() if not name.endswith("_range")}
        if between is None:
            body["internal_port_id"] = session.id("port", one["internal_port_id"])
        else:
            body["internal_port_id"] = session.id("port", between["id"])
            body["internal_ip_address"] = between["fixed_ips"][0]["ip_address"]
            for kind in ("port", "port_range"):
                if f"external_{kind}" in body:
                    body[f"internal_{kind}"] = body[f"external_{kind}"]
        found.append(body)
    return {_identity(body): body for body in found}


def there(session: PodSession, current: Resource) -> Forwardings:
    """What the copy forwards, with the ids; asks the pod only if it may be anything."""
    listed = current.get("port_forwardings")
    if listed == [] or not session.neutron.has(EXTENSION):
        return {}
    listed = session.neutron.list(f"floatingips/{current['id']}/port_forwardings")
    return {_identity(one): one for one in listed}


def remove(session: PodSession, current: Resource, there: Forwardings, keep: Forwardings) -> None:
    for key, one in there.items():
        if key not in keep:
            session.neutron.delete(f"/floatingips/{current['id']}/port_forwardings/{one['id']}")


def add(session: PodSession, current: Resource, there: Forwardings, wanted: Forwardings) -> None:
    """Raises PodRefused when the pod cannot forward ports at all."""
    missing = [body for key, body in wanted.items() if key not in there]
    if missing and not session.neutron.has(EXTENSION):
        raise PodRefused(
            session.pod.region_name,
            501,
            f"its Neutron lacks the extension {EXTENSION}, so the floating IP "
            f"{current['floating_ip_address']} cannot forward ports there",
        )
    for body in missing:
        path = f"/floatingips/{current['id']}/port_forwardings"
        session.neutron.post(path, {"port_forwarding": body})


def _identity(one: Resource) -> tuple[Any, ...]:
    """A forwarding of one port tells both the port and the range that is only it."""
    ranges = () if one.get("external_port") else (
        one.get("external_port_range"), one.get("internal_port_range")
    )  # fmt: skip
    return (*(one.get(name) for name in _IDENTITY), one.get("internal_port_id"), *ranges)
