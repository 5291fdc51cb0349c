# SPDX-License-Identifier: Apache-2.0
"""Networks that each pod realizes by itself: routers join them, nothing else does."""

from tricircle.network.interconnect import Interconnect


class LocalInterconnect(Interconnect):
    name = "local"
    network_types = frozenset({"local"})
    stretched = False
