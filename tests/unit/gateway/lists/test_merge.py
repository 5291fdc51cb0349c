# SPDX-License-Identifier: Apache-2.0
"""Merging and paging against the one big sorted list it stands for."""

import dataclasses
import itertools
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tricircle.gateway.lists.merge import Cursor, Item, MarkerLost, Order, Page, Source, merge


@dataclasses.dataclass
class FakePod:
    """A pod's list as Nova pages it: limit, its own most, marker, a next link when full."""

    id: str
    items: list[Item]
    most: int
    forgets: frozenset[str] = frozenset()
    fails_after: int | None = None
    wanted: Callable[[Item], bool] = lambda item: True
    fetches: int = 0
    largest: int = 0
    shown: int = 0

    async def fetch(self, marker: str | None, limit: int) -> Page:
        self.fetches += 1
        if self.fails_after is not None and self.fetches > self.fails_after:
            raise ConnectionError(self.id)
        ids = [item["id"] for item in self.items]
        if marker is not None and (marker not in ids or marker in self.forgets):
            raise MarkerLost(marker)
        begin = ids.index(marker) + 1 if marker is not None else 0
        size = min(limit, self.most)
        page = list(filter(self.wanted, self.items[begin:]))[:size]
        self.largest = max(self.largest, len(page))
        return Page(page, len(page) == size)

    @property
    def source(self) -> Source:
        return Source(self.id, self.id, self.fetch, self.show)

    async def show(self, item_id: str) -> Item | None:
        self.shown += 1
        return next((item for item in self.items if item["id"] == item_id), None)


def order_of(descending: bool) -> Order:
    return Order([(lambda item: item["name"], descending), (lambda item: item["created"], True)])


def expected(pods: list[FakePod], order: Order) -> list[str]:
    everything = [
        ((order.key(item), pod.id, place), item["id"])
        for pod in pods
        for place, item in enumerate(pod.items)
    ]
    return [item_id for _, item_id in sorted(everything)]


values = st.tuples(st.one_of(st.none(), st.sampled_from(["a", "B", "b", "c"])), st.integers(0, 3))


@st.composite
def pods_and_order(draw: Any) -> tuple[list[FakePod], Order]:
    order = order_of(draw(st.booleans()))
    counter = itertools.count()
    pods = []
    for index in range(draw(st.integers(1, 4))):
        items = [
            {"id": f"s{next(counter)}", "name": name, "created": created}
            for name, created in draw(st.lists(values, max_size=12))
        ]
        items.sort(key=order.key)
        pods.append(FakePod(f"pod{index}", items, draw(st.integers(1, 5))))
    return pods, order


async def all_pages(pods: list[FakePod], order: Order, limit: int, keep: list[bool]) -> list[str]:
    """Every page in turn; where ``keep`` says so the cursor is forgotten, as by a restart."""
    found: list[str] = []
    cursor: Cursor | None = None
    remembered = itertools.cycle(keep)
    by_id = {item["id"]: (pod, item) for pod in pods for item in pod.items}
    while True:
        page = await merge([pod.source for pod in pods], order, limit, 1000, cursor, tolerated=())
        assert not page.failed
        if not page.items:
            return found
        assert len(page.items) <= limit
        found += [item["id"] for _, item in page.items]
        cursor = page.end
        if not next(remembered):
            pod, item = by_id[found[-1]]
            cursor = Cursor((order.key(item), pod.id), {pod.id: item["id"]})


@settings(max_examples=200, deadline=None)
@given(pods_and_order(), st.integers(1, 6), st.lists(st.booleans(), min_size=1, max_size=4))
async def test_pages_make_up_the_sorted_whole(
    setup: tuple[list[FakePod], Order], limit: int, keep: list[bool]
) -> None:
    pods, order = setup
    assert await all_pages(pods, order, limit, keep) == expected(pods, order)


@settings(max_examples=100, deadline=None)
@given(pods_and_order(), st.integers(1, 6))
async def test_without_visible_sort_values_every_item_comes_once(
    setup: tuple[list[FakePod], Order], limit: int
) -> None:
    pods, _ = setup
    everything = [item["id"] for pod in pods for item in pod.items]
    assert await all_pages(pods, Order([]), limit, [True, False]) == everything


async def test_a_marker_a_pod_has_lost_is_found_again_by_its_values() -> None:
    order = order_of(descending=False)
    pods = [
        FakePod("pod1", [{"id": f"a{n}", "name": f"n{n}", "created": 0} for n in range(5)], 3),
        FakePod("pod2", [{"id": f"b{n}", "name": f"n{n}", "created": 0} for n in range(5)], 3),
    ]
    first = await merge([pod.source for pod in pods], order, 4, 1000, tolerated=())
    pods[0].forgets = frozenset({"a1"})
    rest = await merge([pod.source for pod in pods], order, 10, 1000, first.end, tolerated=())
    found = [item["id"] for _, item in (*first.items, *rest.items)]
    assert found == expected(pods, order)


