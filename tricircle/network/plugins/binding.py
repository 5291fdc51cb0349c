# SPDX-License-Identifier: Apache-2.0
"""Ports are bound to pods: one by itself, or all that one request makes with a pod for their host.

ML2 binds one port after the other. Those that a request makes in bulk are made in their pod by one
call all the same: when the first of them is to be bound. Each then finds its copy there.
"""

import contextlib
import dataclasses
import time
from collections.abc import Iterator
from typing import Any

from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.plugins.ml2 import api
from oslo_log import log

from tricircle.conf import CONF
from tricircle.db.realizations import Key, pods_with
from tricircle.network import interconnect
from tricircle.network.central import models
from tricircle.network.plugins import pod_hosts, trunk_driver
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters import conflicts
from tricircle.network.reconcile.engine import Engine
from tricircle.network.routers import route_limits
from tricircle.network.wanted import outbox, virtual_ports
from tricircle.pods import availability
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError, PodRefused, PodTimeout, without_addresses
from tricircle.pods.fence import ClaimLost
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import NotYet

LOG = log.getLogger(__name__)

_REQUEST = "_tricircle_request"
_PAIRS = "allowed_address_pairs"
# Seconds a port waits until others have left its address, and between looks.
_PATIENCE, _POLL = 5.0, 0.2


class _Unfit(Exception):
    """The port must not be in this pod; the text says why."""


_FAILURES = (_Unfit, PodError, NotYet, DeadlinePassed, ClaimLost)


@dataclasses.dataclass
class _Request:
    """What is to be remembered while Neutron works on one request: the ports it makes, by id; why
    one was refused, by port and host; what is to be told of the copies of those made together, by
    port and host; and why pods that kept silent are asked no more, by region.
    """

    made: dict[str, dict[str, Any]] = dataclasses.field(default_factory=dict)
    refused: dict[tuple[str, str], dict[str, str]] = dataclasses.field(default_factory=dict)
    there: dict[tuple[str, str], dict[str, str]] = dataclasses.field(default_factory=dict)
    silent: dict[str, str] = dataclasses.field(default_factory=dict)

    @classmethod
    def of(cls, context: Any) -> "_Request":
        plugin_context = context.plugin_context
        found: _Request | None = getattr(plugin_context, _REQUEST, None)
        if found is None:
            found = cls()
            setattr(plugin_context, _REQUEST, found)
        return found

    def together(self, host: str, network_id: str) -> list[dict[str, Any]]:
        """The ports it makes on a network with this host; each is told of once."""
        found = [
            port
            for port in self.made.values()
            if (port[portbindings.HOST_ID], port["network_id"]) == (host, network_id)
        ]
        for port in found:
            del self.made[port["id"]]
        return found


def note(context: Any) -> None:
    """A port is being made, in a transaction that may be tried again."""
    if context.host:
        port = {**context.current, portbindings.HOST_ID: context.host}
        _Request.of(context).made[port["id"]] = port


def bind(context: Any) -> None:
    """Have a port in the pod that is its host, or has it, or say why not; in no transaction."""
    port, host = context.current, context.host
    # ML2 tries a failed binding ten times at once; one try, bounded in time, is enough here.
    request, one = _Request.of(context), (port["id"], host)
    known = request.refused.get(one)
    details = known or _tried(context)
    if details:
        if known is None:
            LOG.error("Port %s is not bound to %s: %s", port["id"], host, details["reason"])
        request.refused[one] = details
        context.set_binding(None, portbindings.VIF_TYPE_BINDING_FAILED, details)


def _tried(context: Any) -> dict[str, str]:
    """Bind the port. Why it failed, and in which pod; empty when it did not."""
    try:
        pod = pod_hosts.find(context.host)
    except pod_hosts.Unplaced as error:
        return {"reason": str(error)}
    reason = _tried_in(pod, context)
    return {"pod": pod.region_name, "reason": reason} if reason else {}


def _tried_in(pod: Pod, context: Any) -> str:
    """Why it failed; empty when it did not."""
    try:
        details = _copy(pod, context)
    except _FAILURES as error:
        return str(error)
    except Exception as error:
        LOG.exception("Port %s in pod %s", context.current["id"], pod.region_name)
        return without_addresses(f"{type(error).__name__}: {error}")
    context.set_binding(
        context.segments_to_bind[0][api.ID],
        portbindings.VIF_TYPE_OTHER,
        details,
        status=constants.PORT_STATUS_DOWN,
    )
    return ""


def _copy(pod: Pod, context: Any) -> dict[str, str]:
    """Have a copy of the port in the pod; what the binding tells of it. Raises _FAILURES."""
    request, one = _Request.of(context), (context.current["id"], pod.region_name)
    if one not in request.there:
        if reason := _unfit(pod, context):
            raise _Unfit(reason)
        with runtime.get().bulkhead(pod).place():
            _make_together(pod, context)
            if one not in request.there:
                return _made(pod, context)
    return request.there.pop(one)


def _made(pod: Pod, context: Any) -> dict[str, str]:
    """Have a copy of the port by itself; what the binding tells of it. Raises _FAILURES."""
    port = {**context.current, portbindings.HOST_ID: context.host}
    request = _Request.of(context)
    engine = runtime.get().engine
    beside = engine.queue.transact(lambda tx: want(outbox.SessionOnly(tx), port, pod))
    with _waited_for_once(request, pod):
        session = _ready(engine, pod, [port])
        pod_port_id, *_ = _realized(engine, session, [Key("port", port["id"]), *beside])
    if not pod_port_id:
        raise NotYet("The port has been deleted meanwhile")
    return _told(session, port["network_id"], pod_port_id)


