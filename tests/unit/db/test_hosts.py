# SPDX-License-Identifier: Apache-2.0
"""The hosts pods were seen with."""

import pytest

from tricircle.db import hosts, pods

pytestmark = pytest.mark.usefixtures("db")


def test_what_was_seen_last_counts() -> None:
    one, other = (
        pods.create({"region_name": region, "availability_zone": "az"}).id for region in ("A", "B")
    )
    hosts.write(one, {"h2", "h1"})
    hosts.write(other, ["h1"])
    hosts.write(one, ["h3", "h2"])
    assert hosts.names(one) == ["h2", "h3"]
    assert hosts.pods_with("h1") == [other]
    assert hosts.pods_with("h3") == [one]
    # They keep no pod from being forgotten.
    pods.delete(one)
    assert hosts.names(one) == []
    assert hosts.names(other) == ["h1"]
