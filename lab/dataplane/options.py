# SPDX-License-Identifier: Apache-2.0
"""What a pod's Neutron and Nova must be told about its data plane: configuration file sections."""

from __future__ import annotations

from lab.dataplane import topology
from lab.settings import Lab, Pod

Sections = dict[str, dict[str, str]]
#: What any of the lab's networks offers, beside its routers.
SERVICE_PLUGINS = "qos,trunk,segments,network_segment_range,port_forwarding"


def neutron_options(lab: Lab, pod: Pod) -> Sections:
    """Stock ML2, on the pod's own OVN or with its own agents."""
    first, last = topology.VLAN_RANGE
    kind = "vxlan" if lab.agents else "geneve"
    common: Sections = {
        "DEFAULT": {
            "core_plugin": "ml2",
            "service_plugins": f"{'router' if lab.agents else 'ovn-router'},{SERVICE_PLUGINS}",
            # Seconds between messages about ports to Nova, which servers wait for; 1 is the least.
            "send_events_interval": "1",
            "dns_domain": f"{pod.key}.example.",
            "global_physnet_mtu": "1500",
            "rpc_workers": "1" if lab.agents else "0",
            "rpc_state_report_workers": "0",
        },
        "ml2": {
            "mechanism_drivers": "openvswitch,l2population" if lab.agents else "ovn",
            "type_drivers": f"{kind},vlan,flat,local",
            "tenant_network_types": kind,
            "extension_drivers": "port_security,subnet_dns_publish_fixed_ip,qos",
            "overlay_ip_version": "4",
            "path_mtu": "1500",
        },
        "ml2_type_vlan": {"network_vlan_ranges": f"{topology.PHYSNET}:{first}:{last}"},
        "ml2_type_flat": {"flat_networks": f"{topology.PHYSNET},{topology.EXTERN}"},
        "securitygroup": {"enable_security_group": "True"},
    }
    return common | (_with_agents() if lab.agents else _with_ovn(lab, pod))


def _with_ovn(lab: Lab, pod: Pod) -> Sections:
    connection = topology.ovn_connection(lab, pod)
    return {
        # Neutron writes a row for each at its first start, and reads the ranges for each network.
        "ml2_type_geneve": {"vni_ranges": "1:1000", "max_header_size": "38"},
        "ovn": {
            "ovn_nb_connection": connection,
            "ovn_sb_connection": connection,
            "ovn_l3_scheduler": "leastloaded",
            "ovn_metadata_enabled": "False",
            "enable_distributed_floating_ip": "False",
        },
    }


def _with_agents() -> Sections:
    first, last = topology.VNI_RANGE
    return {
        "ml2_type_vxlan": {"vni_ranges": f"{first}:{last}"},
    }


def nova_options(lab: Lab, pod: Pod, host: str) -> Sections:
    """The virt driver. Alike for all hosts: the driver finds its host's settings by name."""
    return {
        "DEFAULT": {
            "compute_driver": "nova_netns.NetnsDriver",
            "vif_plugging_is_fatal": "True",
            "vif_plugging_timeout": "60",
        },
        "lab": {"host_settings": str(topology.host_settings_dir(lab))},
    }