@contextlib.contextmanager
def _waited_for_once(request: _Request, pod: Pod) -> Iterator[None]:
    """Each port of a request has its own time, but a pod that keeps silent is waited for once.

    Raises _FAILURES.
    """
    if (reason := request.silent.get(pod.region_name)) is not None:
        raise NotYet(reason)
    try:
        yield
    except (PodTimeout, DeadlinePassed) as error:
        request.silent[pod.region_name] = str(error)
        raise


def _ready(engine: Engine, pod: Pod, ports: list[dict[str, Any]]) -> PodSession:
    """A session for ports when all that they depend on is in the pod: that may take long, and is to
    leave the ports time enough. Raises _FAILURES."""
    section = CONF.reconciler
    before = engine.session(pod, Deadline(section.bind_deadline, section.bind_call_deadline))
    for port in ports:
        try:
            engine.bring_dependencies(before, "port", port)
        except (PodRefused, NotYet):
            if len(ports) == 1:
                raise  # Among many it is told what its own dependencies lack.
    if len(ports) > 1:
        return engine.session(pod, Deadline(section.bind_deadline))
    return engine.session(pod, Deadline(section.port_deadline, section.bind_call_deadline))


def _told(session: PodSession, network_id: str, pod_port_id: str) -> dict[str, str]:
    """The binding's details."""
    return {
        "pod": session.pod.region_name,
        "pod_port_id": pod_port_id,
        "pod_network_id": session.id("network", network_id),
    }


def _unfit(pod: Pod, context: Any) -> str:
    """Why a port must not be in this pod; empty if it may."""
    network = context.network.current
    hints = network.get("availability_zone_hints") or []
    if hints and pod.availability_zone not in hints and pod.region_name not in hints:
        return f"Network {network['id']} is bound to {', '.join(hints)}, where the pod is not"
    if not pod.in_use:
        return "The pod is under maintenance"
    if runtime.get().availability.is_down(pod, "network"):
        return str(availability.down(pod, "network"))
    if not context.segments_to_bind:
        return f"Network {network['id']} has no segment"
    segment = context.segments_to_bind[0]
    driver = interconnect.of(segment[api.NETWORK_TYPE])
    if driver is None:
        return f"No interconnect joins networks of type {segment[api.NETWORK_TYPE]} between pods"
    return (
        driver.refuses(pod, segment)
        or interconnect.unjoined(driver, pod.region_name, _regions_with(network["id"]))
        or _too_far(pod, context, context.current)
    )


def _too_far(pod: Pod, context: Any, port: dict[str, Any]) -> str:
    """Why routers could not lead to a port in this pod from all others; empty if they can.

    On the network of the port that is bound, whose segment has an interconnect.
    """
    driver = interconnect.of(context.segments_to_bind[0][api.NETWORK_TYPE])
    if driver is None or driver.stretched:
        return ""
    addresses = {ip["ip_address"]: ip["subnet_id"] for ip in port["fixed_ips"]}
    network_id = context.network.current["id"]
    with models.transaction() as tx:
        return route_limits.refusal_of_port(tx, network_id, addresses, pod.id, pod.region_name)


def _regions_with(network_id: str) -> set[str]:
    """Region names of the pods that a network is in."""
    running, key = runtime.get(), Key("network", network_id)
    queue = running.engine.queue
    found: list[str] = queue.transact(lambda tx: pods_with(tx, queue.table, key))
    pods = (running.registry.get(pod_id) for pod_id in found)
    return {pod.region_name for pod in pods if pod is not None}


def _make_together(pod: Pod, context: Any) -> None:
    """Have all that the request makes in the pod on this network made there by one call.

    One that fails is tried again, by itself and with time of its own, when it is bound.
    """
    request, network_id = _Request.of(context), context.network.current["id"]
    ports = request.together(pod.region_name, network_id)
    fit = [port for port in ports if not _too_far(pod, context, port)]
    if len(fit) < 2:
        return
    engine, keys = runtime.get().engine, [Key("port", port["id"]) for port in fit]

    def want_all(tx: Any) -> None:
        for port in fit:
            want(outbox.SessionOnly(tx), port, pod)

    engine.queue.transact(want_all)
    try:
        with _waited_for_once(request, pod):
            session = _ready(engine, pod, fit)
            engine.make_new(session, keys)
    except _FAILURES as error:
        LOG.info("Pod %s makes %d ports one by one: %s", pod.region_name, len(fit), error)
        return
    right = {key.resource_id for key in engine.queue.in_sync(keys, pod.id)}
    for port_id, inside in session.mapped("port", right).items():
        request.there[port_id, pod.region_name] = _told(session, network_id, inside)


def _realized(engine: Engine, session: PodSession, keys: list[Key]) -> list[str]:
    """The ids of resources in the pod. What is in their way and goes by itself is waited for."""
    until = time.monotonic() + _PATIENCE
    while True:
        try:
            return engine.ensure_all_realized(session, keys)
        except conflicts.Leaving as error:
            if time.monotonic() > until:
                raise
            session.deadline.sleep(_POLL, str(error))


def want(context: Any, port: dict[str, Any], pod: Pod) -> list[Key]:
    """The port is wanted in the pod; what must be there beside it before a server starts."""
    beside = trunk_driver.follow(context, port, pod.id, pod.region_name)
    key = Key("port", port["id"])
    outbox.unwanted_but_in(context, key, pod.id)
    outbox.wanted_for_port(context, port, pod.id)
    if port[portbindings.HOST_ID] != pod.region_name:
        outbox.changed(context, key)  # It may have been on another host of the pod.
    if port.get(_PAIRS) or virtual_ports.is_known(context.session, port["id"]):
        virtual_ports.refresh(context, [port["network_id"]])
    return beside
