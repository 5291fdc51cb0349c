# SPDX-License-Identifier: Apache-2.0
"""Ask many pods the same thing at once."""

import asyncio
import dataclasses
from collections.abc import Iterable
from typing import Any

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.client import PodResponse
from tricircle.gateway.forward import forward
from tricircle.pods.errors import PodError, PodRefused
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

AWAY_HEADER = "X-Tricircle-Unavailable-Pods"


@dataclasses.dataclass(frozen=True, slots=True)
class Gathered:
    """What the pods said, in the order they were given, and which of them said nothing."""

    answers: list[PodResponse]
    away: dict[Pod, PodError]

    @property
    def good(self) -> list[PodResponse]:
        return [answer for answer in self.answers if answer.ok]


async def gather(call: Call, pods: Iterable[Pod], **instead: Any) -> Gathered:
    """Forward the call to all ``pods`` at once, each with [gateway] list_deadline seconds.

    ``instead`` is what ``forward`` takes. A pod that cannot be reached, answers 5xx or says
    something that is no JSON document is away; any other answer is one. Never raises for a pod.
    """
    asked = list(pods)
    outcomes = await asyncio.gather(*(_document(call, pod, **instead) for pod in asked))
    answers = [one for one in outcomes if isinstance(one, PodResponse)]
    away = {pod: one for pod, one in zip(asked, outcomes, strict=True) if isinstance(one, PodError)}
    tell_away(call, away)
    return Gathered(answers, away)


async def _document(call: Call, pod: Pod, **instead: Any) -> PodResponse | PodError:
    answer = await ask(call, pod, **instead)
    if isinstance(answer, PodResponse) and answer.ok:
        try:
            answer.json()
        except PodError as error:
            return error
    return answer


async def ask(call: Call, pod: Pod, **instead: Any) -> PodResponse | PodError:
    """Forward the call to one pod; an error of the pod is returned, not raised."""
    try:
        answer = await forward(call, pod, **{"deadline": CONF.gateway.list_deadline, **instead})
    except PodError as error:
        return error
    if answer.status >= 500 or 300 <= answer.status < 400:
        return PodRefused(pod.region_name, answer.status, answer.message(), answer.body)
    return answer


def tell_away(call: Call, away: Iterable[Pod]) -> None:
    """Say in the answer, to administrators, which pods it is without."""
    names = sorted(pod.region_name for pod in away)
    if names:
        LOG.warning("%s %s is without %s", call.method, call.path, ", ".join(names))
    if names and call.context.is_admin:
        call.answer_headers[AWAY_HEADER] = ", ".join(names)
