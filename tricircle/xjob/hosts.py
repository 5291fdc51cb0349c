# SPDX-License-Identifier: Apache-2.0
"""Which compute hosts pods have: what can be told of a pod's services while it is away."""

from tricircle.db import hosts
from tricircle.pods import rights
from tricircle.pods.definitions import Target
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod

_VERSION = "2.53"


class Hosts:
    """Looks at the hosts of pods. All blocks."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity

    def audit(self, pod: Pod) -> None:
        """Write down a pod's hosts. Raises PodError, KeystoneFailed."""
        target = Target(pod, self._identity.adapter(pod, rights.HOSTS))
        found = target.ask("GET", "/os-services?binary=nova-compute", _VERSION)["services"]
        hosts.write(pod.id, {service["host"] for service in found})