async def test_a_pod_that_fails_between_pages_is_left_out_from_there() -> None:
    order = order_of(descending=False)
    names = ["n0", "n1", "n2", "n3"]
    well = FakePod("pod1", [{"id": f"a{n}", "name": n, "created": 0} for n in names], 10)
    sick = FakePod("pod2", [{"id": f"b{n}", "name": n, "created": 0} for n in names], 1)
    sick.fails_after = 1
    page = await merge([well.source, sick.source], order, 10, 1000, tolerated=(ConnectionError,))
    assert [item["id"] for _, item in page.items] == ["an0", "bn0", "an1", "an2", "an3"]
    assert set(page.failed) == {"pod2"}


def lined_up(numbers: list[list[int]]) -> list[FakePod]:
    """Pods with items that sort by number."""
    return [
        FakePod(
            f"pod{pod}",
            [{"id": f"s{n}", "name": f"{n:06}", "created": 0} for n in own],
            1000,
        )
        for pod, own in enumerate(numbers)
    ]


async def test_pods_are_asked_for_their_share_of_a_page() -> None:
    pods = lined_up([list(range(pod, 5000, 20)) for pod in range(20)])
    page = await merge([pod.source for pod in pods], order_of(False), 200, 1000, tolerated=())
    assert [item["id"] for _, item in page.items] == [f"s{n}" for n in range(200)]
    assert [pod.fetches for pod in pods] == [1] * 20
    assert sum(pod.largest for pod in pods) < 600


async def test_a_pod_that_has_the_whole_page_is_asked_twice() -> None:
    pods = lined_up([list(range(pod * 1000, pod * 1000 + 1000)) for pod in range(20)])
    page = await merge([pod.source for pod in pods], order_of(False), 500, 1000, tolerated=())
    assert [item["id"] for _, item in page.items] == [f"s{n}" for n in range(500)]
    assert [pod.fetches for pod in pods] == [2] + [1] * 19


def place(pod: FakePod, item: Item, near: dict[str, str]) -> Cursor:
    return Cursor((order_of(False).key(item), pod.id), {pod.id: item["id"]}, near)


async def test_a_place_deep_in_a_list_is_found_from_items_near_it() -> None:
    pods = lined_up([list(range(pod, 10000, 2)) for pod in range(2)])
    cursor = place(pods[0], pods[0].items[4000], {"pod1": "s7983"})
    page = await merge(
        [pod.source for pod in pods], order_of(False), 100, 1000, cursor, tolerated=()
    )
    assert [item["id"] for _, item in page.items] == [f"s{n}" for n in range(8001, 8101)]
    assert [pod.fetches for pod in pods] == [1, 1]


async def test_a_place_is_found_near_items_that_a_filter_leaves_out() -> None:
    pods = lined_up([list(range(pod, 10000, 2)) for pod in range(2)])
    cursor = place(pods[0], pods[0].items[4000], {"pod1": "s7983"})
    for pod in pods:
        pod.wanted = lambda item: int(item["id"][1:]) % 100 <= 1
    page = await merge(
        [pod.source for pod in pods], order_of(False), 20, 1000, cursor, tolerated=()
    )
    left = [n for n in range(8001, 10000) if n % 100 <= 1]
    assert [item["id"] for _, item in page.items] == [f"s{n}" for n in left[:20]]
    assert [(pod.fetches, pod.shown) for pod in pods] == [(1, 0), (1, 1)]


@pytest.mark.parametrize("near", ["s8003", "s9999", "unknown"])
async def test_an_item_that_is_not_before_the_place_does_no_harm(near: str) -> None:
    pods = lined_up([list(range(pod, 10000, 2)) for pod in range(2)])
    cursor = place(pods[0], pods[0].items[4000], {"pod1": near})
    page = await merge(
        [pod.source for pod in pods], order_of(False), 100, 1000, cursor, tolerated=()
    )
    assert [item["id"] for _, item in page.items] == [f"s{n}" for n in range(8001, 8101)]


async def test_pods_that_share_a_page_are_asked_for_more_together() -> None:
    three = [list(range(pod, 3000, 3)) for pod in range(3)]
    empty: list[list[int]] = [[] for _ in range(17)]
    pods = lined_up(three + empty)
    await merge([pod.source for pod in pods], order_of(False), 600, 1000, tolerated=())
    assert [pod.fetches for pod in pods[:3]] == [2] * 3


async def test_a_page_holds_no_more_than_its_limit_of_each_pod() -> None:
    order = order_of(descending=False)
    items = [{"id": f"s{n}", "name": f"{n:04}", "created": 0} for n in range(500)]
    pod = FakePod("pod1", items, 1000)
    page = await merge([pod.source], order, 7, 1000, tolerated=())
    assert len(page.items) == 7
    assert (pod.fetches, pod.largest) == (1, 7)
