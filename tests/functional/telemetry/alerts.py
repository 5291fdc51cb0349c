# SPDX-License-Identifier: Apache-2.0
"""Which alerts of docs/samples/prometheus-rules.yaml fire, as Prometheus' own ``promtool`` says."""

import dataclasses
import re
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.debian import program

RULES = Path(__file__).parents[3] / "docs" / "samples" / "prometheus-rules.yaml"
_COUNTED = ("counter", "histogram")
Labels = Mapping[str, str]


@dataclasses.dataclass(frozen=True, eq=False)
class Alert:
    """One that fires, with the labels that its rule leaves."""

    name: str
    labels: Labels


def rules() -> dict[str, dict[str, Any]]:
    """All alerting rules by name."""
    groups = yaml.safe_load(RULES.read_text())["groups"]
    return {rule["alert"]: rule for group in groups for rule in group["rules"]}


def series(before: str, after: str, minutes: int) -> list[dict[str, str]]:
    """Two looks at /metrics, as what goes on for so long: each minute counters grow by what they
    grew between the looks, and everything else stays as it was told last."""
    was = {key: value for key, value, _ in _samples(before)}
    found = []
    for key, value, counted in _samples(after):
        first = was.get(key, 0.0) if counted else value
        found.append({"series": key, "values": f"{first:f}+{value - first:f}x{minutes}"})
    return found


def _samples(text: str) -> Iterable[tuple[str, float, bool]]:
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = ",".join(f'{name}="{value}"' for name, value in sample.labels.items())
            yield f"{sample.name}{{{labels}}}", sample.value, family.type in _COUNTED


def check(folder: Path, given: list[dict[str, str]], minute: int, firing: Iterable[Alert]) -> None:
    """Holds that at that minute exactly these fire, with their words. Raises AssertionError."""
    wanted: dict[str, list[Labels]] = {name: [] for name in rules()}
    for alert in firing:
        wanted[alert.name].append(alert.labels)
    tests = [
        {"eval_time": f"{minute}m", "alertname": name,
         "exp_alerts": [_told(name, labels) for labels in found]}
        for name, found in wanted.items()
    ]  # fmt: skip
    document = {
        "rule_files": [str(RULES)],
        "evaluation_interval": "1m",
        "tests": [{"interval": "1m", "input_series": given, "alert_rule_test": tests}],
    }
    path = folder / "alerts.yaml"
    path.write_text(yaml.safe_dump(document))
    promtool = program("promtool", "prometheus")
    done = subprocess.run(
        [promtool, "test", "rules", path], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _told(name: str, labels: Labels) -> dict[str, Any]:
    rule = rules()[name]
    summary = re.sub(
        r"\{\{ \$labels\.(\w+) \}\}", lambda found: labels[found[1]], rule["annotations"]["summary"]
    )
    return {"exp_labels": {**rule["labels"], **labels}, "exp_annotations": {"summary": summary}}
