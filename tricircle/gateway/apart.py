# SPDX-License-Identifier: Apache-2.0
"""What is asked to be together and is in two pods."""

from tricircle.gateway.errors import Fault
from tricircle.pods.pod import Pod


def server_and_volume(server: str, its_pod: Pod, volume: str, pod: Pod) -> Fault:
    """A volume is attached in its own pod only. 400, as what is asked can never be done."""
    return Fault(
        400,
        f"Server {server} is in pod {its_pod.region_name} (availability zone "
        f"{its_pod.availability_zone}) and volume {volume} is in pod {pod.region_name} "
        f"(availability zone {pod.availability_zone}). A volume is attached in its own pod only: "
        "make the server there, or make a volume in the server's zone from an image of this one.",
    )
