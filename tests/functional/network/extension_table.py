# SPDX-License-Identifier: Apache-2.0
"""Which extensions of the Networking API a stock pod offers, and which the region does.

``docs/compatibility-extensions.md`` is made of this. What a pod has and the region lacks has its
reason here.
"""

import collections
from collections.abc import Mapping
from pathlib import Path

from neutron.api import extensions
from neutron.common.ovn import extensions as ovn_extensions

DOCUMENT = Path(__file__).parents[3] / "docs" / "compatibility-extensions.md"
COMMAND = "make network-extensions"

#: {alias: name in words}
Extensions = Mapping[str, str]

REASONS: dict[str, tuple[str, ...]] = {
    "Which of a pod's agents or hosts serves a network or router is the pod's own business; the "
    "only agents of the region are its pods.": (
        "dhcp_agent_scheduler",
        "l3-agent-scheduler-ha-chassis-priority",
        "l3_agent_scheduler",
        "network_ha",
    ),
    "Flavors of routers choose among L3 drivers of one cloud; the region has one, which spans "
    "pods.": ("l3-flavors",),
    "The copy of a router in a pod has one gateway, and where the pod has no external network that "
    "leads to another pod: there is no place for a second.": (
        "enable-default-route-bfd",
        "enable-default-route-ecmp",
        "external-gateway-multihoming",
    ),
    "The router of a floating IP cannot be written: it follows from the port.": (
        "floating-ip-router-writable",
    ),
    "Segments are no resource of the region's API: a network has one, which its interconnect "
    "carries to the pods. A port has its addresses from the beginning.": (
        "ip_allocation",
        "segment",
    ),
    "These reach the pods. They are here where central Neutron has the extension driver of that "
    "name (`extension_drivers`), which the guide leaves to the operator.": (
        "port-hardware-offload-type",
        "port-trusted-vif",
        "uplink-status-propagation",
        "uplink-status-propagation-updatable",
    ),
    "It puts a project's or user's name into what a DNS service is told. Each pod tells its own.": (
        "dns-integration-domain-keywords",
    ),
    "Services of their own, whose plugins a pod may have and the region does not carry over: they "
    "would have to be built for networks that are in several pods.": (
        "bgp",
        "bgp_4byte_asn",
        "bgp_dragent_scheduler",
        "fwaas_v2",
        "logging",
        "pvlan",
        "standard-attr-fwaas-v2",
        "tap-mirror",
        "tap-mirror-both-direction",
        "vpn-endpoint-groups",
        "vpnaas",
    ),
}


def of_a_pod() -> Extensions:
    """What Neutron says that ML2/OVN can have."""
    found = {
        *ovn_extensions.ML2_SUPPORTED_API_EXTENSIONS,
        *ovn_extensions.ML2_SUPPORTED_API_EXTENSIONS_OVN_L3,
    }
    every = extensions.ExtensionManager(extensions.get_extensions_path()).extensions
    return {one: every[one].get_name() if one in every else "" for one in found}


def of_the_region() -> Extensions:
    """What central Neutron lists, with the plugins that it has in this process."""
    known = extensions.PluginAwareExtensionManager.get_instance().extensions
    return {alias: extension.get_name() for alias, extension in known.items()}


def reason(alias: str) -> str:
    """Why the region lacks an extension; empty when that is not known."""
    return next((text for text, aliases in REASONS.items() if alias in aliases), "")


def document(pod: Extensions, ours: Extensions) -> str:
    """Both lists side by side, in Markdown."""
    lacking = sorted(pod.keys() - ours)
    lines = [
        "# Extensions of the Networking API",
        "",
        f"Written by `{COMMAND}`: what Neutron says that a pod with ML2/OVN can have, and what",
        "the region that users see has with the plugins that the [operator's guide](operator.md)",
        "names. A pod that lacks what a network, port or router is to have refuses it with words.",
        "",
        f"## In a pod and not in the region: {len(lacking)} of {len(pod)}",
        "",
    ]
    grouped: dict[str, list[str]] = collections.defaultdict(list)
    for alias in lacking:
        grouped[reason(alias)].append(alias)
    for text, aliases in grouped.items():
        lines += [text, "", *(_entry(alias, pod[alias]) for alias in aliases), ""]
    lines += ["## All", "", "| | | a pod | the region |", "|---|---|---|---|"]
    for alias in sorted({*pod, *ours}):
        there = " | ".join("yes" if alias in one else "no" for one in (pod, ours))
        lines.append(f"| `{alias}` | {pod.get(alias) or ours.get(alias, '')} | {there} |")
    return "\n".join([*lines, ""])


def _entry(alias: str, name: str) -> str:
    return f"- `{alias}`: {name}" if name else f"- `{alias}`"
