# SPDX-License-Identifier: Apache-2.0
"""Ids of definitions in what goes to a pod, and in what comes from it."""

import asyncio
import threading
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricircle.gateway.transport import id_translation
from tricircle.gateway.transport.id_translation import Translation

OURS, THEIRS = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
OTHER = "33333333-3333-4333-8333-333333333333"
NAMES = Translation({OURS: THEIRS})


@pytest.mark.parametrize(
    "text",
    [
        "{}",
        "/types/{}/extra_specs",
        "/types/{}%20",
        "vol_type_id={}&x=1",
        '{{"volume_type": "{}", "other": "{}"}}',
        '["a{}", "{}b"]',
        "{0}{0}",
        "x-{}-y",
        "\u00e4{}\u00e4",
    ],
)
def test_inside_a_longer_text(text: str) -> None:
    outside, inside = (text.format(one, one).encode() for one in (OURS, THEIRS))
    assert NAMES.inward(outside) == inside
    assert NAMES.outward(inside) == outside


@pytest.mark.parametrize(
    "text", ["", OTHER, OURS[:-1], OURS.replace("-", ""), f"no id {OTHER}", '{"a": [1, null]}']
)
def test_all_else_stays(text: str) -> None:
    assert NAMES.inward(text.encode()) == text.encode()
    assert NAMES.outward(text.encode()) == text.encode()


def test_each_way_alone() -> None:
    assert NAMES.inward(THEIRS.encode()) == THEIRS.encode()
    assert NAMES.outward(OURS.encode()) == OURS.encode()


def test_ids_that_two_definitions_have_exchanged() -> None:
    names = Translation({OURS: THEIRS, THEIRS: OURS})
    both = f"{OURS} {THEIRS}".encode()
    assert names.inward(both) == names.outward(both) == f"{THEIRS} {OURS}".encode()


class Slow:
    """Reading the translations, which can be held up."""

    def __init__(self) -> None:
        self.reads = 0
        self.go_on = threading.Event()
        self.answer: dict[tuple[str, str], Translation] = {("volume", "pod1"): NAMES}

    def __call__(self, known: object) -> tuple[object, dict[tuple[str, str], Translation]]:
        self.reads += 1
        answer = self.answer
        assert self.go_on.wait(10)
        return self.reads, answer


@pytest.fixture
def slow(monkeypatch: pytest.MonkeyPatch) -> Slow:
    reading = Slow()
    monkeypatch.setattr(id_translation, "_read", reading)
    return reading


async def test_many_wait_for_one_who_reads(slow: Slow) -> None:
    known = id_translation.Names()
    asking = [asyncio.ensure_future(known.of("volume", "pod1")) for _ in range(40)]
    await asyncio.sleep(0.05)
    asking[0].cancel()
    slow.go_on.set()
    assert await asyncio.gather(*asking[1:]) == [NAMES] * 39
    assert slow.reads == 1
    assert await known.of("volume", "pod2") is None
    assert slow.reads == 1


async def test_what_was_read_while_something_changed_is_not_believed(slow: Slow) -> None:
    known = id_translation.Names()
    before = asyncio.ensure_future(known.of("volume", "pod1"))
    async with asyncio.timeout(10):
        while not slow.reads:  # noqa: ASYNC110 (a thread reads)
            await asyncio.sleep(0.01)
    changed = slow.answer = {("volume", "pod1"): Translation({})}
    known.forget()
    after = asyncio.ensure_future(known.of("volume", "pod1"))
    await asyncio.sleep(0.05)
    slow.go_on.set()
    await before
    assert await after is changed["volume", "pod1"]
    assert await known.of("volume", "pod1") is changed["volume", "pod1"]
    assert slow.reads == 2


async def test_all_of_them_are_read_only_when_one_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    state, read = [1], []

    def names(kinds: object) -> dict[str, dict[str, str]]:
        read.append(kinds)
        return {"pod1": {OURS: THEIRS}}

    monkeypatch.setattr(id_translation, "_BELIEVED", 0)
    monkeypatch.setattr(id_translation.store, "names_state", lambda kinds: tuple(state))
    monkeypatch.setattr(id_translation.store, "names", names)
    monkeypatch.setattr(id_translation.image_copies, "names_state", lambda: 0)
    monkeypatch.setattr(id_translation.image_copies, "names", dict)
    known = id_translation.Names()
    for _ in range(5):
        assert await known.of("volume", "pod1")
    once = len(read)
    state[0] = 2
    for _ in range(5):
        assert await known.of("volume", "pod1")
    assert len(read) == 2 * once
    known.forget()
    await known.of("volume", "pod1")
    assert len(read) == 3 * once
    monkeypatch.setattr(id_translation, "_REREAD", 0)
    await known.of("volume", "pod1")
    assert len(read) == 4 * once


ids = st.uuids().map(str)
pieces = st.one_of(ids, st.text(alphabet='0123456789abcdef-{}",: ', max_size=20))


@given(st.lists(ids, min_size=4, max_size=8, unique=True), st.lists(pieces), st.data())
def test_there_and_back(known: list[str], parts: list[str], data: st.DataObject) -> None:
    half = len(known) // 2
    names = Translation(dict(zip(known[:half], known[half:], strict=False)))
    chosen = [data.draw(st.sampled_from([part, *known[:half]])) for part in parts]
    text = " ".join(part for part in chosen if part not in known[half:]).encode()
    assert names.outward(names.inward(text)) == text
    for found in known[:half]:
        assert names.inward(found.encode()) != found.encode()
        assert str(uuid.UUID(names.inward(found.encode()).decode()))
