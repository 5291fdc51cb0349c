# SPDX-License-Identifier: Apache-2.0
"""Port forwarding: Neutron's own plugin, over our router plugin instead of an L3 agent's."""

from neutron.services.portforwarding import pf_plugin

ROUTERS = "tricircle-router"


class TricirclePortForwardingPlugin(pf_plugin.PortForwardingPlugin):  # type: ignore[misc]
    """``service_plugins = tricircle-port-forwarding``."""

    required_service_plugins = (ROUTERS,)
    # There are no L3 agents to tell anything.
    _rpc_notifications_required = False
