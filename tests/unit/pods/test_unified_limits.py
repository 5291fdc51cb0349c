# SPDX-License-Identifier: Apache-2.0
"""Limits as Keystone tells them."""

from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tricircle.conf import CONF
from tricircle.pods.rights import Right
from tricircle.pods.unified_limits import NAMES, UnifiedLimits, unregistered


class Keystone:
    """What UnifiedLimits takes of a ServiceIdentity."""

    def __init__(self) -> None:
        self.rows: dict[str, list[dict[str, Any]]] = {"registered_limits": [], "limits": []}
        self.asked: list[tuple[str, dict[str, str]]] = []

    def service_id(self, service: str) -> str:
        return f"id-of-{service}"

    def ask_keystone(self, right: Right, path: str) -> Any:
        parts = urlsplit(path)
        collection, query = parts.path[1:], dict(parse_qsl(parts.query))
        self.asked.append((collection, query))
        return {collection: self.rows[collection]}


def test_a_projects_own_then_the_registered() -> None:
    keystone = Keystone()
    keystone.rows["registered_limits"] = [
        {"resource_name": "servers", "default_limit": 5},
        {"resource_name": "class:VCPU", "default_limit": -1},
        {"resource_name": "class:CUSTOM_THING", "default_limit": 1},
    ]
    keystone.rows["limits"] = [{"resource_name": "servers", "resource_limit": 7}]
    limits = UnifiedLimits(keystone)  # type: ignore[arg-type]
    none = dict.fromkeys(NAMES)
    assert limits.read("p") == {**none, "instances": 7, "cores": -1}
    assert limits.read(None) == {**none, "instances": 5, "cores": -1}
    scope = {"service_id": "id-of-compute", "region_id": "RegionOne"}
    assert keystone.asked == [
        ("registered_limits", scope),
        ("limits", {**scope, "project_id": "p"}),
        ("registered_limits", scope),
    ]
    limits.read("p")  # believed for a while
    assert len(keystone.asked) == 3


@pytest.mark.parametrize(
    ("strategy", "listed", "expected"),
    [
        ("require", ["servers"], {"instances": 0, "cores": -1, "key_pairs": -1}),
        ("require", [], {"instances": -1, "cores": -1, "key_pairs": -1}),
        ("ignore", ["class:VCPU"], {"instances": 0, "cores": -1, "key_pairs": 0}),
    ],
)
def test_what_is_not_registered(strategy: str, listed: list[str], expected: dict[str, int]) -> None:
    CONF.set_override("unified_limits_resource_strategy", strategy, "quota")
    CONF.set_override("unified_limits_resource_list", listed, "quota")
    try:
        assert {name: unregistered(name) for name in expected} == expected
    finally:
        CONF.clear_override("unified_limits_resource_strategy", "quota")
        CONF.clear_override("unified_limits_resource_list", "quota")
