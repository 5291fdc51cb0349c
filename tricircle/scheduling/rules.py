# SPDX-License-Identifier: Apache-2.0
"""Which pods a project may use, by the rules of operators. Nothing is asked of anybody here.

Rules for the same project or domain and the same property widen one another: a pod that one of them
allows is allowed. Those for different ones narrow one another: each must allow it. What is
forbidden is forbidden, whatever is allowed.
"""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from tricircle.db.rules import ALLOW, DEFAULT, FORBID
from tricircle.pods.pod import Pod

IMAGE, FLAVOR = "image", "flavor"


@dataclasses.dataclass(frozen=True, slots=True)
class Rule:
    """See ``models.Rule`` for what each field means."""

    name: str
    effect: str
    pods: Mapping[str, Any]
    project_id: str | None = None
    domain_id: str | None = None
    property_of: str | None = None
    property_name: str | None = None
    property_value: str | None = None

    @classmethod
    def of(cls, row: Any) -> "Rule":
        return cls(**{field.name: getattr(row, field.name) for field in dataclasses.fields(cls)})

    @property
    def whom(self) -> tuple[str | None, ...]:
        """Whom and what it is for."""
        return (self.project_id, self.domain_id, self.property_of, self.property_name,
                self.property_value)  # fmt: skip

    def is_about(self, pod: Pod) -> bool:
        """Whether it names a pod, by all that it names pods by."""
        regions, zones = (self.pods.get(name) for name in ("region_name", "availability_zone"))
        labels = self.pods.get("labels") or {}
        return (
            (not regions or pod.region_name in regions)
            and (not zones or pod.availability_zone in zones)
            and all(pod.labels.get(name) == value for name, value in labels.items())
        )

    def applies(self, properties: Mapping[str, Mapping[str, Any]]) -> bool:
        """Whether it is about what is made: of an image and a flavor with these ``properties``."""
        if self.property_of is None:
            return True
        known = properties.get(self.property_of, {})
        return str(known.get(self.property_name or "", "")) == self.property_value


def left_out(
    rules: Sequence[Rule],
    pods: Sequence[Pod],
    properties: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, str]:
    """The reason for each pod (by id) that may not be used."""
    now = [rule for rule in rules if rule.applies(properties or {})]
    allowing: dict[tuple[str | None, ...], list[Rule]] = {}
    for rule in now:
        if rule.effect == ALLOW:
            allowing.setdefault(rule.whom, []).append(rule)
    reasons = {}
    for pod in pods:
        said = [
            f"is forbidden by rule {rule.name}"
            for rule in now
            if rule.effect == FORBID and rule.is_about(pod)
        ]
        said += [
            f"is not among the pods of rule {' or '.join(rule.name for rule in group)}"
            for group in allowing.values()
            if not any(rule.is_about(pod) for rule in group)
        ]
        if said:
            reasons[pod.id] = " and ".join(said)
    return reasons


def default_zone(rules: Sequence[Rule]) -> str | None:
    """The zone of what names none: the project's, else its domain's, else everybody's."""
    found = [rule for rule in rules if rule.effect == DEFAULT]
    found.sort(key=lambda rule: (rule.project_id is None, rule.domain_id is None, rule.name))
    for rule in found:
        return str(rule.pods["availability_zone"][0])
    return None


def kinds(rules: Sequence[Rule]) -> set[str]:
    """Of what the properties have to be known: images, flavors."""
    return {rule.property_of for rule in rules if rule.property_of is not None}
