# SPDX-License-Identifier: Apache-2.0
"""In which pod routers are at home, and which pod stands in for it.

A router that is open to an external network which several pods have is at home in one of them: that
pod has the addresses central Neutron shows, and servers in pods without the external network go out
by it. It is chosen when the first server comes, among the pods that have servers if it can be, by a
hash of ids, so that routers are spread; and kept in a table, so that a pod that is added, renamed
or gone changes no other router's addresses. It moves only when it has the external network no more.

While the home pod is down another pod that has the external network stands in for it: guests go
out by that one (``reconcile/stand_ins.py`` decides when).
"""

import hashlib
from collections.abc import Collection, Mapping
from typing import NamedTuple

import sqlalchemy as sa
from sqlalchemy.orm import Session

from tricircle.network.central.models import RouterHome
from tricircle.network.routers.topology import Pods, RouterReach

#: Kept of a router from before homes were: the first of its pods by name.
_FIRST_BY_NAME = ""


class Home(NamedTuple):
    """``stand_in`` is the pod that stands in for it, if one does."""

    pod_id: str
    stand_in: str | None = None


def of(tx: Session, router_ids: Collection[str] | None = None) -> Mapping[str, Home]:
    """{router: its home} as it is kept, of some routers or of all."""
    query = sa.select(RouterHome.router_id, RouterHome.pod_id, RouterHome.exit_pod_id)
    if router_ids is not None:
        query = query.where(RouterHome.router_id.in_(list(router_ids)))
    rows = tx.execute(query).tuples() if router_ids is None or router_ids else ()
    return {router_id: Home(pod_id, stand_in) for router_id, pod_id, stand_in in rows}


def choose(router_id: str, outlets: Pods, tenants: Collection[str], kept: Home | None) -> Home:
    """The home of a router that has these outlets, one at least: what is kept, if it still can be.

    Two who choose at once choose the same.
    """
    if kept is not None and kept.pod_id == _FIRST_BY_NAME:
        kept = Home(outlets[0], kept.stand_in)
    if kept is None or kept.pod_id not in outlets:
        return Home(nearest(router_id, outlets, tenants))
    return kept if kept.stand_in in outlets else Home(kept.pod_id)


def nearest(router_id: str, among: Collection[str], tenants: Collection[str]) -> str:
    """One of some pods: of those that have servers if any has, by the highest hash."""
    near = [pod_id for pod_id in among if pod_id in tenants] or among
    return max(near, key=lambda pod_id: hashlib.sha256(f"{router_id} {pod_id}".encode()).digest())


def keep(tx: Session, reached: RouterReach, kept: Home | None) -> bool:
    """Write down where a router is at home by now; whether it has moved.

    One that no server uses yet is at home nowhere for certain. Raises oslo_db's DBDuplicateEntry
    when another transaction does the same: run the transaction again.
    """
    if reached.home is None or not reached.tenants:
        return False
    table, home = RouterHome, Home(reached.home, reached.stand_in)
    if kept is None:
        tx.execute(sa.insert(table).values(router_id=reached.router_id, pod_id=home.pod_id))
        return False
    if kept == home:
        return False
    values = {"pod_id": home.pod_id, "exit_pod_id": home.stand_in, "well_since": None}
    tx.execute(sa.update(table).where(table.router_id == reached.router_id).values(**values))
    return kept.pod_id not in (home.pod_id, _FIRST_BY_NAME)


def forget(tx: Session, router_id: str) -> None:
    """A router is no more."""
    tx.execute(sa.delete(RouterHome).where(RouterHome.router_id == router_id))
