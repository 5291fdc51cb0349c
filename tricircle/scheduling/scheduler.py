# SPDX-License-Identifier: Apache-2.0
"""Order the pods that can take a request, best first."""

import dataclasses
import random
from collections.abc import Sequence
from typing import Any

from oslo_log import log as logging
from stevedore import NamedExtensionManager

from tricircle.conf import CONF
from tricircle.pods.errors import NoPod
from tricircle.pods.pod import Pod
from tricircle.scheduling.filters import Filter
from tricircle.scheduling.request import Facts, Request
from tricircle.scheduling.weighers import NEUTRAL, Weigher
from tricircle.telemetry.metrics import REFUSALS

LOG = logging.getLogger(__name__)
#: Filters that hold though [scheduling] filters does not name them.
ALWAYS = ("rules",)


class UnknownZone(NoPod):
    """No pod is in the availability zone asked for."""


class NoPodFits(NoPod):
    """Every pod was left out; ``temporary`` when one would fit again without anyone's doing."""

    def __init__(self, message: str, temporary: bool) -> None:
        super().__init__(message)
        self.temporary = temporary


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """The pods to try, best first, and why these in this order.

    ``left_out`` is {region name: reasons}, ``weights`` {region name: {weigher: weight}}, the most
    important weigher first.
    """

    pods: list[Pod]
    left_out: dict[str, list[str]]
    weights: dict[str, dict[str, float]]


class Scheduler:
    """Filters and weighers as ``[scheduling]`` names them. Blocks; call it in a thread.

    Raises RuntimeError when a name has no entry point.
    """

    def __init__(self, facts: Facts) -> None:
        named = CONF.scheduling.filters
        # What operators forbid is not to be allowed by a list that is older than rules.
        more = [name for name in ALWAYS if name not in named]
        self.filters: list[tuple[str, Filter]] = _load(
            "tricircle.scheduling.filters", [*named, *more], facts
        )
        self.weighers: list[tuple[str, Weigher]] = _load(
            "tricircle.scheduling.weighers", CONF.scheduling.weighers, facts
        )

    def candidates(self, pods: Sequence[Pod], request: Request) -> list[Pod]:
        """The pods to try, best first. Raises UnknownZone and NoPodFits."""
        return self.choose(pods, request).pods

    def choose(self, pods: Sequence[Pod], request: Request) -> Choice:
        """The pods to try, and why. Raises UnknownZone and NoPodFits."""
        if request.zone.name and all(p.availability_zone != request.zone.name for p in pods):
            REFUSALS.inc(request.what, "unknown_zone")
            raise UnknownZone("The requested availability zone is not available")
        reasons: dict[str, list[tuple[Filter, str]]] = {pod.id: [] for pod in pods}
        judges = set()
        for name, judge in self.filters:
            for pod_id, reason in judge.left_out(pods, request).items():
                reasons[pod_id].append((judge, reason))
                judges.add(name)
        left = [pod for pod in pods if not reasons[pod.id]]
        if not left:
            for name in judges or {"no_pods"}:
                REFUSALS.inc(request.what, name)
            raise self._no_pod(pods, request, reasons)
        ordered, weights = self._ordered(left, request)
        left_out = {
            pod.region_name: [text for _, text in reasons[pod.id]]
            for pod in pods
            if reasons[pod.id]
        }
        return Choice(ordered, left_out, weights)

    @staticmethod
    def _no_pod(
        pods: Sequence[Pod], request: Request, reasons: dict[str, list[tuple[Filter, str]]]
    ) -> NoPodFits:
        told = "; ".join(
            f"{pod.region_name} {' and '.join(text for _, text in reasons[pod.id])}" for pod in pods
        )
        temporary = any(all(judge.temporary for judge, _ in found) for found in reasons.values())
        message = f"No pod can take the {request.what}: {told or 'there are no pods'}."
        LOG.info(message)
        return NoPodFits(message, temporary)

    def _ordered(
        self, pods: list[Pod], request: Request
    ) -> tuple[list[Pod], dict[str, dict[str, float]]]:
        weights = [(name, weigher.weigh(pods, request)) for name, weigher in self.weighers]
        # Pods that weigh the same take turns by chance.
        shuffled = random.sample(pods, len(pods))
        ordered = sorted(
            shuffled,
            key=lambda pod: [weight.get(pod.id, NEUTRAL) for _, weight in weights],
            reverse=True,
        )
        for (_, weigher), (_, weight) in zip(self.weighers, weights, strict=True):
            ordered = list(weigher.settle(ordered, request, weight))
        told = {
            pod.region_name: {name: weight.get(pod.id, NEUTRAL) for name, weight in weights}
            for pod in ordered
        }
        LOG.info(
            "Pods for a %s of project %s in zone %s: %s",
            request.what,
            request.project_id,
            request.zone.name or "any",
            ", ".join(
                f"{region} ({', '.join(f'{name} {value:.2f}' for name, value in found.items())})"
                for region, found in told.items()
            ),
        )
        return ordered, told


def _load(namespace: str, names: list[str], facts: Facts) -> list[tuple[str, Any]]:
    def missing(absent: set[str]) -> None:
        raise RuntimeError(
            f"[scheduling] names what is not installed under {namespace}: {', '.join(absent)}"
        )

    manager = NamedExtensionManager(
        namespace,
        names,
        invoke_on_load=True,
        invoke_args=(facts,),
        name_order=True,
        on_missing_entrypoints_callback=missing,
        on_load_failure_callback=_failed,
    )
    return [(extension.name, extension.obj) for extension in manager]


def _failed(manager: object, entry_point: object, error: Exception) -> None:
    raise RuntimeError(f"{entry_point} cannot be loaded") from error
