# SPDX-License-Identifier: Apache-2.0
"""Networks on a physical network that reaches all pods: the same segment in each."""

from typing import Any

from tricircle.conf import CONF
from tricircle.network.interconnect import Interconnect
from tricircle.pods.pod import Pod


class VlanInterconnect(Interconnect):
    name = chosen_type = "vlan"
    network_types = frozenset({"vlan", "flat"})

    def provider(self, pod: Pod, segment: dict[str, Any]) -> dict[str, Any]:
        name = segment["physical_network"]
        called = CONF.interconnect.physical_networks.get(f"{pod.region_name}/{name}", name)
        attributes = {
            "provider:network_type": segment["network_type"],
            "provider:physical_network": called,
        }
        if segment["segmentation_id"] is not None:
            attributes["provider:segmentation_id"] = segment["segmentation_id"]
        return attributes
