# SPDX-License-Identifier: Apache-2.0
"""Which endpoints a catalogue has for a region."""

from typing import Any

import pytest

from tricircle.pods import catalogue


def _service(kind: str, **urls: str) -> dict[str, Any]:
    """A service with a public endpoint in each of some regions."""
    endpoints = [
        {"interface": "public", "region_id": region, "url": url} for region, url in urls.items()
    ]
    return {"type": kind, "endpoints": endpoints}


@pytest.mark.parametrize(
    ("glances", "expected"),
    [
        ({"two": "http://own"}, "http://own"),
        ({"one": "http://all/"}, "http://all"),
        ({"one": "http://a", "two": "http://own"}, "http://own"),
        ({"one": "http://a", "three": "http://b"}, None),
        ({}, None),
    ],
)
def test_a_glance_that_regions_share_is_in_the_catalogue_for_one(
    glances: dict[str, str], expected: str | None
) -> None:
    told = [
        _service("compute", one="http://c1", two="http://c2"),
        _service("image", **glances),
    ]
    found = catalogue.endpoints_of_a_cloud(told, "two", "public")
    assert found["compute"] == "http://c2"
    assert found.get("image") == expected
    # In our own catalogue the region has its own.
    assert "image" not in catalogue.endpoints(told, "two", "public") or "two" in glances
