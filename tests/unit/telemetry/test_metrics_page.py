# SPDX-License-Identifier: Apache-2.0
"""docs/metrics.md and the samples name the numbers that there are."""

import json
import re
from pathlib import Path
from typing import Any

import yaml

from tricircle.telemetry.metrics import TABLE

DOCS = Path(__file__).parents[3] / "docs"
NAMES = {metric.name for metric in TABLE}


def test_the_page_has_each_number() -> None:
    rows = [
        f"| `{one.name}` | {'gauge' if one.kind == 'fact' else one.kind} | {', '.join(one.labels)} "
        f"| {', '.join(one.who)} | {one.text} |"
        for one in TABLE
    ]
    page = (DOCS / "metrics.md").read_text()
    assert [line for line in page.splitlines() if line.startswith("| `tricircle_")] == rows


def named(expression: str) -> set[str]:
    found = re.findall(r"\btricircle_\w+", expression)
    return {re.sub(r"_(bucket|sum|count)$", "", name) for name in found}


def labels_of(expression: str) -> set[str]:
    found = re.findall(r"(?:by|on|without)\s*\(([^)]*)\)", expression)
    listed = {label.strip() for group in found for label in group.split(",")}
    return listed | set(re.findall(r"(\w+)\s*=~?\s*\"", expression))


def check(expression: str) -> None:
    assert named(expression), expression
    assert named(expression) <= NAMES, expression
    known = {
        "le",
        *(label for one in TABLE if one.name in named(expression) for label in one.labels),
    }
    assert labels_of(expression) <= known, expression


def test_the_rules_are_about_numbers_there_are() -> None:
    document = yaml.safe_load((DOCS / "samples" / "prometheus-rules.yaml").read_text())
    rules = [rule for group in document["groups"] for rule in group["rules"]]
    assert rules
    for rule in rules:
        check(rule["expr"])
        assert rule["annotations"]["summary"]
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in labels_of(rule["expr"]), rule["alert"]


def test_the_board_shows_numbers_there_are() -> None:
    board: dict[str, Any] = json.loads((DOCS / "samples" / "grafana-dashboard.json").read_text())
    expressions = [target["expr"] for panel in board["panels"] for target in panel["targets"]]
    for expression in expressions:
        check(expression)
    assert NAMES - {name for one in expressions for name in named(one)} == set()
