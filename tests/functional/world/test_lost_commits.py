# SPDX-License-Identifier: Apache-2.0
"""The database did what it was asked for, and the connection broke before it could say so.

What is run again then must find that it is done: nothing is doubled, and nobody is told that what
they made is there already, or that what they deleted is not.
"""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.functional.world.daemons import MariaDB
from tests.functional.world.lost_answers import Between
from tricircle.conf import CONF
from tricircle.db import (
    allocations,
    bindings,
    definitions,
    models,
    moves,
    operations,
    pods,
    quotas,
    realizations,
    routings,
    server_groups,
    session,
    storage,
)
from tricircle.db.allocations import Limits, Wish
from tricircle.db.errors import Duplicate, NotFound
from tricircle.db.models import Realization
from tricircle.db.operations import ServerCreate, ServerDelete
from tricircle.db.realizations import Key
from tricircle.db.storage import Use
from tricircle.db.work_queue import WorkQueue

PROJECT, USER = "project", "user"


@pytest.fixture
def between(mariadb: MariaDB, database: str) -> Iterator[Between]:
    between = Between(mariadb.port)
    url = database.replace(f":{mariadb.port}/", f":{between.port}/")
    session.reset()
    CONF.set_override("connection", url, group="tricircle_database")
    pods.list_all()  # the first connection finds out about the server
    yield between
    session.reset()
    between.close()


def number_of(table: type[models.Base]) -> int:
    with session.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(table)) or 0


def pod_ids() -> list[str]:
    return [pod.id for pod in pods.list_all()]


def test_what_is_set_aside(between: Between) -> None:
    between.commits_to_lose = 1
    wish, limits = Wish(PROJECT, USER, 1, 64), Limits({"instances": 2})
    ids = allocations.reserve(wish, limits, [ServerCreate()] * 2, 2)
    assert len(ids) == number_of(models.Allocation) == number_of(models.Operation) == 2
    between.commits_to_lose = 1
    storage.reserve(PROJECT, Use("volume", 1), {"volumes": 1})
    assert number_of(models.StorageAllocation) == 1
    between.commits_to_lose = 1
    quotas.set_aside_keypair(USER, 1, 600)
    assert number_of(models.QuotaReservation) == 1
    assert between.commits_to_lose == 0


def test_what_is_made(between: Between) -> None:
    first, second, _ = pod_ids()
    between.commits_to_lose = 1
    group = server_groups.create(PROJECT, USER, "one", "affinity", {}, {"project": 1})
    assert [row.id for row in server_groups.page(PROJECT, 9, 0)] == [group.id]
    between.commits_to_lose = 1
    binding = bindings.create(PROJECT, first)
    assert number_of(models.Binding) == 1
    with pytest.raises(Duplicate):
        bindings.create(PROJECT, first)
    between.commits_to_lose = 1
    pod = pods.create({"region_name": "New", "availability_zone": "az1"})
    assert pods.by_region("New").id == pod.id  # type: ignore[union-attr]
    with pytest.raises(Duplicate):
        pods.create({"region_name": "New", "availability_zone": "az1"})
    between.commits_to_lose = 1
    move = moves.begin("volume", PROJECT, first, second)
    assert move.state == moves.STATES[0]
    with pytest.raises(Duplicate):
        moves.begin("volume", PROJECT, first, second)
    between.commits_to_lose = 1
    operations.begin(ServerDelete("one"), PROJECT, first, "one")
    between.commits_to_lose = 1
    operations.begin(ServerCreate(), PROJECT)
    assert number_of(models.Operation) == 2
    between.commits_to_lose = 1
    routings.put("server", "one", first, PROJECT)
    for delete, one in ((bindings.delete, binding.id), (server_groups.delete, group.id)):
        between.commits_to_lose = 1
        delete(one)
        with pytest.raises(NotFound):
            delete(one)
    between.commits_to_lose = 1
    pods.delete(pod.id)
    with pytest.raises(NotFound):
        pods.delete(pod.id)
    definitions.put("flavor", "one", {"name": "one"})
    between.commits_to_lose = 1
    definitions.delete("flavor", "one")
    with pytest.raises(NotFound):
        definitions.delete("flavor", "one")
    assert between.commits_to_lose == 0


def test_a_claim(between: Between) -> None:
    queue = WorkQueue(Realization, session.write)
    (pod_id, *_) = pod_ids()
    with session.write() as tx:
        realizations.ensure(tx, Realization, Key("thing", "one"), pod_id, None)
    row = queue.get(Key("thing", "one"), pod_id)
    assert row is not None
    between.commits_to_lose = 1
    mine = queue.claim(row.id)
    assert mine is not None
    assert mine.attempts == 1
    assert queue.claim(row.id) is None
