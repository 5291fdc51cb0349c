# SPDX-License-Identifier: Apache-2.0
"""The numbers a process tells, as Prometheus reads them."""

import urllib.request
from collections.abc import Mapping

from prometheus_client.parser import text_string_to_metric_families

from tricircle.telemetry import metrics
from tricircle.telemetry.metrics import Metric


class Numbers:
    """One look at all numbers of a process: of this one, or of the one on a port."""

    def __init__(self, port: int = 0) -> None:
        self.text = _fetch(port) if port else metrics.exposition().decode()
        self._told = {
            (sample.name, frozenset(sample.labels.items())): sample.value
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        }

    def of(self, metric: Metric, *labels: str, suffix: str = "") -> float | None:
        """A number, None when it is not told. ``suffix`` names one of a histogram."""
        named = frozenset(zip(metric.labels, labels, strict=True))
        return self._told.get((metric.name + suffix, named))

    def all(self, metric: Metric) -> Mapping[frozenset[tuple[str, str]], float]:
        return {
            labels: value for (name, labels), value in self._told.items() if name == metric.name
        }


def _fetch(port: int, path: str = "/metrics") -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=10) as answer:
        text: str = answer.read().decode()
    return text


def grown(before: Numbers, after: Numbers, metric: Metric, *labels: str, suffix: str = "") -> float:
    """By how much a number has grown."""
    was = before.of(metric, *labels, suffix=suffix) or 0.0
    return (after.of(metric, *labels, suffix=suffix) or 0.0) - was
