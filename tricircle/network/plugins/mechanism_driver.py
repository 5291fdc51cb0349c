# SPDX-License-Identifier: Apache-2.0
"""The ML2 mechanism driver: to central Neutron, a pod is what a hypervisor is to other drivers."""

import time
from typing import Any

from neutron import policy
from neutron.db import models_v2
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api
from oslo_log import log

from tricircle.conf import CONF
from tricircle.db.realizations import Key, pods_with
from tricircle.network import interconnect
from tricircle.network.central import central_neutron, models
from tricircle.network.central.central_neutron import ROUTER_INTERFACES, ROUTER_PORTS
from tricircle.network.plugins import availability_zones, callbacks, qos_driver, trunk_driver
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters import conflicts
from tricircle.network.reconcile.adapters.port import ATTRIBUTES
from tricircle.network.reconcile.engine import Engine
from tricircle.network.routers import route_limits
from tricircle.network.wanted import group_members, outbox, tunnel_endpoints, virtual_ports
from tricircle.pods import availability, markers
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodError, without_addresses
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import ClaimLost, NotYet

LOG = log.getLogger(__name__)

_REFUSED = "_tricircle_refused"
_PAIRS = "allowed_address_pairs"
_ADDRESSES = ("fixed_ips", _PAIRS)
# Seconds a port waits until others have left its address, and between looks.
_PATIENCE, _POLL = 5.0, 0.2


class TricircleMechanismDriver(api.MechanismDriver):
    """Binds ports whose host is a pod's region name; writes the outbox for everything else."""

    def initialize(self) -> None:
        markers.check()
        # Else the first request makes it, and one that comes meanwhile is refused by no rules.
        policy.init()
        callbacks.subscribe()
        # They register themselves when their plugin is loaded.
        self._drivers = (qos_driver.QosDriver(), trunk_driver.TrunkDriver())
        registry.subscribe(_spawned, resources.PROCESS, events.BEFORE_SPAWN)

    @property
    def connectivity(self) -> str:
        return str(portbindings.CONNECTIVITY_L2)

    def check_vlan_transparency(self, context: Any) -> bool:
        """A pod that cannot have such a network refuses its copy."""
        return True

    def check_vlan_qinq(self, context: Any) -> bool:
        return self.check_vlan_transparency(context)

    def bind_port(self, context: Any) -> None:
        """Have the port in its pod; no transaction is open. The reason of a failure is kept in
        the row's ``last_error``, in the log and in ``binding:vif_details``.
        """
        port, host = context.current, context.host
        pod = runtime.get().registry.fresh().by_region(host)
        if pod is None:
            return
        # ML2 tries a failed binding ten times at once; one try, bounded in time, is enough here.
        refused = getattr(context.plugin_context, _REFUSED, {})
        reason = refused.get((port["id"], host)) or _unfit(pod, context) or _bind(pod, context)
        if reason:
            if (port["id"], host) not in refused:
                LOG.error("Port %s is not bound in pod %s: %s", port["id"], host, reason)
            setattr(context.plugin_context, _REFUSED, {**refused, (port["id"], host): reason})
            details = {"pod": host, "reason": reason}
            context.set_binding(None, portbindings.VIF_TYPE_BINDING_FAILED, details)

    def update_network_precommit(self, context: Any) -> None:
        outbox.changed(context.plugin_context, Key("network", context.current["id"]))

    def delete_network_precommit(self, context: Any) -> None:
        outbox.unwanted(context.plugin_context, Key("network", context.current["id"]))

    def create_subnet_precommit(self, context: Any) -> None:
        subnet = context.current
        outbox.wanted_where(
            context.plugin_context,
            Key("subnet", subnet["id"]),
            Key("network", subnet["network_id"]),
            subnet["project_id"],
        )

    def update_subnet_precommit(self, context: Any) -> None:
        outbox.changed(context.plugin_context, Key("subnet", context.current["id"]))

    def delete_subnet_precommit(self, context: Any) -> None:
        subnet = context.current
        outbox.unwanted(context.plugin_context, Key("subnet", subnet["id"]))
        if central_neutron.takes_own_address(subnet):
            # Such a subnet takes the addresses with it that ports have of it.
            session = context.plugin_context.session
            group_members.changed(session, group_members.of_network(session, subnet["network_id"]))

    def create_port_precommit(self, context: Any) -> None:
        port = context.current
        _router_interface_is_up(context.plugin_context, port)
        if port["device_owner"] in ROUTER_PORTS and port["device_id"]:
            outbox.refresh_routers(context.plugin_context, [port["device_id"]])

    def update_port_precommit(self, context: Any) -> None:
        port, before, key = context.current, context.original, Key("port", context.current["id"])
        moved = context.host != context.original_host
        session = context.plugin_context.session
        if moved or not (context.host or virtual_ports.is_known(session, port["id"])):
            pod = runtime.get().registry.fresh().by_region(context.host) if context.host else None
            # A host that is no pod takes the port from no pod: a server may be using it there.
            if pod is not None or not context.host:
                outbox.unwanted_but_in(context.plugin_context, key, pod.id if pod else None)
                trunk_driver.leave(context.plugin_context, key.resource_id, pod.id if pod else None)
        if any(port.get(name) != before.get(name) for name in ATTRIBUTES):
            outbox.changed(context.plugin_context, key)
        if port.get("dns_name") != before.get("dns_name"):
            tunnel_endpoints.renamed(context.plugin_context.session, port["id"])
        outbox.membership_changed(context.plugin_context, port, before)
        _router_interface_is_up(context.plugin_context, port)
        if moved:
            outbox.refresh_floating_ips(context.plugin_context, port_id=port["id"])
        if moved or port["fixed_ips"] != before["fixed_ips"]:
            outbox.addresses_moved(context.plugin_context, port["network_id"])
        if (port.get(_PAIRS) or before.get(_PAIRS) or not context.host) and (
            moved or any(port.get(name) != before.get(name) for name in _ADDRESSES)
        ):
            virtual_ports.refresh(context.plugin_context, [port["network_id"]])
        if {port["device_owner"], before["device_owner"]} & set(ROUTER_PORTS):
            routers = {port["device_id"], before["device_id"]} - {""}
            outbox.refresh_routers(context.plugin_context, routers)

    def delete_port_precommit(self, context: Any) -> None:
        port = context.current
        outbox.unwanted(context.plugin_context, Key("port", port["id"]))
        outbox.addresses_moved(context.plugin_context, port["network_id"])
        if port.get(_PAIRS):
            virtual_ports.refresh(context.plugin_context, [port["network_id"]])
        if port["device_owner"] in ROUTER_PORTS and port["device_id"]:
            # The port is still there for this transaction: where the router is to be is seen later.
            outbox.refresh_routers(context.plugin_context, [port["device_id"]])
            outbox.touch_subnets(context.plugin_context, [port["network_id"]])


