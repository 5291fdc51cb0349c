# SPDX-License-Identifier: Apache-2.0
import datetime

import pytest

from tricircle.db import models, operations, session
from tricircle.db.operations import (
    InterfaceAttach,
    InterfaceDetach,
    Operation,
    ServerCreate,
    ServerDelete,
)

pytestmark = pytest.mark.usefixtures("db")


@pytest.mark.parametrize(
    ("operation", "goes", "stays"),
    [
        (ServerCreate("x", "2026-01-01T00:00:00", ["mine"]), "made", "mine"),
        (ServerDelete("s", ["made"], "a request"), "made", "mine"),
        (InterfaceAttach("s", ["mine"]), "made", "mine"),
        (InterfaceDetach("s", "made", "inside", made=True), "made", None),
        (InterfaceDetach("s", "mine", None), None, "mine"),
    ],
)
def test_the_life_of_an_operation(
    operation: Operation, goes: str | None, stays: str | None
) -> None:
    made = operations.begin(operation, "p", "pod")
    row = operations.get(made)
    assert row is not None
    assert (row.project_id, row.pod_id, operations.of(row)) == ("p", "pod", operation)
    assert goes is None or operations.of(row).deletes(goes)
    assert stays is None or not operations.of(row).deletes(stays)
    operations.end(made)
    operations.end(made)
    assert operations.get(made) is None


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        ("server", {}, ServerCreate()),
        ("server_deletion", {"server_id": "s", "another": 1}, ServerDelete("s")),
    ],
)
def test_rows_of_another_release_are_read(
    kind: str, detail: dict[str, object], expected: Operation
) -> None:
    """They may lack what is new, and have what is not known here; ``ports`` was written always."""
    with session.write() as tx:
        values = {"resource_type": kind, "project_id": "p", "ports": []}
        tx.add(models.Operation(id="one", detail=detail, **values))
    row = operations.get("one")
    assert row is not None
    assert operations.of(row) == expected


def test_a_second_request_for_the_same_finds_the_first_ones_row() -> None:
    row_id = ServerDelete.row_id("s")
    assert row_id == ServerDelete.row_id("s") != InterfaceDetach.row_id("s")
    assert operations.begin(ServerDelete("s", by="first"), "p", "pod", row_id) == row_id
    assert operations.take(row_id, "q", "second")
    operations.withdraw(row_id, "first")
    row = operations.get(row_id)
    assert row is not None
    assert (row.project_id, operations.of(row).by) == ("q", "second")
    operations.withdraw(row_id, "second")
    assert operations.get(row_id) is None
    assert not operations.take(row_id, "q", "third")


def test_only_what_began_long_ago_is_stale_oldest_first() -> None:
    ids = [operations.begin(ServerCreate(), "p") for _ in range(3)]
    with session.write() as tx:
        for age, made in zip((50, 100), ids, strict=False):
            row = tx.get(models.Operation, made)
            assert row is not None
            row.created_at = models.now() - datetime.timedelta(seconds=age)
    assert [row.id for row in operations.stale(40)] == [ids[1], ids[0]]
    assert [row.id for row in operations.stale(40, limit=1)] == [ids[1]]
    assert [row.id for row in operations.stale(60)] == [ids[1]]
