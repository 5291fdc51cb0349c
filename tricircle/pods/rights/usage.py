# SPDX-License-Identifier: Apache-2.0
"""What pods have, and what of it is used."""

from tricircle.pods.rights.right import Proof, Right

SERVERS_USED = Right(
    "servers_used",
    "compute",
    ("GET /servers/{}", "GET /servers/detail", "GET /os-server-groups"),
    Proof.NOBODY,
    "What servers use is added up by project; a project is told its own sum.",
)
STORAGE_USED = Right(
    "storage_used",
    "volume",
    (
        "GET /volumes/{}",
        "GET /volumes/detail",
        "GET /snapshots/{}",
        "GET /snapshots/detail",
        "GET /backups/{}",
        "GET /backups/detail",
        "GET /groups/{}",
        "GET /groups/detail",
    ),
    Proof.NOBODY,
    "What storage uses is added up by project; a project is told its own sum.",
)
HOSTS = Right(
    "hosts",
    "compute",
    ("GET /os-services",),
    Proof.NOBODY,
    "Only which pod a host is in is kept, for those to whom a pod shows hosts.",
)
FREE_COMPUTE = Right(
    "free_compute",
    "compute",
    ("GET /os-hypervisors/statistics",),
    Proof.NOBODY,
    "How full a pod is orders the pods for a new server.",
)
LIMITS_COMPUTE = Right(
    "limits_compute",
    "compute",
    ("GET /os-quota-class-sets/default",),
    Proof.NOBODY,
    "The operator's own command tells which limits of a pod are below the region's.",
)
LIMITS_VOLUME = Right(
    "limits_volume",
    "volume",
    ("GET /os-quota-class-sets/default",),
    Proof.NOBODY,
    "The operator's own command tells which limits of a pod are below the region's.",
)
LIMITS_NETWORK = Right(
    "limits_network",
    "network",
    ("GET /v2.0/quotas/{}", "GET /v2.0/quotas/{}/default"),
    Proof.NOBODY,
    "The operator's own command tells which limits of a pod are below the region's.",
)
FREE_PLACEMENT = Right(
    "free_placement",
    "placement",
    ("GET /allocation_candidates",),
    Proof.NOBODY,
    "How full a pod is orders the pods for a new server.",
)
FREE_STORAGE = Right(
    "free_storage",
    "volume",
    ("GET /scheduler-stats/get_pools",),
    Proof.NOBODY,
    "How full a pod is orders the pods for a new volume.",
)
ALIVE_COMPUTE = Right(
    "alive_compute",
    "compute",
    ("GET /servers",),
    Proof.NOBODY,
    "Only whether it was answered is looked at, and told as the health of the pod.",
)
ALIVE_NETWORK = Right(
    "alive_network",
    "network",
    ("GET /v2.0/networks",),
    Proof.NOBODY,
    "Only whether it was answered is looked at, and told as the health of the pod.",
)
ALIVE_VOLUME = Right(
    "alive_volume",
    "volume",
    ("GET /volumes",),
    Proof.NOBODY,
    "Only whether it was answered is looked at, and told as the health of the pod.",
)
