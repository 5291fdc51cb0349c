# SPDX-License-Identifier: Apache-2.0
"""Networks."""

from collections.abc import Collection

from tricircle.db.realizations import Key
from tricircle.network import central as central_neutron
from tricircle.network.adapters.base import Adapter
from tricircle.network.central import Resource
from tricircle.network.site import Site


class NetworkAdapter(Adapter):
    """A ``local`` network is made without provider attributes: the pod takes its own kind."""

    resource_type = "network"
    member = "network"
    collection = "networks"
    order = 10

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_network, resource_id)

    def depends(self, site: Site, central: Resource) -> list[Key]:
        policy = central.get("qos_policy_id")
        return [Key("qos_policy", policy)] if policy else []

    def body(self, site: Site, central: Resource) -> Resource:
        body = {
            "name": central["name"],
            "admin_state_up": central["admin_state_up"],
            "shared": central["shared"],
            "project_id": central["project_id"],
        }
        if site.neutron.has("port-security"):
            body["port_security_enabled"] = central.get("port_security_enabled", True)
        if site.neutron.has("qos"):
            policy = central.get("qos_policy_id")
            body["qos_policy_id"] = site.id("qos_policy", policy) if policy else None
        if central.get("dns_domain") and site.neutron.has("dns-integration"):
            body["dns_domain"] = central["dns_domain"]
        return body

    def drift(self, site: Site, listed: Resource, central: Resource) -> Collection[str]:
        return {**super().differs(site, listed, central), **_mtu(listed, central)}

    def settle(self, site: Site, current: Resource, central: Resource) -> None:
        if change := _mtu(current, central):
            site.neutron.put(f"/networks/{current['id']}", {"network": change})


def _mtu(current: Resource, central: Resource) -> Resource:
    # The pod's own kind of network has its own overhead: only a smaller MTU is the user's wish.
    wanted, there = central.get("mtu"), current.get("mtu")
    return {"mtu": wanted} if wanted and there and wanted < there else {}
