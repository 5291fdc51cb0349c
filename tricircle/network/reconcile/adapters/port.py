# SPDX-License-Identifier: Apache-2.0
"""Ports of servers (and whatever else is bound in a pod)."""

import contextlib

from neutron_lib import constants
from neutron_lib import exceptions as n_exc
from neutron_lib.api.definitions import portbindings

from tricircle.db.realizations import Key
from tricircle.network.central import address_reservations, central_neutron, facts
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters import conflicts
from tricircle.network.reconcile.adapters.base import Adapter, covered, keeps_names
from tricircle.network.wanted import sharing
from tricircle.pods.errors import PodRefused

# A change to any of these reaches the pod; owner, device and host are the pod's Nova's to set.
ATTRIBUTES = (
    "name",
    "admin_state_up",
    "fixed_ips",
    "mac_address",
    "security_groups",
    "allowed_address_pairs",
    "port_security_enabled",
    "dns_name",
    "dns_domain",
    "extra_dhcp_opts",
    "qos_policy_id",
    "binding:profile",
    "numa_affinity_policy",
    "hints",
    "device_profile",
    "hardware_offload_type",
    "trusted",
    "propagate_uplink_status",
)
_PROFILE, _HOST = "binding:profile", portbindings.HOST_ID
# What a pod's Nova, Ironic, trunks and drivers write there themselves, and nobody else may change.
_OF_THE_POD = {
    "allocation", "arq_uuid", "capabilities", "card_serial_number", "device_mac_address",
    "local_group_information", "local_link_information", "migrating_to", "os_vif_delegation",
    "parent_name", "pci_slot", "pci_vendor_info", "pf_mac_address", "physical_network", "tag",
    "vf_num",
}  # fmt: skip
# (extension, attribute, values that a pod without the extension has too)
_EXTRAS: tuple[tuple[str, str, tuple[object, ...]], ...] = (
    ("port-security", "port_security_enabled", (True,)),
    ("allowed-address-pairs", "allowed_address_pairs", ([],)),
    ("extra_dhcp_opt", "extra_dhcp_opts", ([],)),
    ("dns-integration", "dns_name", ("",)),
    ("dns-domain-ports", "dns_domain", ("", None)),
    ("port-numa-affinity-policy", "numa_affinity_policy", (None,)),
    ("port-hints", "hints", (None, {})),
    ("port-device-profile", "device_profile", (None, "")),
    ("port-hardware-offload-type", "hardware_offload_type", (None,)),
    ("port-trusted-vif", "trusted", (None,)),
    # Central Neutron's default, which the user need not have wanted.
    ("uplink-status-propagation", "propagate_uplink_status", (None, False, True)),
)


