# SPDX-License-Identifier: Apache-2.0
"""What of Nova lives in one pod and is found by its UUID."""

from tricircle.gateway.call import ResourceType
from tricircle.gateway.compute.servers import deletion

TYPES = (
    ResourceType(
        "server",
        "compute",
        "/servers/{}",
        "Instance {} could not be found.",
        on_vanished=deletion.vanished,
    ),
)
