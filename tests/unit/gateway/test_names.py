# SPDX-License-Identifier: Apache-2.0
"""Ids of definitions in what goes to a pod, and in what comes from it."""

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tricircle.gateway.names import Translation

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
