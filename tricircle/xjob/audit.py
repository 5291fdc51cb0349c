# SPDX-License-Identifier: Apache-2.0
"""Compare a pod with what is wanted there: what was deleted or changed behind our back, and what
bears our marker though nobody wants it. What bears it and was not made by us is let alone, and
told of.

The audit itself changes next to nothing: what differs is marked, and the one loop puts it right.
Each collection is listed once. No resource type is known by name; the adapters tell what differs.
"""

import collections
import dataclasses
import datetime
from collections.abc import Mapping

from oslo_log import log as logging
from sqlalchemy.orm import Session

from tricircle.conf import CONF
from tricircle.db import repairs as repairs_table
from tricircle.db.models import now
from tricircle.db.realizations import Key, Row
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central import adopted
from tricircle.network.central.central_neutron import Resource
from tricircle.network.pod_api.pod_session import PodSession, Snapshot, named, owner_of
from tricircle.network.reconcile import repairs
from tricircle.network.reconcile.adapters.base import Adapter, is_made_by_us
from tricircle.pods.errors import PodError, PodRefused
from tricircle.pods.reconciler import NotYet

LOG = logging.getLogger(__name__)

# An object with a marker that is not ours: what it pretends to be, and what is told of it.
Stranger = tuple[Key, str]
# An object that bears our marker and has no row of its own.
Stray = tuple[Adapter, Key, Resource]

_PAGE = 1000
# Copies that must be looked at one by one are spread over half the time between two audits.
_SLICES = 20
# Copies whose markers are signed anew after an audit, at the most.
_SIGNED = 1000


@dataclasses.dataclass
class Findings:
    """What an audit found.

    ``gone`` and ``changed`` copies are made right. The rest are numbers: ``orphans`` and
    ``doubles`` to be removed, orphans ``adopted`` because they are wanted after all, copies
    ``asked`` for one by one, as always, ``unsigned`` ones to be signed with the newest secret, and
    ``strangers``: objects that bear a marker and are not ours.
    """

    gone: list[Key] = dataclasses.field(default_factory=list)
    changed: list[Key] = dataclasses.field(default_factory=list)
    orphans: int = 0
    adopted: int = 0
    doubles: int = 0
    asked: int = 0
    unsigned: int = 0
    strangers: int = 0

    @property
    def work(self) -> bool:
        """Whether there is something for the loop to do."""
        looked_at = self.asked or self.unsigned
        return bool(self.gone or self.changed or self.orphans or self.adopted or looked_at)

    def __str__(self) -> str:
        kinds = collections.Counter(key.resource_type for key in (*self.gone, *self.changed))
        return (
            f"{len(self.gone)} gone, {len(self.changed)} changed {dict(kinds) or ''}, "
            f"{self.orphans} orphans, {self.adopted} taken over, {self.doubles} second copies, "
            f"{self.unsigned} to be signed anew, {self.strangers} not ours"
        )


@dataclasses.dataclass(frozen=True)
class _Compared:
    """What is not as it must be with a copy, in words.

    ``is_unsigned``: only the marker's signature. ``is_strange``: the copy belongs to a project that
    it would not be made for.
    """

    differing: str = ""
    is_unsigned: bool = False
    is_strange: bool = False


