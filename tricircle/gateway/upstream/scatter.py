# SPDX-License-Identifier: Apache-2.0
"""Ask many pods the same thing at once."""

import asyncio
import dataclasses
from collections.abc import Callable, Iterable, Mapping

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.failures import from_pod_error
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport.client import PodResponse, Refused
from tricircle.gateway.upstream.forward import forward
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods.errors import PodError, PodRefused, PodUnreachable
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# What an answer is without for the time being: regions of pods, with commas between.
AWAY_HEADER = "X-Tricircle-Unavailable-Pods"


@dataclasses.dataclass(frozen=True, slots=True)
class Gathered:
    """What the pods said, in the order they were given, and which of them said nothing."""

    answers: list[PodResponse]
    away: dict[Pod, PodError]

    @property
    def good(self) -> list[PodResponse]:
        return [answer for answer in self.answers if answer.ok]

    def good_or_raise(
        self, absent: Callable[[PodResponse], bool] | None = None
    ) -> list[PodResponse]:
        """The good answers. Raises Refused when there is none.

        A refusal of the request itself comes before one that only says (``absent``, by default a
        404) that a pod has no such thing; and no such thing it is only when every pod says so.
        Raises Fault 502, 503, 504 when pods that may have said more did not answer.
        """
        if self.good:
            return self.good
        absent = absent or is_absent
        for answer in sorted(self.answers, key=absent):
            if not absent(answer) or not self.away:
                raise Refused(answer)
        if self.answers:
            raise maybe_away(self.away)
        raise nobody(self.away)


def nobody(away: Mapping[Pod, PodError]) -> Fault:
    """No pod answers; the first error stands for all."""
    for error in away.values():
        return from_pod_error(error)
    return Fault(503, "There is no pod in use to answer this.")


def is_absent(answer: PodResponse) -> bool:
    """Whether a pod says that it has no such thing."""
    return answer.status == 404


def maybe_away(away: Iterable[Pod], what: str = "it") -> Fault:
    """No pod that answers has what was asked for, but one of these may."""
    names = ", ".join(sorted(pod.region_name for pod in away))
    return Fault(
        503,
        f"No pod that answers has {what}, but it may be in one that does not: {names}. "
        "Try again later.",
        {"Retry-After": "5"},
    )


async def gather(call: Call, pods: Iterable[Pod], request: PodRequest | None = None) -> Gathered:
    """Ask all ``pods`` at once for what the client asked, or for another ``request``.

    A pod that cannot be reached, answers 5xx or says something that is no JSON document is away;
    any other answer is one. Never raises for a pod.
    """
    asked = list(pods)
    outcomes = await asyncio.gather(*(_document(call, pod, request) for pod in asked))
    answers = [one for one in outcomes if isinstance(one, PodResponse)]
    away = {pod: one for pod, one in zip(asked, outcomes, strict=True) if isinstance(one, PodError)}
    tell_away(call, away)
    return Gathered(answers, away)


async def everywhere(call: Call, request: PodRequest | None = None) -> Gathered:
    """``gather`` from all pods, by region."""
    pods = sorted(call.pods, key=lambda pod: pod.region_name)
    return await gather(call, pods, request)


async def _document(call: Call, pod: Pod, request: PodRequest | None) -> PodResponse | PodError:
    answer = await ask(call, pod, request)
    # What is done, or accepted, may be so without a word.
    if isinstance(answer, PodResponse) and answer.ok and (answer.body or answer.status == 200):
        try:
            answer.json()
        except PodError as error:
            return error
    return answer


async def ask(call: Call, pod: Pod, request: PodRequest | None = None) -> PodResponse | PodError:
    """Ask one pod; an error of the pod is returned, not raised.

    Without a deadline of the request's own it has [gateway] list_deadline seconds. A pod in
    maintenance is left alone.
    """
    if not pod.in_use:
        return PodUnreachable(pod.region_name, "is in maintenance.")
    request = request or PodRequest.of(call)
    if request.deadline is None:
        request = request.within(CONF.gateway.list_deadline)
    try:
        answer = await forward(call, pod, request)
    except PodError as error:
        return error
    # That something is not implemented is an answer, any other 5xx is a failure.
    if (answer.status >= 500 and answer.status != 501) or 300 <= answer.status < 400:
        return PodRefused(pod.region_name, answer.status, answer.message(), answer.body)
    return answer


def tell_away(call: Call, away: Iterable[Pod]) -> None:
    """Say in the answer which pods it is without."""
    names = sorted(pod.region_name for pod in away)
    if names:
        LOG.warning("%s %s is without %s", call.method, call.path, ", ".join(names))
        call.answer_headers[AWAY_HEADER] = ", ".join(names)
