# SPDX-License-Identifier: Apache-2.0
from typing import Any

import pytest
import sqlalchemy as sa

from tests.unit.db.test_pods import make
from tricircle.db import definitions, models, session
from tricircle.db.errors import NotFound

pytestmark = pytest.mark.usefixtures("db")


def rows(kind: str = "flavor", key: str = "1") -> dict[str, models.Realization]:
    query = sa.select(models.Realization).filter_by(resource_type=kind, resource_id=key)
    with session.read() as tx:
        return {row.pod_id: row for row in tx.scalars(query)}


def set_all(**values: Any) -> None:
    with session.write() as tx:
        tx.execute(sa.update(models.Realization).values(**values))


def test_a_definition_is_wanted_in_every_pod() -> None:
    one, two = make("Pod1"), make("Pod2")
    made = definitions.put("flavor", "1", {"ram": 64}, {one.id: "f1"})
    assert (made.revision, definitions.get("flavor", "1").body) == (1, {"ram": 64})
    found = rows()
    assert set(found) == {one.id, two.id}
    assert found[one.id].realized_revision == found[one.id].wanted_revision == 1
    assert (found[one.id].pod_resource_id, found[one.id].next_try_at) == ("f1", None)
    assert found[two.id].realized_revision is None
    assert found[two.id].next_try_at is not None
    assert definitions.pods_lacking("flavor") == {two.id}
    assert definitions.pods_lacking("keypair") == set()


def test_a_change_is_wanted_everywhere_at_once() -> None:
    pod = make()
    definitions.put("flavor", "1", {"ram": 64}, {pod.id: None})
    set_all(attempts=7, last_error="x", failing_since=models.now(), next_try_at=None)
    assert definitions.put("flavor", "1", {"ram": 128}).revision == 2
    row = rows()[pod.id]
    assert (row.wanted_revision, row.realized_revision) == (2, 1)
    assert (row.attempts, row.last_error, row.failing_since) == (0, None, None)
    assert row.next_try_at is not None
    assert definitions.pods_lacking("flavor") == {pod.id}


def test_a_new_pod_wants_what_there_is() -> None:
    one = make("Pod1")
    definitions.put("flavor", "1", {}, {one.id: None})
    definitions.put("keypair", "u/k", {}, {one.id: None})
    definitions.put("flavor", "2", {}, {one.id: None})
    definitions.delete("flavor", "2")
    two = make("Pod2")
    assert set(rows("flavor", "1")) == set(rows("keypair", "u/k")) == {one.id, two.id}
    assert set(rows("flavor", "2")) == {one.id}
    assert rows("flavor", "1")[one.id].realized_revision == 1
    assert [row.key for row in definitions.list_all()] == ["1", "u/k"]
    assert [row.key for row in definitions.list_all("keypair")] == ["u/k"]


def test_only_the_wanted_revision_counts_as_realized() -> None:
    pod = make()
    definitions.put("flavor", "1", {"ram": 64})
    definitions.put("flavor", "1", {"ram": 128})
    assert not definitions.mark_realized("flavor", "1", 1, pod.id, "f")
    assert definitions.pods_lacking("flavor") == {pod.id}
    assert definitions.mark_realized("flavor", "1", 2, pod.id, "f")
    assert definitions.pods_lacking("flavor") == set()
    assert not definitions.mark_realized("flavor", "none", 1, pod.id)


def test_a_deleted_one_is_kept_until_it_is_gone_everywhere() -> None:
    one, two = make("Pod1"), make("Pod2")
    definitions.put("flavor", "1", {}, {one.id: None, two.id: None})
    definitions.delete("flavor", "1", gone=frozenset({one.id}))
    assert definitions.get("flavor", "1") is None
    assert definitions.list_all() == []
    assert rows()[two.id].absent
    assert definitions.pods_lacking("flavor") == {two.id}
    with pytest.raises(NotFound):
        definitions.delete("flavor", "1")
    assert definitions.mark_gone("flavor", "1", two.id)
    assert definitions.get_any("flavor", "1") is None
    assert rows() == {}
    assert not definitions.mark_gone("flavor", "1", two.id)


def test_deleting_what_no_pod_has_leaves_nothing() -> None:
    definitions.put("flavor", "1", {})
    definitions.delete("flavor", "1")
    assert definitions.get_any("flavor", "1") is None
    with pytest.raises(NotFound):
        definitions.delete("flavor", "1")


def test_one_made_again_before_the_old_one_is_gone() -> None:
    one, two = make("Pod1"), make("Pod2")
    definitions.put("keypair", "u/k", {"public_key": "a"}, {one.id: "k", two.id: "k"})
    definitions.delete("keypair", "u/k", gone=frozenset({one.id}))
    again = definitions.put("keypair", "u/k", {"public_key": "b"}, {one.id: "k"})
    assert (again.deleted, again.revision) == (False, 3)
    found = rows("keypair", "u/k")
    assert (found[one.id].realized_revision, found[two.id].realized_revision) == (3, 1)
    assert not found[two.id].absent
    assert not definitions.mark_gone("keypair", "u/k", two.id)
    assert set(rows("keypair", "u/k")) == {one.id, two.id}


def test_missing_rows_are_healed() -> None:
    pod = make()
    definitions.put("flavor", "1", {}, {pod.id: None})
    with session.write() as tx:
        tx.execute(sa.delete(models.Realization))
    assert definitions.heal() == 1
    assert definitions.heal() == 0
    assert definitions.pods_lacking("flavor") == {pod.id}


def test_keys_differ_by_case() -> None:
    definitions.put("keypair", "u/Key", {"n": 1})
    definitions.put("keypair", "u/key", {"n": 2})
    assert definitions.get("keypair", "u/Key").body == {"n": 1}


def test_two_make_the_same_one_at_once(blind) -> None:
    pod = make()
    definitions.put("flavor", "1", {"by": "them"}, {pod.id: "f"})
    with blind("scalar"):
        assert definitions.put("flavor", "1", {"by": "us"}).revision == 2
    assert definitions.get("flavor", "1").body == {"by": "us"}
    assert rows()[pod.id].wanted_revision == 2