class Audit:
    """Audits one pod, again and again; remembers since when it has seen an orphan."""

    def __init__(self, queue: WorkQueue, adapters: Mapping[str, Adapter]) -> None:
        self._queue = queue
        self._adapters = adapters
        self._seen: dict[str, datetime.datetime] = {}

    def run(self, session: PodSession) -> Findings:
        """One audit. Raises PodError and DeadlinePassed; then nothing is taken as gone."""
        # First the rows: what comes into being meanwhile is in the lists and found wanted by no
        # row, which matters only once it has been so for a while.
        rows = self._queue.in_pod(session.pod.id, tuple(self._adapters))
        listed = self._lists(session)
        findings = Findings()
        strangers = self._compare(session, rows, listed, findings)
        strangers += self._strays(session, rows, listed, findings)
        findings.strangers = len(strangers)
        repairs.report_strangers(session.pod, strangers)
        repairs_table.forget_old()
        LOG.info(
            "Pod %s is audited, %d resources: %s", session.pod.region_name, len(rows), findings
        )
        return findings

    def _lists(self, session: PodSession) -> dict[str, dict[str, Resource]]:
        """{collection: {id: object}}; without a collection the pod does not have."""
        found = {}
        for collection in sorted({adapter.collection for adapter in self._adapters.values()}):
            try:
                items = session.neutron.list(collection, limit=_PAGE)
            except PodRefused as error:
                if error.status != 404:
                    raise
                continue
            found[collection] = {item["id"]: item for item in items}
        return found

    # What is wanted

    def _compare(
        self,
        session: PodSession,
        rows: list[Row],
        listed: Mapping[str, Mapping[str, Resource]],
        findings: Findings,
    ) -> list[Stranger]:
        """Have what differs looked at. What has a row and is another project's is told of."""
        known = {_key(row): row.pod_resource_id for row in rows if row.pod_resource_id}
        snapshot = Snapshot(session.neutron, session.queue, known=known)
        hidden, unsigned, strangers = [], [], []
        for row in rows:
            adapter = self._adapters[row.resource_type]
            if row.next_try_at is not None or adapter.collection not in listed:
                continue
            item = listed[adapter.collection].get(row.pod_resource_id or "")
            found = _compared(snapshot, adapter, row, item)
            if found.is_strange and item is not None:
                words = f"{item['id']} is in use, though it is project {owner_of(item)}'s"
                strangers.append((_key(row), words))
            if found.differing:
                if self._queue.mark_for_check([row]):
                    (findings.gone if item is None else findings.changed).append(_key(row))
                    LOG.info(
                        "Pod %s: the %s differs: %s",
                        session.pod.region_name,
                        _key(row),
                        found.differing,
                    )
            elif adapter.hidden:
                hidden.append(row)
            elif found.is_unsigned:
                unsigned.append(row)
        findings.asked = self._look_slowly(hidden)
        findings.unsigned = self._look_slowly(unsigned[:_SIGNED])
        return strangers

    def _look_slowly(self, rows: list[Row]) -> int:
        """Have copies looked at until half the time to the next audit is over; how many."""
        step = CONF.reconciler.audit_interval / 2 / _SLICES
        slices = ((number, rows[number::_SLICES]) for number in range(min(_SLICES, len(rows))))
        return sum(self._queue.mark_for_check(some, number * step) for number, some in slices)

    # What is not wanted

    def _strays(
        self,
        session: PodSession,
        rows: list[Row],
        listed: Mapping[str, Mapping[str, Resource]],
        findings: Findings,
    ) -> list[Stranger]:
        """Have a row for what has none, and second copies removed. What we did not make is told."""
        grace = CONF.reconciler.orphan_grace
        by_key = {_key(row): row for row in rows}
        # An object that bears the id of something else that is wanted is a part of that.
        wanted = {row.resource_id for row in rows}
        ours, strangers = self._marked(session, rows, listed)
        strays: dict[str, Stray] = {}
        for adapter, item in ours:
            key = Key(adapter.resource_type, str(named(item)))
            row = by_key.get(key)
            if (key.resource_id not in wanted) if row is None else _is_double(row, item):
                strays.setdefault(item["id"], (adapter, key, item))
        self._seen = {one: self._seen.get(one, now()) for one in (*strays, *strangers)}
        old = [stray for stray in strays.values() if self._age(stray[2]) >= grace]
        # What others lean on is taken over before those look for it, and removed after them.
        unknown = [stray for stray in old if stray[1] not in by_key]
        self._take(session, sorted(unknown, key=lambda stray: stray[0].order), findings)
        for adapter, key, item in sorted(old, key=lambda stray: -stray[0].order):
            if key in by_key:
                findings.doubles += self._remove_double(session, adapter, key, item)
        return [
            (key, repairs.left_alone(item["id"], owner_of(item)))
            for key, item in strangers.values()
            if self._age(item) >= grace
        ]

    def _marked(
        self, session: PodSession, rows: list[Row], listed: Mapping[str, Mapping[str, Resource]]
    ) -> tuple[list[tuple[Adapter, Resource]], dict[str, tuple[Key, Resource]]]:
        """What has a marker and no row: what we made, with each type it may be a copy of; and by
        their ids, with what they pretend to be, objects we did not make."""
        known = {row.pod_resource_id for row in rows}
        # What was there before the region is no orphan, whatever becomes of it.
        known |= self._queue.transact(lambda tx: adopted.objects(tx, session.pod.id))
        ours: list[tuple[Adapter, Resource]] = []
        strangers: dict[str, tuple[Key, Resource]] = {}
        for collection, items in listed.items():
            alike = [one for one in self._adapters.values() if one.collection == collection]
            for item in items.values():
                if named(item) is None or item["id"] in known:
                    continue
                kinds = [adapter for adapter in alike if adapter.owns(item)]
                if kinds and not is_made_by_us(session, item, kinds):
                    strangers[item["id"]] = Key(kinds[0].resource_type, str(named(item))), item
                else:
                    ours += [(adapter, item) for adapter in kinds]
        return ours, strangers

    def _take(self, session: PodSession, strays: list[Stray], findings: Findings) -> None:
        """Give objects without a row one: as wanted if they may be, else to be removed.

        All that are wanted at once: no port may come late for what it needs.
        """
        wanted: list[tuple[Stray, Resource]] = []
        for adapter, key, item in strays:
            central = adapter.central(key.resource_id)
            if central is not None and adapter.belongs(session, central, item):
                wanted.append(((adapter, key, item), central))
            else:
                project_id = item.get("project_id")
                pod_id, inside = session.pod.id, item["id"]
                findings.orphans += self._queue.found(key, pod_id, project_id, inside, False)
        for (adapter, key, item), central in self._take_over(session, wanted):
            findings.adopted += 1
            project_id = item.get("project_id")
            repairs.report(session.pod, key, project_id, f"took {item['id']} over")
            adapter.taken(session, central, item)

    def _take_over(
        self, session: PodSession, wanted: list[tuple[Stray, Resource]]
    ) -> list[tuple[Stray, Resource]]:
        """Have rows for what is wanted; those that had none until now."""

        def take(tx: Session) -> list[tuple[Stray, Resource]]:
            pod_id = session.pod.id
            return [
                (stray, central)
                for stray, central in wanted
                for _, key, item in (stray,)
                if self._queue.found_in(tx, key, pod_id, item.get("project_id"), item["id"], True)
            ]

        for (adapter, _, item), central in wanted:
            adapter.taking(session, central, item)
        found: list[tuple[Stray, Resource]] = self._queue.transact(take) if wanted else []
        return found

    def _age(self, item: Resource) -> float:
        """Seconds an object has been there, as far as is known."""
        since = self._seen[item["id"]]
        try:
            made = datetime.datetime.fromisoformat(item["created_at"])
        except (KeyError, TypeError, ValueError):
            pass
        else:
            if made.tzinfo is not None:
                made = made.astimezone(datetime.UTC).replace(tzinfo=None)
            since = min(since, made)
        return (now() - since).total_seconds()

    def _remove_double(
        self, session: PodSession, adapter: Adapter, key: Key, item: Resource
    ) -> bool:
        """Remove the copy that the row does not name, as long as that is clear."""
        region = session.pod.region_name
        row = self._queue.get(key, session.pod.id)
        if row is None or not _is_double(row, item):
            return False
        if not adapter.spare(item):
            LOG.warning("Pod %s: %s is a second copy of the %s, in use", region, item["id"], key)
            return False
        try:
            adapter.delete(session, key.resource_id, item["id"])
        except PodRefused as error:
            LOG.warning("The second copy of the %s stays: %s", key, error)
            return False
        repairs.report(session.pod, key, row.project_id, f"removed {item['id']}, a second copy")
        return True


def _key(row: Row) -> Key:
    return Key(row.resource_type, row.resource_id)


def _compared(session: PodSession, adapter: Adapter, row: Row, item: Resource | None) -> _Compared:
    if item is None:
        return _Compared("it is gone")
    try:
        central = adapter.central(row.resource_id)
        if central is None:
            return _Compared("it is wanted no more")
        drift = adapter.drift(session, item, central)
        strange = named(item) is not None and not adapter.is_its_owners(session, item, central)
        if adapter.signs_anew(drift, item, central):
            return _Compared(is_unsigned=True, is_strange=strange)
        return _Compared(", ".join(sorted(drift)), is_strange=strange)
    except (PodError, NotYet) as error:
        # Whoever looks at it closely will find out.
        return _Compared(str(error))
    except Exception:
        # One that cannot be compared must not keep the others from it.
        LOG.exception("Pod %s: the %s could not be compared", session.pod.region_name, _key(row))
        return _Compared()


def _is_double(row: Row, item: Resource) -> bool:
    """Whether an object is a second copy: the row is at rest and names another one."""
    at_rest = row.next_try_at is None and row.claimed_by is None
    return at_rest and row.pod_resource_id not in (None, item["id"])
