# SPDX-License-Identifier: Apache-2.0
"""A marker tells for which object it was written, and cannot be used for another."""

import logging
from collections.abc import Iterator

import pytest

from tricircle.conf import CONF
from tricircle.pods import markers
from tricircle.pods.markers import Place

ID = "shadow:0a6a7c3e-5b1f-4c1d-9d0e-6c9f3b7f2a11"
HERE, PROJECT = Place("Pod1", "ports"), "0123456789abcdef0123456789abcdef"
KEYS = ["the key of this year", "the key of last year"]


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    CONF.set_override("secrets", KEYS, group="markers")
    yield
    CONF.clear_override("secrets", group="markers")


def _secrets(*values: str) -> None:
    CONF.set_override("secrets", list(values), group="markers")


def test_it_is_the_same_each_time_and_fits_any_description() -> None:
    marker = markers.sign(ID, HERE, PROJECT)
    assert marker == markers.sign(ID, HERE, PROJECT)
    assert markers.named(marker) == ID
    assert len(marker) <= 100
    assert markers.forms(ID, HERE, PROJECT)[0] == marker
    assert markers.forms(ID, HERE, PROJECT)[-1] == f"tricircle:{ID}"
    assert len(set(markers.forms(ID, HERE, PROJECT))) == len(KEYS) + 1


def test_a_release_that_knows_no_signature_takes_it_for_no_marker() -> None:
    """It would not know the resource, and remove what nobody seems to want."""
    assert not markers.sign(ID, HERE, PROJECT).startswith("tricircle:")


@pytest.mark.parametrize(
    ("place", "project_id"),
    [
        (Place("Pod2", "ports"), PROJECT),
        (Place("Pod1", "networks"), PROJECT),
        (HERE, "f" * 32),
        (HERE, ""),
    ],
)
def test_it_is_good_for_one_object_only(place: Place, project_id: str) -> None:
    marker = markers.sign(ID, HERE, PROJECT)
    assert markers.is_ours(marker, HERE, PROJECT, None)
    assert not markers.is_ours(marker, place, project_id, [project_id])
    another = marker.replace("shadow:0", "shadow:1")
    assert markers.named(another)
    assert not markers.is_ours(another, HERE, PROJECT, [PROJECT])


@pytest.mark.parametrize(
    "text",
    [
        None,
        7,
        "",
        "mine",
        "tricircle:",
        "tricircle: our network",
        "tricircle:a\nWARNING forged",
        f"tricircle:{'a' * 101}",
        "tricircle/a",
        "tricircle/a/short",
        "tricircle:a/1234567890123456",
        "a tricircle:a",
    ],
)
def test_other_texts_are_no_markers(text: object) -> None:
    assert markers.named(text) is None
    assert not markers.is_ours(text, HERE, PROJECT, [PROJECT])


def test_without_a_signature_the_owner_tells() -> None:
    text = f"tricircle:{ID}"
    assert markers.is_ours(text, HERE, PROJECT, [PROJECT])
    assert not markers.is_ours(text, HERE, "f" * 32, [PROJECT])
    assert not markers.is_ours(text, HERE, PROJECT, None)
    assert not markers.is_newest(text, ID, HERE, PROJECT)


def test_without_a_key_the_owner_tells_whatever_the_signature() -> None:
    signed = markers.sign(ID, HERE, PROJECT)
    _secrets()
    assert markers.sign(ID, HERE, PROJECT) == f"tricircle:{ID}"
    for text in (signed, f"tricircle:{ID}"):
        assert markers.is_ours(text, HERE, PROJECT, [PROJECT])
        assert not markers.is_ours(text, HERE, "f" * 32, [PROJECT])
        assert markers.is_ours(text, HERE, "f" * 32, None)
        assert markers.is_newest(text, ID, HERE, PROJECT)


def test_every_key_is_believed_and_the_first_signs() -> None:
    older = markers.sign(ID, HERE, PROJECT)
    _secrets("the key of next year", *KEYS)
    assert markers.is_ours(older, HERE, PROJECT, None)
    assert not markers.is_newest(older, ID, HERE, PROJECT)
    assert markers.sign(ID, HERE, PROJECT) != older
    _secrets("the key of next year")
    assert not markers.is_ours(older, HERE, PROJECT, [PROJECT])


def test_a_process_does_not_start_with_a_short_key(caplog: pytest.LogCaptureFixture) -> None:
    markers.check()
    assert not caplog.records
    _secrets(KEYS[0], "fifteen letters")
    with pytest.raises(SystemExit, match="16 letters") as refused:
        markers.check()
    assert "fifteen" not in str(refused.value)
    _secrets()
    with caplog.at_level(logging.WARNING):
        markers.check()
    assert "[markers] secrets is not set" in caplog.text
