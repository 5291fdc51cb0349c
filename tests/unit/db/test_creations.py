# SPDX-License-Identifier: Apache-2.0
import datetime

import pytest

from tricircle.db import creations, models, session
from tricircle.db.errors import NotFound

pytestmark = pytest.mark.usefixtures("db")


def test_the_life_of_a_creation() -> None:
    made = creations.begin("server", "p", detail={"name": "x"})
    creations.add_port(made, "port1")
    creations.add_port(made, "port2")
    creations.add_port(made, "port1")
    creations.set_pod(made, "pod")
    creations.note(made, {"server": "s"})
    row = creations.get(made)
    assert row.ports == ["port1", "port2"]
    assert (row.pod_id, row.detail) == ("pod", {"name": "x", "server": "s"})
    creations.remove_port(made, "port1")
    assert creations.get(made).ports == ["port2"]
    creations.end(made)
    creations.end(made)
    assert creations.get(made) is None


def test_an_id_may_be_given() -> None:
    assert creations.begin("server", "p", creation_id="abc") == "abc"
    assert creations.get("abc") is not None


@pytest.mark.parametrize(
    "change",
    [
        lambda: creations.add_port("none", "port"),
        lambda: creations.remove_port("none", "port"),
        lambda: creations.set_pod("none", "pod"),
        lambda: creations.note("none", {}),
    ],
)
def test_what_is_forgotten_cannot_be_changed(change) -> None:
    with pytest.raises(NotFound):
        change()


def test_only_what_began_long_ago_is_stale_oldest_first() -> None:
    ids = [creations.begin("server", "p") for _ in range(3)]
    with session.write() as tx:
        for age, made in zip((50, 100), ids, strict=False):
            row = tx.get(models.Creation, made)
            row.created_at = models.now() - datetime.timedelta(seconds=age)
    assert [row.id for row in creations.stale(40)] == [ids[1], ids[0]]
    assert [row.id for row in creations.stale(40, limit=1)] == [ids[1]]
    assert [row.id for row in creations.stale(60)] == [ids[1]]
