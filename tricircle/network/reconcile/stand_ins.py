# SPDX-License-Identifier: Apache-2.0
"""Another pod with the external network stands in for a router's home while that is down.

A pod is down for this when none of its services answers: one that is only without its Neutron goes
on forwarding packets, and nobody is sent another way for that. The home has its routers back when
it has been well for [interconnect] home_returns_after seconds without a break, so that a pod that
comes and goes moves nobody to and fro. A stand-in that goes down itself is replaced at once.

What moves is the way of servers in pods without the external network, and their floating IPs. The
addresses that central Neutron shows stay the home's: the stand-in has one of its own.
"""

import datetime
import functools
import time
from collections.abc import Callable, Collection, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from oslo_db import exception as db_exc
from oslo_log import log
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db import repairs
from tricircle.db.models import now
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central.models import RouterHome
from tricircle.network.routers import homes, reach
from tricircle.network.routers.topology import RouterReach
from tricircle.network.wanted import outbox
from tricircle.pods.availability import Availability
from tricircle.pods.pod import Pod

LOG = log.getLogger(__name__)

# Routers in one transaction; seconds until those that nobody can stand in for are looked at again.
_SOME, _RARELY = 50, 30.0

_Table = RouterHome


class Moved(NamedTuple):
    """The way out of a router's guests has moved from one pod to another."""

    router_id: str
    was: str
    by: str


def is_down(pod: Pod, availability: Availability) -> bool:
    """Whether no service of a pod answers."""
    return bool(pod.services) and all(availability.is_down(pod, name) for name in pod.services)


class StandIns:
    """Looks who is to stand in for whom. ``look`` is for one worker at a time."""

    def __init__(self, queue: WorkQueue) -> None:
        self._queue = queue
        self._down: frozenset[str] = frozenset()
        self._looked_at = float("-inf")

    def look(self, pods: Collection[Pod], down: frozenset[str]) -> list[Moved]:
        """``pods`` are all there are, ``down`` the ids of those that are down."""
        moved = self._give_back(down)
        began = time.monotonic()
        if down != self._down or began - self._looked_at > _RARELY:
            moved += self._replace(down, {pod.id for pod in pods})
            self._down, self._looked_at = down, began
        _tell(moved, pods)
        return moved

    def _replace(self, down: frozenset[str], known: set[str]) -> list[Moved]:
        """Have others stand in for what is down, and give a home to what has lost it for ever."""
        homeless = sa.select(_Table.router_id).where(_Table.pod_id.not_in(known))
        alone = sa.and_(_Table.exit_pod_id.is_(None), _Table.pod_id.in_(down))
        lost = sa.select(_Table.router_id).where(sa.or_(alone, _Table.exit_pod_id.in_(down)))
        moved: list[Moved] = []
        for some in self._in_turn(homeless):
            self._queue.transact(functools.partial(_refresh, router_ids=some))
        for some in self._in_turn(lost) if down else ():
            moved += self._queue.transact(functools.partial(_stand_in, router_ids=some, down=down))
        return moved

    def _give_back(self, down: frozenset[str]) -> list[Moved]:
        """The homes that have been well for long enough have their routers back."""
        away = sa.select(_Table.router_id).where(_Table.exit_pod_id.is_not(None))
        ill = (_Table.pod_id.in_(down), _Table.well_since.is_not(None))
        well = (_Table.pod_id.not_in(down), _Table.well_since.is_(None))
        since = now() - datetime.timedelta(seconds=CONF.interconnect.home_returns_after)
        if not self._queue.transact(lambda tx: tx.scalar(away.limit(1))):
            return []

        def note(tx: Session) -> None:
            stood_in = sa.update(_Table).where(_Table.exit_pod_id.is_not(None))
            for condition, moment in ((ill, None), (well, now())):
                tx.execute(_quietly(stood_in.where(*condition).values(well_since=moment)))

        self._queue.transact(note)
        moved: list[Moved] = []
        for some in self._in_turn(away.where(_Table.well_since <= since)):
            moved += self._queue.transact(functools.partial(_return, router_ids=some))
        return moved

    def _in_turn(self, query: sa.Select[Any]) -> Iterator[list[str]]:
        """The routers that ``query`` gives, some at a time."""
        last = ""
        while True:
            more = query.where(_Table.router_id > last).order_by(_Table.router_id).limit(_SOME)
            found = self._queue.transact(functools.partial(_ids, query=more))
            if not found:
                return
            yield found
            last = found[-1]


def _ids(tx: Session, query: sa.Select[Any]) -> list[str]:
    return list(tx.scalars(query))


def _stand_in(tx: Session, router_ids: list[str], down: Collection[str]) -> list[Moved]:
    """Let others stand in, where there is one that is not down."""

    def instead(router: RouterReach) -> str | None:
        alive = [pod_id for pod_id in router.outlets if pod_id not in down]
        if not alive or router.exit not in down:
            return router.stand_in
        best = homes.nearest(router.router_id, alive, router.tenants)
        return None if best == router.home else best

    return _change(tx, router_ids, instead)


def _return(tx: Session, router_ids: list[str]) -> list[Moved]:
    return _change(tx, router_ids, lambda router: None)


def _change(
    tx: Session, router_ids: list[str], stand_in: Callable[[RouterReach], str | None]
) -> list[Moved]:
    """Change who stands in; what has moved for guests."""
    moved = []
    for router_id, router in sorted(reach.routers(tx, router_ids).items()):
        by = stand_in(router)
        if by == router.stand_in or router.home is None or router.exit is None:
            continue
        update = sa.update(_Table).where(_Table.router_id == router_id)
        values = {"pod_id": router.home, "exit_pod_id": by, "well_since": None}
        tx.execute(_quietly(update.values(**values)))
        if router.guests:
            moved.append(Moved(router_id, router.exit, by or router.home))
    _refresh(tx, [one.router_id for one in moved])
    return moved


def _refresh(tx: Session, router_ids: list[str]) -> None:
    if router_ids:
        context = outbox.SessionOnly(tx)
        outbox.refresh_routers(context, router_ids)
        outbox.refresh_floating_ips(context, router_ids=router_ids)


def _quietly(statement: Any) -> Any:
    return statement.execution_options(synchronize_session=False)


def _tell(moved: Collection[Moved], pods: Collection[Pod]) -> None:
    names = {pod.id: pod.region_name for pod in pods}
    for one in moved:
        was, by = names.get(one.was, one.was), names.get(one.by, one.by)
        done = f"servers in pods without its external network go out by pod {by}, not by pod {was}"
        LOG.warning("Router %s: %s", one.router_id, done)
        try:
            repairs.add(one.by, Key("router", one.router_id), None, done)
        except db_exc.DBError as error:
            LOG.error("What became of router %s is not written down: %s", one.router_id, error)
