# SPDX-License-Identifier: Apache-2.0
"""Networks whose hosts in different pods are joined by tunnels, for pods with ML2/OVS.

Each pod's l2population sets the tunnels up, towards hosts that it takes for its own: Tricircle
speaks for them over the pod's message bus (``message_bus``), and puts a port on them for each port
that another pod has on the network (``tunnel_endpoints`` and the adapter of shadow ports).
"""

from typing import Any

from tricircle.network.interconnect import Interconnect
from tricircle.network.pod_api import message_bus
from tricircle.pods.pod import Pod


class VxlanInterconnect(Interconnect):
    name = chosen_type = "vxlan"
    network_types = frozenset({"vxlan"})
    tunnelled = True

    def refuses(self, pod: Pod, segment: dict[str, Any]) -> str:
        if (refusal := super().refuses(pod, segment)) or message_bus.has(pod):
            return refusal
        return (
            f"Networks of type vxlan cannot be in pod {pod.region_name}: "
            "[interconnect] message_buses does not name its message bus"
        )

    def provider(self, pod: Pod, segment: dict[str, Any]) -> dict[str, Any]:
        return {
            "provider:network_type": segment["network_type"],
            "provider:segmentation_id": segment["segmentation_id"],
        }
