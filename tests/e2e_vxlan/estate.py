# SPDX-License-Identifier: Apache-2.0
"""What tests of pods joined by tunnels have in common."""

from typing import Any

from tests.e2e.networks import Estate
from tests.e2e.site import eventually
from tricircle.pods.markers import named

SHADOW = "shadow:"


class TunnelEstate(Estate):
    def shadows(self, region: str) -> list[Any]:
        """The shadow ports in a pod."""
        ports = self.pods[region].network.ports()
        return [port for port in ports if (named(port.description) or "").startswith(SHADOW)]

    def agents(self, region: str) -> list[Any]:
        """The hosts of other pods that a pod knows."""
        agents = self.pods[region].network.agents()
        return [agent for agent in agents if (agent.configuration or {}).get("tricircle")]

    def remove_all(self) -> None:
        """Besides, no shadow port and no agent for one is left in any pod."""
        super().remove_all()
        for region in self.pods:
            eventually(f"{region} has no shadow", lambda r=region: not self.shadows(r), 60)
            eventually(f"{region} has no agent of ours", lambda r=region: not self.agents(r), 60)
