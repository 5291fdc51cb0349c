# SPDX-License-Identifier: Apache-2.0
"""Pages of a list over pods whose databases sort text each in its own way."""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import pymysql
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.functional.world.daemons import MariaDB
from tricircle.gateway.lists import collation
from tricircle.gateway.lists.merge import Cursor, Item, Order, Page, Source, merge, place

#: As stock Nova and Cinder make their tables, and what else a pod's may have.
STOCK = "utf8mb3_general_ci"
OTHERS = ["utf8mb3_bin", "utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_uca1400_ai_ci",
          "utf8mb4_nopad_bin"]  # fmt: skip
#: Where collations differ: accents, case, blanks before and after, what sorts below a blank.
NAMES = st.one_of(
    st.none(),
    st.sampled_from(["", "Zoë", "zoe", "Éric", "eric", "Frank", "straße", "strasse", "strase",
                     "a", "a ", "a\t", "a b", " a", "a_b", "a-b", "A_B", "aB", "ÿ", "ж", "Й", "ё"]),
    st.text(st.sampled_from("aAäÄbßsS _-\t\n0Zzй"), max_size=4),
    st.text(st.characters(max_codepoint=0xFFFF, exclude_categories=["Cs"]), max_size=3),
)  # fmt: skip
ROWS = st.lists(st.tuples(NAMES, st.integers(0, 2)), max_size=10)
LIMIT = 4
_BATCH = 4000


@pytest.fixture(scope="module")
def sql(mariadb: MariaDB) -> Iterator[pymysql.cursors.Cursor]:
    with (
        pymysql.connect(
            host="127.0.0.1", port=mariadb.port, user="tests", password="secret", charset="utf8mb4"
        ) as connection,
        connection.cursor() as cursor,
    ):
        yield cursor


def test_each_character_weighs_what_it_does_in_mariadb(sql: pymysql.cursors.Cursor) -> None:
    letters = [chr(code) for code in range(0x10000) if not 0xD800 <= code < 0xE000]
    wrong = {}
    for at in range(0, len(letters), _BATCH):
        batch = letters[at : at + _BATCH]
        weights = f"HEX(WEIGHT_STRING(CONVERT(%s USING utf8mb3) COLLATE {STOCK}))"
        sql.execute(f"SELECT {weights}", ["".join(batch)])
        ((told,),) = sql.fetchall()
        for index, letter in enumerate(batch):
            real = int(told[4 * index : 4 * index + 4], 16)
            ours = ord(letter.translate(collation._weights))
            if ours != real:
                wrong[letter] = (hex(ours), hex(real))
    assert wrong == {}


@given(one=NAMES, other=NAMES)
@settings(
    max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_texts_compare_as_in_mariadb(
    sql: pymysql.cursors.Cursor, one: str | None, other: str | None
) -> None:
    left, right = collation.key(one or ""), collation.key(other or "")
    text = f"CONVERT(%s USING utf8mb3) COLLATE {STOCK}"
    sql.execute(f"SELECT STRCMP({text}, {text})", [one or "", other or ""])
    assert sql.fetchall() == (((left > right) - (left < right),),)


@dataclasses.dataclass
class Pod:
    """A pod with its items in the order of its database."""

    id: str
    items: list[Item]

    async def fetch(self, marker: str | None, limit: int) -> Page:
        ids = [item["id"] for item in self.items]
        begin = ids.index(marker) + 1 if marker is not None else 0
        page = self.items[begin : begin + min(limit, LIMIT)]
        return Page(page, begin + len(page) < len(ids))

    @property
    def source(self) -> Source:
        return Source(self.id, self.id, self.fetch)


def in_order(sql: pymysql.cursors.Cursor, rows: list[Item], text: str, way: str) -> list[Item]:
    """What a table gives back, sorted as services have it sorted."""
    sql.execute("DROP TEMPORARY TABLE IF EXISTS tricircle.things")
    sql.execute(
        "CREATE TEMPORARY TABLE tricircle.things (id VARCHAR(36), created INT, name VARCHAR(255) "
        f"CHARACTER SET {text.partition('_')[0]} COLLATE {text})"
    )
    if rows:
        values = [(item["id"], item["created"], item["name"]) for item in rows]
        sql.executemany("INSERT INTO tricircle.things VALUES (%s, %s, %s)", values)
    sql.execute(
        f"SELECT id, created, name FROM tricircle.things ORDER BY name {way}, created {way}, "
        f"id {way}"
    )
    return [{"id": row[0], "created": row[1], "name": row[2]} for row in sql.fetchall()]


async def paged(pods: list[Pod], order: Order, limit: int, warm: list[bool]) -> list[str]:
    """All pages; where ``warm`` does not say so, what is known of a place is lost between them."""
    found: list[str] = []
    cursor: Cursor | None = None
    kept = itertools.cycle(warm)
    whose = {item["id"]: (pod, item) for pod in pods for item in pod.items}
    while len(found) <= len(whose):
        page = await merge([pod.source for pod in pods], order, limit, LIMIT, cursor, tolerated=())
        if not page.items:
            break
        found += [item["id"] for _, item in page.items]
        cursor = page.end
        if not next(kept):
            pod, item = whose[found[-1]]
            position, _ = await place(pod.source, order, item["id"], item, LIMIT)
            cursor = Cursor(position, {pod.id: item["id"]})
    return found


@given(
    rows=st.lists(ROWS, min_size=1, max_size=3),
    collations=st.lists(st.sampled_from([STOCK, *OTHERS]), min_size=3, max_size=3),
    stock=st.booleans(),
    descending=st.booleans(),
    limit=st.integers(1, 4),
    warm=st.lists(st.booleans(), min_size=1, max_size=3),
)
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
async def test_pages_hold_everything_once_however_pods_sort(
    sql: pymysql.cursors.Cursor,
    rows: list[list[tuple[str | None, int]]],
    collations: list[str],
    stock: bool,
    descending: bool,
    limit: int,
    warm: list[bool],
) -> None:
    sql.execute("CREATE DATABASE IF NOT EXISTS tricircle")
    way = "DESC" if descending else "ASC"
    number = itertools.count()
    pods, everything = [], []
    for index, (own, text) in enumerate(zip(rows, collations, strict=False)):
        items: list[Item] = [
            {"id": f"{next(number):04}", "created": created, "name": name} for name, created in own
        ]
        everything += items
        pods.append(Pod(f"pod{index}", in_order(sql, items, STOCK if stock else text, way)))
    shown: list[tuple[Any, bool]] = [
        (lambda item, key=key: item[key], descending) for key in ("name", "created", "id")
    ]
    found = await paged(pods, Order(shown), limit, warm)
    assert sorted(found) == sorted(item["id"] for item in everything)
    if stock:
        assert found == [item["id"] for item in in_order(sql, everything, STOCK, way)]
    for pod in pods:
        own_ids = [item["id"] for item in pod.items]
        assert [one for one in found if one in own_ids] == own_ids