class PortAdapter(Adapter):
    """The copy has the central port's MAC and addresses and belongs to its project."""

    resource_type = "port"
    member = "port"
    collection = "ports"
    order = 50
    bulk = True
    fixed = frozenset(
        {
            "network_id",
            "binding:vnic_type",
            "device_profile",
            "hardware_offload_type",
            "propagate_uplink_status",
        }
    )

    def central(self, resource_id: str) -> Resource | None:
        return central_neutron.found(central_neutron.core().get_port, resource_id)

    def depends(self, session: PodSession, central: Resource) -> list[Key]:
        subnets = _subnets(session, central)
        policies = {central.get("qos_policy_id"), central.get("qos_network_policy_id")}
        return [
            *(Key("qos_policy", policy) for policy in policies if policy),
            Key("network", central["network_id"]),
            *(Key("subnet", subnet_id) for subnet_id in subnets),
            *(Key("security_group", group) for group in central["security_groups"]),
            *(Key(sharing.KIND, policy) for policy in _shared_by(session, central)),
        ]

    def body(self, session: PodSession, central: Resource) -> Resource:
        groups = central["security_groups"]
        body: Resource = {
            "network_id": session.id("network", central["network_id"]),
            "name": central["name"],
            "admin_state_up": central["admin_state_up"],
            "mac_address": central["mac_address"],
            "fixed_ips": self._addresses(session, central),
            "security_groups": sorted(session.ids("security_group", groups).values()),
        }
        if central["project_id"]:
            body["project_id"] = central["project_id"]
        if address_reservations.is_reservation(central):
            # It stands for an address elsewhere; OVN sends packets nowhere for any other owner.
            body["device_owner"] = constants.DEVICE_OWNER_FLOATINGIP
        if host := _host(session, central):
            body[_HOST] = host
        if (vnic := central.get("binding:vnic_type", "normal")) != "normal":
            body["binding:vnic_type"] = vnic
        body.update(self._extras(session, central))
        if profile := self._profile({}, central):
            body[_PROFILE] = profile
        if session.neutron.has("qos"):
            policy = central.get("qos_policy_id")
            body["qos_policy_id"] = session.id("qos_policy", policy) if policy else None
        return body

    def create(self, session: PodSession, central: Resource) -> Resource:
        """Raises Leaving while what has the MAC or an address in the pod is about to go."""
        try:
            return super().create(session, central)
        except PodRefused as error:
            conflicts.make_way(session, central["id"], self.body(session, central), error)
        return super().create(session, central)

    def update(self, session: PodSession, current: Resource, central: Resource) -> None:
        """Raises Leaving while what has the MAC or an address in the pod is about to go."""
        try:
            super().update(session, current, central)
        except PodRefused as error:
            conflicts.make_way(session, central["id"], self.body(session, central), error)
            super().update(session, current, central)

    def differs(self, session: PodSession, current: Resource, central: Resource) -> Resource:
        changes = super().differs(session, current, central)
        changes.pop(_PROFILE, None)
        profile = current.get(_PROFILE) or {}
        if (wanted := self._profile(profile, central)) != profile:
            changes[_PROFILE] = wanted
        if "fixed_ips" in changes and covered(changes["fixed_ips"], current["fixed_ips"]):
            del changes["fixed_ips"]
        if not central.get("dns_name") or not keeps_names(current):
            changes.pop("dns_name", None)  # The pod's Nova gives the port the server's name.
        return changes

    def owns(self, listed: Resource) -> bool:
        return not str(listed.get("device_owner")).startswith("network:")

    def belongs(self, session: PodSession, central: Resource, listed: Resource) -> bool:
        """Also one that is bound nowhere, and that its server uses here: its pod was forgotten, and
        is registered again."""
        region, details = session.pod.region_name, central.get("binding:vif_details") or {}
        in_use = central["device_id"] and central["device_id"] == listed.get("device_id")
        unbound = not central.get(_HOST)
        return region in (central.get(_HOST), details.get("pod")) or bool(unbound and in_use)

    def taken(self, session: PodSession, central: Resource, listed: Resource) -> None:
        if not central.get(_HOST):
            change = {"port": {_HOST: session.pod.region_name}}
            central_neutron.core().update_port(central_neutron.admin(), central["id"], change)

    def settle(self, session: PodSession, current: Resource, central: Resource) -> None:
        """Raises PodRefused where the pod cannot bind a port to the host it is to be on."""
        if not (host := _host(session, central)):
            return
        there = self.show(session, current["id"]) or current
        if there.get("binding:vif_type") == portbindings.VIF_TYPE_BINDING_FAILED:
            raise PodRefused(
                session.pod.region_name,
                409,
                f"its Neutron cannot bind port {current['id']} to its host {host}: is an agent "
                "alive there, and can it reach the network?",
            )

    def rests(self, session: PodSession, resource_id: str, pod_resource_id: str) -> bool:
        found = self.central(resource_id)
        if not found or found.get(_HOST) or found["device_id"]:
            return False
        current = self.show(session, pod_resource_id)
        return current is not None and not current["device_id"]

    def vanished(self, session: PodSession, resource_id: str) -> None:
        """A port that a pod's Nova had made for a server goes with it."""
        found = self.central(resource_id)
        if found and not found.get(_HOST) and not found["device_id"]:
            with contextlib.suppress(n_exc.PortNotFound):
                central_neutron.core().delete_port(central_neutron.admin(), resource_id)

    def spare(self, listed: Resource) -> bool:
        return not listed.get("device_id")

    def _addresses(self, session: PodSession, central: Resource) -> list[dict[str, str]]:
        fixed = central["fixed_ips"]
        there = session.ids("subnet", {ip["subnet_id"] for ip in fixed})
        derived = _subnets(session, central)
        addresses = []
        for ip in fixed:
            address = {"subnet_id": there[ip["subnet_id"]]}
            # Neutron refuses a named address there; the same MAC makes the same one.
            if not derived[ip["subnet_id"]]:
                address["ip_address"] = ip["ip_address"]
            addresses.append(address)
        return addresses

    def _profile(self, there: Resource, central: Resource) -> Resource:
        """A binding profile with what the pod wrote ``there`` and what central Neutron has."""
        kept = {name: value for name, value in there.items() if name in _OF_THE_POD}
        return kept | (central.get(_PROFILE) or {})

    def _extras(self, session: PodSession, central: Resource) -> Resource:
        """Attributes of extensions a pod may lack. Raises PodRefused when that would matter."""
        extras: Resource = {}
        for extension, name, harmless in _EXTRAS:
            if name not in central:
                continue  # central Neutron has no such extension
            value = central[name]
            if session.neutron.has(extension):
                extras[name] = value
            elif value not in harmless:
                raise PodRefused(
                    session.pod.region_name,
                    501,
                    f"its Neutron lacks the extension {extension}, so the port {central['id']} "
                    f"cannot have {name}",
                )
        return extras


def pods_own_profile(name: str) -> bool:
    """Whether what a binding profile has under a name is the pod's to write."""
    return name in _OF_THE_POD


def _host(session: PodSession, central: Resource) -> str:
    """The host of the pod that a port is to be bound to; empty where that is the pod's to choose.

    It chooses for servers, whose ports are bound by its Nova.
    """
    host = central.get(_HOST) or ""
    if str(central["device_owner"]).startswith(constants.DEVICE_OWNER_COMPUTE_PREFIX):
        return ""
    name, _, region = host.rpartition("@")
    name = name if region == session.pod.region_name else host
    return "" if name == session.pod.region_name else str(name)


def _shared_by(session: PodSession, central: Resource) -> list[str]:
    """The policies by which a port's project may use its network: whoever plugs it sees that."""
    network_id, project_id = central["network_id"], central["project_id"]
    if not project_id:
        return []
    found: list[str] = session.queue.transact(
        lambda tx: sharing.with_project(tx, network_id, project_id)
    )
    return found


def _subnets(session: PodSession, central: Resource) -> dict[str, bool]:
    """{subnet: whether a port derives its address from its MAC there} of a port's network."""
    networks = [central["network_id"]]
    found: list[Resource] = session.queue.transact(lambda tx: facts.subnets_of(tx, networks))
    return {one["id"]: central_neutron.takes_own_address(one) for one in found}
