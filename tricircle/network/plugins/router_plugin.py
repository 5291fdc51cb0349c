# SPDX-License-Identifier: Apache-2.0
"""The router plugin: Neutron's own database code; pods do the routing, so no agent is scheduled.

Routers and floating IPs reach pods through the outbox (see ``callbacks`` and the mechanism
driver's port hooks).
"""

from typing import Any

import sqlalchemy as sa
from neutron.api import extensions
from neutron.api.rpc.agentnotifiers import utils as notifier_utils
from neutron.db import (
    dns_db,
    extraroute_db,
    l3_db,
    l3_fip_pools_db,
    l3_fip_port_details,
    l3_fip_qos,
    l3_gateway_ip_qos,
)
from neutron.db.availability_zone import router as router_az_db
from neutron.db.models import l3 as l3_models
from neutron.quota import resource_registry
from neutron_lib import constants as n_constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api.definitions import (
    extraroute,
    extraroute_atomic,
    fip_pf_detail,
    fip_port_details,
    floatingip_pools,
    l3,
    l3_ext_gw_mode,
    l3_port_ip_change_not_allowed,
    qos_fip,
    qos_gateway_ip,
    router_admin_state_down_before_update,
    router_availability_zone,
    router_enable_snat,
)
from neutron_lib.db import api as db_api
from neutron_lib.plugins import constants
from neutron_lib.services import base
from oslo_config import cfg

from tricircle.network.central import central_neutron, models
from tricircle.network.plugins import availability_zones, server_addresses
from tricircle.network.routers import route_limits, router_addresses, router_modes

extensions.append_api_extensions_path([server_addresses.PATH])


class TooManyRoutes(n_exc.Conflict):  # type: ignore[misc]
    message = "%(reason)s"


class TricircleRouterPlugin(  # type: ignore[misc]
    base.ServicePluginBase,
    extraroute_db.ExtraRoute_dbonly_mixin,
    l3_gateway_ip_qos.L3_gw_ip_qos_dbonly_mixin,
    l3_fip_qos.FloatingQoSDbMixin,
    l3_db.L3NotifierMixin,
    dns_db.DNSDbMixin,
    l3_fip_port_details.Fip_port_details_db_mixin,
    l3_fip_pools_db.FloatingIPPoolsMixin,
    router_az_db.RouterAvailabilityZoneMixin,
):
    """``service_plugins = tricircle-router``."""

    _ALIASES = (
        l3.ALIAS,
        l3_ext_gw_mode.ALIAS,
        extraroute.ALIAS,
        extraroute_atomic.ALIAS,
        fip_pf_detail.ALIAS,
        fip_port_details.ALIAS,
        floatingip_pools.ALIAS,
        l3_port_ip_change_not_allowed.ALIAS,
        router_admin_state_down_before_update.ALIAS,
        router_availability_zone.ALIAS,
        router_enable_snat.ALIAS,
        *router_modes.MODES.values(),
        server_addresses.ALIAS,
    )
    # Those that Neutron would load without what they stand on.
    _OF_QOS = (qos_fip.ALIAS, qos_gateway_ip.ALIAS)
    # Neutron asks for this by name.
    IP_UPDATE_NOT_ALLOWED_LIST = central_neutron.ROUTER_INTERFACES

    @resource_registry.tracked_resources(router=l3_models.Router, floatingip=l3_models.FloatingIP)
    def __init__(self) -> None:
        super().__init__()
        # There are no L3 agents to tell anything.
        self._l3_rpc_notifier = notifier_utils.RPCNotifierHandler()

    def update_floatingip(self, context: Any, id: str, floatingip: Any) -> Any:
        """Its status is that of the change: DOWN when it leads elsewhere."""
        changed = super().update_floatingip(context, id, floatingip)
        with db_api.CONTEXT_READER.using(context):
            status = sa.select(l3_models.FloatingIP.status).where(l3_models.FloatingIP.id == id)
            return {**changed, "status": context.session.scalar(status) or changed["status"]}

    @property
    def supported_extension_aliases(self) -> list[str]:
        return [*self._ALIASES, *(self._OF_QOS if _has_qos() else ())]

    @classmethod
    def get_plugin_type(cls) -> str:
        return str(constants.L3)

    def get_plugin_description(self) -> str:
        return "Routers that reach into every pod their networks are in"

    def get_server_addresses(
        self, context: Any, filters: Any = None, fields: Any = None, **more: Any
    ) -> list[dict[str, Any]]:
        return server_addresses.read(context, (filters or {}).get("id", ()))

    def get_server_address(self, context: Any, id: str, fields: Any = None) -> dict[str, Any]:
        """Raises NotFound for a server without ports that the caller sees."""
        if found := server_addresses.read(context, [id]):
            return found[0]
        raise n_exc.NotFound()

    def create_floatingip(
        self,
        context: Any,
        floatingip: Any,
        initial_status: str = n_constants.FLOATINGIP_STATUS_DOWN,
    ) -> Any:
        """It is DOWN until it is in the pods."""
        return super().create_floatingip(context, floatingip, initial_status=initial_status)

    def _notify_attaching_interface(
        self, context: Any, router_db: Any, port: Any, interface_info: Any
    ) -> None:
        """Raises TooManyRoutes; no transaction is open yet."""
        joined = {ip["subnet_id"] for ip in port["fixed_ips"]}
        with models.transaction() as tx:
            refusal = route_limits.refusal_of_subnets(tx, router_db.id, joined)
        if refusal:
            raise TooManyRoutes(reason=refusal)
        super()._notify_attaching_interface(context, router_db, port, interface_info)

    def add_router_interface(self, context: Any, router_id: str, interface_info: Any = None) -> Any:
        """Raises BadRequest for a subnet with too few addresses for the router's copies."""
        for port, subnet in _joined(context, interface_info or {}):
            try:
                with db_api.CONTEXT_READER.using(context):
                    router_addresses.check_room(context.session, router_id, port, subnet)
            except router_addresses.NoRoom as error:
                raise n_exc.BadRequest(resource="router", msg=str(error)) from None
        return super().add_router_interface(context, router_id, interface_info)

    def router_supports_scheduling(self, context: Any, router_id: str) -> bool:
        """Whether it is a common router: nobody changes its interfaces' addresses under it."""
        return True

    def get_router_availability_zones(self, router: Any) -> list[str]:
        return availability_zones.of("router", router)

    def validate_availability_zones(self, context: Any, resource_type: str, hints: Any) -> None:
        availability_zones.validate(resource_type, hints)


def _has_qos() -> bool:
    names = {"qos", "neutron.services.qos.qos_plugin.QoSPlugin"}
    return bool(names & set(cfg.CONF.service_plugins))


def _joined(context: Any, interface_info: Any) -> list[tuple[Any, Any]]:
    """(port or None, subnet) of what a router is to be joined to; none of what is not there."""
    core, subnet_id = central_neutron.core(), interface_info.get("subnet_id")
    port = None
    try:
        if port_id := interface_info.get("port_id"):
            port = core.get_port(context, port_id)
        ids = [ip["subnet_id"] for ip in port["fixed_ips"]] if port else [subnet_id]
        return [(port, core.get_subnet(context, one)) for one in ids if one]
    except n_exc.NotFound:
        return []
