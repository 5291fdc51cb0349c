# SPDX-License-Identifier: Apache-2.0
"""Availability zones as requests name them, toward us and toward a pod."""

import dataclasses

from tricircle.conf import CONF
from tricircle.pods.pod import Pod


class BadZone(ValueError):
    """The text names no availability zone; ``str()`` is what Nova says to it."""


@dataclasses.dataclass(frozen=True, slots=True)
class Zone:
    """``zone``, ``zone:host``, ``zone:host:node`` or ``zone::node``; an absent part is None.

    ``by_default``: nobody named it.
    """

    name: str | None = None
    host: str | None = None
    node: str | None = None
    by_default: bool = dataclasses.field(default=False, compare=False)

    @classmethod
    def parse(cls, text: str | None) -> "Zone":
        """Raises BadZone when there are too many parts. No zone named: the configured default."""
        parts = (text or "").split(":")
        if len(parts) > 3:
            raise BadZone("Invalid input received: Unable to parse availability_zone")
        name, host, node = (part or None for part in (*parts, "", "")[:3])
        default = CONF.scheduling.default_availability_zone
        return cls(name or default, host, node, by_default=name is None)

    @property
    def device_owner(self) -> str:
        """What owns a port of a server there, in Neutron's terms."""
        return f"compute:{self.name or 'nova'}"

    def toward(self, pod: Pod) -> str | None:
        """The zone to name in a request to ``pod``; None when none should be named.

        The pod's own zone stands for ours; a host and a node are the pod's and stay.
        """
        if not self.host and not self.node:
            return pod.pod_availability_zone or None
        parts = [pod.pod_availability_zone, self.host or ""]
        return ":".join([*parts, self.node] if self.node else parts)
