# SPDX-License-Identifier: Apache-2.0
"""East-west routers: what takes packets for other pods where a router's copy leaves the cloud."""

from tricircle.db.realizations import Key
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.router import RouterAdapter
from tricircle.network.routers import bridges, copies, east_west, topology
from tricircle.network.routers.copies import Copy


class EastWestRouterAdapter(RouterAdapter):
    """``central`` is the router it is of, under the realization's resource id."""

    resource_type = east_west.KIND
    order = 35

    def central(self, resource_id: str) -> Resource | None:
        router = super().central(east_west.router_of(resource_id))
        # What it is for is to be on one host.
        return router and {**router, "id": resource_id, "distributed": False}

    def body(self, session: PodSession, central: Resource) -> Resource:
        name = f"{topology.EAST_WEST} {east_west.router_of(central['id'])}"
        return {**super().body(session, central), "name": name}

    def forget(self, session: PodSession, resource_id: str) -> None:
        router_id = east_west.router_of(resource_id)
        bridges.release(router_id, session.pod.id, topology.EAST_WEST_ROUTER)

    def owns(self, listed: Resource) -> bool:
        return east_west.is_one(listed)

    def _copy(self, session: PodSession, central: Resource) -> Copy:
        return copies.east_west(session, {**central, "id": east_west.router_of(central["id"])})

    def _before(self, session: PodSession, copy: Copy) -> list[Key]:
        return []
