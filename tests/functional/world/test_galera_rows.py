# SPDX-License-Identifier: Apache-2.0
"""Three nodes of a Galera cluster are written at once, on the same rows.

A node knows nothing of the others' locks: of two that changed the same row the later one is told so
when it commits. All such refusals are to be met by another try, and what is counted must be right.
"""

import functools
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.world import steps
from tests.functional.world.daemons import MariaDB
from tests.functional.world.nodes import Nodes
from tests.functional.world.steps import PROJECT, USER
from tests.waiting import until
from tricircle.db import (
    allocations,
    bindings,
    definitions,
    models,
    pods,
    quotas,
    realizations,
    server_groups,
    session,
    storage,
)
from tricircle.db.errors import NotFound
from tricircle.db.models import Realization
from tricircle.db.realizations import Key

ROUNDS = range(12)


@pytest.fixture(scope="module")
def processes() -> Iterator[Nodes]:
    nodes = Nodes(3)
    yield nodes
    nodes.close()


@pytest.fixture
def nodes(processes: Nodes, clustered: list[str]) -> Iterator[Nodes]:
    processes.urls, processes.retries = clustered, 0
    yield processes
    print("RETRIED", processes.retries)


def number_of(table: type[models.Base], *where: sa.ColumnElement[bool]) -> int:
    with session.read() as tx:
        return tx.scalar(sa.select(sa.func.count()).select_from(table).where(*where)) or 0


def test_servers_are_set_aside(nodes: Nodes) -> None:
    assert nodes.all_do(functools.partial(steps.reserve, 20), ROUNDS) == {"made": 20, "refused": 16}
    assert allocations.used(PROJECT)["instances"] == number_of(models.Allocation) == 20


def test_volumes_are_set_aside(nodes: Nodes) -> None:
    found = nodes.all_do(functools.partial(steps.store_volume, 30), ROUNDS)
    assert found["made"] <= 15
    assert storage.used(PROJECT)["gigabytes"] == 2 * found["made"]
    assert sum(found.values()) == 36


def test_bindings_and_routings(nodes: Nodes) -> None:
    pod_ids = [pod.id for pod in pods.list_all()]
    assert nodes.all_do(functools.partial(steps.bind, pod_ids), ROUNDS) == {"done": 36}
    assert bindings.pods_of(PROJECT) == set(pod_ids)
    assert number_of(models.Binding) == len(pod_ids)
    assert number_of(models.Routing, models.Routing.resource_id == "one") == 1


def test_definitions_and_limits(nodes: Nodes) -> None:
    assert nodes.all_do(functools.partial(steps.define, "one"), ROUNDS) == {"done": 36}
    row = definitions.get("flavor", "one")
    assert row is not None
    assert row.revision == 36
    wanted = (Realization.resource_type == "flavor", Realization.wanted_revision == 36)
    assert number_of(Realization, *wanted) == len(pods.list_all())
    assert len(quotas.get(quotas.PROJECT, PROJECT)) == 1 + len(ROUNDS)


def test_keypairs_are_set_aside(nodes: Nodes) -> None:
    found = nodes.all_do(functools.partial(steps.keypair, 7), ROUNDS)
    assert found == {"made": 7, "refused": 29}
    assert number_of(models.QuotaReservation) == 7


def test_claims(nodes: Nodes) -> None:
    pod_id = pods.list_all()[0].id
    numbers = range(40)
    with session.write() as tx:
        for number in numbers:
            realizations.ensure(tx, Realization, Key("thing", str(number)), pod_id, None)
    with session.read() as tx:
        row_ids = list(tx.scalars(sa.select(Realization.id).order_by(Realization.id)))
    found = nodes.all_do(functools.partial(steps.claim, row_ids), numbers)
    assert found == {"mine": 40, "another's": 80}
    assert number_of(Realization, Realization.attempts == 1) == 40


def test_claims_of_many_at_once(nodes: Nodes) -> None:
    pod_id = pods.list_all()[0].id
    with session.write() as tx:
        for number in range(60):
            realizations.ensure(tx, Realization, Key("thing", str(number)), pod_id, None)
    with session.read() as tx:
        row_ids = list(tx.scalars(sa.select(Realization.id)))
    assert nodes.all_do(functools.partial(steps.claim_many, row_ids), range(8)) == {"done": 24}
    assert number_of(Realization, Realization.realized_revision == 1) == 60
    assert number_of(Realization, Realization.next_try_at.is_not(None)) == 0


def test_server_groups(nodes: Nodes) -> None:
    found = nodes.all_do(functools.partial(steps.group, 8), ROUNDS)
    assert found == {"made": 8, "refused": 28}
    group_ids = [row.id for row in server_groups.page(PROJECT, 100, 0)]
    pod_ids = [pod.id for pod in pods.list_all()]
    work = functools.partial(steps.want_or_forget, group_ids, pod_ids)
    found = nodes.all_do(work, range(4 * len(group_ids)))
    assert found["deleted"] == len(group_ids)
    assert number_of(models.ServerGroup) == 0
    # What was wanted in a pod goes with the group.
    assert number_of(Realization, Realization.absent.is_(False)) == 0


def test_moves(nodes: Nodes) -> None:
    pod_ids = [pod.id for pod in pods.list_all()]
    found = nodes.all_do(functools.partial(steps.move, pod_ids), ROUNDS)
    assert found == {"begun": 4, "is on its way": 32}
    assert number_of(models.VolumeMove) == number_of(Realization) == 4


def test_a_group_deleted_on_another_node_while_it_is_wanted(
    clustered: list[str], cluster: list[MariaDB], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that is not a change is unknown to other nodes: the row would stay for ever."""
    first = session.engine()
    made = server_groups.create(PROJECT, USER, "one", "affinity", {})
    pod_id = pods.list_all()[0].id
    elsewhere = sa.create_engine(clustered[1])
    until("the group is on the other node", lambda: _knows(elsewhere, made.id))
    ensure, deleted = realizations.ensure, []

    def meanwhile(*args: Any) -> bool:
        if not deleted:
            deleted.append(made.id)
            monkeypatch.setattr(session, "engine", lambda *_: elsewhere)
            server_groups.delete(made.id)
            monkeypatch.setattr(session, "engine", lambda *_: first)
        return ensure(*args)

    monkeypatch.setattr(realizations, "ensure", meanwhile)
    with pytest.raises(NotFound):
        server_groups.want(made.id, pod_id)
    assert deleted == [made.id]
    assert number_of(Realization) == 0
    elsewhere.dispose()


def _knows(engine: sa.Engine, group_id: str) -> bool:
    with engine.connect() as tx:
        query = sa.select(models.ServerGroup.id).where(models.ServerGroup.id == group_id)
        return tx.scalar(query) is not None
