# SPDX-License-Identifier: Apache-2.0
"""Availability zones: users see a pod's, the pod knows its own."""

from typing import Any

from tricircle.pods.pod import Pod

FIELD = "OS-EXT-AZ:availability_zone"
PINNED = "pinned_availability_zone"


def show(pod: Pod, server: dict[str, Any]) -> dict[str, Any]:
    """A server document with the zone the user knows it in; changed in place and returned."""
    for field in (FIELD, PINNED):
        # Empty as long as no host was picked: so it is.
        if server.get(field):
            server[field] = pod.availability_zone
    return server
