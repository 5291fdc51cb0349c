# SPDX-License-Identifier: Apache-2.0
"""Which compute hosts pods have: what can be told of a pod's services while it is away."""

from tricircle.db import hosts
from tricircle.pods import rights
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices

_VERSION = "2.53"


class Hosts:
    """Looks at the hosts of pods. All blocks."""

    def __init__(self, services: PodServices) -> None:
        self._services = services

    def audit(self, pod: Pod) -> None:
        """Write down a pod's hosts. Raises PodError, KeystoneFailed."""
        service = self._services.of(pod, rights.HOSTS)
        found = service.ask("GET", "/os-services?binary=nova-compute", _VERSION)["services"]
        hosts.write(pod.id, {service["host"] for service in found})
