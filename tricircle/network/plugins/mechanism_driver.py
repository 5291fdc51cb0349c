# SPDX-License-Identifier: Apache-2.0
"""The ML2 mechanism driver: to central Neutron, a pod is what a hypervisor is to other drivers."""

from typing import Any

from neutron import policy
from neutron.db import models_v2
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins import directory
from neutron_lib.plugins.ml2 import api

from tricircle.db.realizations import Key
from tricircle.network.central import central_neutron
from tricircle.network.central.central_neutron import ROUTER_INTERFACES, ROUTER_PORTS
from tricircle.network.plugins import (
    availability_zones,
    binding,
    callbacks,
    pod_hosts,
    qos_driver,
    report,
    trunk_driver,
)
from tricircle.network.reconcile.adapters.port import ATTRIBUTES
from tricircle.network.wanted import group_members, outbox, tunnel_endpoints, virtual_ports
from tricircle.pods import markers

_PAIRS = "allowed_address_pairs"
_ADDRESSES = ("fixed_ips", _PAIRS)


class TricircleMechanismDriver(api.MechanismDriver):
    """Binds ports whose host is a pod's region name, or a pod's; writes the outbox for everything
    else."""

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
        binding.bind(context)

    def update_network_precommit(self, context: Any) -> None:
        outbox.changed(context.plugin_context, Key("network", context.current["id"]))

    def delete_network_precommit(self, context: Any) -> None:
        outbox.deleted(context.plugin_context, Key("network", context.current["id"]))

    def create_subnet_precommit(self, context: Any) -> None:
        subnet = context.current
        outbox.wanted_where(
            context.plugin_context,
            Key("subnet", subnet["id"]),
            Key("network", subnet["network_id"]),
            subnet["project_id"],
        )

    def update_subnet_precommit(self, context: Any) -> None:
        subnet, before = context.current, context.original
        outbox.changed(context.plugin_context, Key("subnet", subnet["id"]))
        if subnet["gateway_ip"] != before["gateway_ip"]:
            # Which router has that address, and so the pods' own gateway addresses, changes.
            routers = outbox.routers_of(context.plugin_context.session, subnet["network_id"])
            outbox.refresh_routers(context.plugin_context, routers)

    def delete_subnet_precommit(self, context: Any) -> None:
        subnet = context.current
        outbox.deleted(context.plugin_context, Key("subnet", subnet["id"]))
        if central_neutron.takes_own_address(subnet):
            # Such a subnet takes the addresses with it that ports have of it.
            session = context.plugin_context.session
            group_members.changed(session, group_members.of_network(session, subnet["network_id"]))

    def create_port_precommit(self, context: Any) -> None:
        port = context.current
        binding.note(context)
        _router_interface_is_up(context.plugin_context, port)
        if port["device_owner"] in ROUTER_PORTS and port["device_id"]:
            outbox.refresh_routers(context.plugin_context, [port["device_id"]])

    def update_port_precommit(self, context: Any) -> None:
        port, before, key = context.current, context.original, Key("port", context.current["id"])
        moved = context.host != context.original_host
        session = context.plugin_context.session
        if moved or not (context.host or virtual_ports.is_known(session, port["id"])):
            pod = pod_hosts.known(context.host) if context.host else None
            # A host that is no pod takes the port from no pod: a server may be using it there. One
            # of a pod that only a look can tell does so when it is bound.
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
        outbox.deleted(context.plugin_context, Key("port", port["id"]))
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
    report.observe()


def _router_interface_is_up(context: Any, port: dict[str, Any]) -> None:
    """No pod is the interface's own, so none will tell that it is up; it is, from the start."""
    if port["device_owner"] in ROUTER_INTERFACES:
        found = context.session.get(models_v2.Port, port["id"])
        found.status = constants.PORT_STATUS_ACTIVE