def _spawned(resource: str, event: str, trigger: Any, payload: Any = None) -> None:
    """The plugins are loaded, no request has been served yet."""
    availability_zones.install(directory.get_plugin())


def _router_interface_is_up(context: Any, port: dict[str, Any]) -> None:
    """No pod is the interface's own, so none will tell that it is up; it is, from the start."""
    if port["device_owner"] in ROUTER_INTERFACES:
        found = context.session.get(models_v2.Port, port["id"])
        found.status = constants.PORT_STATUS_ACTIVE


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
        or ("" if driver.stretched else _too_far(pod, context))
    )


def _too_far(pod: Pod, context: Any) -> str:
    """Why routers could not lead to the port in this pod from all others; empty if they can."""
    addresses = {ip["ip_address"]: ip["subnet_id"] for ip in context.current["fixed_ips"]}
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


def _bind(pod: Pod, context: Any) -> str:
    """Make the port in the pod and set the binding. Why it failed; empty when it did not."""
    port = context.current
    engine = runtime.get().engine
    try:
        beside = engine.queue.transact(lambda tx: _want(outbox.SessionOnly(tx), port, pod))
        session = engine.session(pod, Deadline(CONF.reconciler.bind_deadline))
        pod_port_id, *_ = _realized(engine, session, [Key("port", port["id"]), *beside])
        if not pod_port_id:
            return "The port has been deleted meanwhile"
        details = {
            "pod": pod.region_name,
            "pod_port_id": pod_port_id,
            "pod_network_id": session.id("network", port["network_id"]),
        }
    except (PodError, NotYet, DeadlinePassed, ClaimLost) as error:
        return str(error)
    except Exception as error:
        LOG.exception("Port %s in pod %s", port["id"], pod.region_name)
        return without_addresses(f"{type(error).__name__}: {error}")
    context.set_binding(
        context.segments_to_bind[0][api.ID],
        portbindings.VIF_TYPE_OTHER,
        details,
        status=constants.PORT_STATUS_DOWN,
    )
    return ""


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


def _want(context: Any, port: dict[str, Any], pod: Pod) -> list[Key]:
    """The port is wanted in the pod; what must be there beside it before a server starts."""
    beside = trunk_driver.follow(context, port, pod.id, pod.region_name)
    outbox.wanted_for_port(context, port, pod.id)
    if port.get(_PAIRS) or virtual_ports.is_known(context.session, port["id"]):
        virtual_ports.refresh(context, [port["network_id"]])
    return beside
