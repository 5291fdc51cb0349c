# SPDX-License-Identifier: Apache-2.0
"""Calls to one service of one pod, as the service user. All block."""

import time
from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions as ks_exc
from keystoneauth1.adapter import Adapter
from urllib3.exceptions import NewConnectionError

from tricircle.conf import CONF
from tricircle.pods import fence
from tricircle.pods.breaker import Breaker, Breakers
from tricircle.pods.calls import PodCall, left_alone
from tricircle.pods.deadline import Deadline
from tricircle.pods.document import Document
from tricircle.pods.errors import (
    NETWORKING,
    PodNotAsked,
    PodRefused,
    PodTimeout,
    PodUnreachable,
)
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right
from tricircle.telemetry import requests

Body = dict[str, Any]
_READS = {"GET", "HEAD"}
_SOFTWARE = {"compute": "Nova", "network": "Neutron", "volume": "Cinder", "image": "Glance"}


class PodServices:
    """Makes ``PodService``s; keeps what is known of the pods. One a process. Thread-safe."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self.identity = identity
        self.breakers = Breakers()

    def of(
        self,
        pod: Pod,
        right: Right,
        deadline: Deadline | None = None,
        names: Mapping[str, str] | None = None,
    ) -> "PodService":
        """The service of a pod that ``right`` is about, for the calls it stands for.

        Without a ``deadline`` for all of them, each has [reconciler] call_deadline seconds. Raises
        PodUnreachable, KeystoneFailed.
        """
        adapter, breaker = self.identity.adapter(pod, right), self.breakers[pod.id, right.service]
        return PodService(pod, adapter, right.service, names, breaker, deadline)

    def central_network(self, right: Right) -> "PodService":
        """Central Neutron, as if it were a pod's. Raises PodUnreachable, KeystoneFailed."""
        return PodService(Pod("", NETWORKING, ""), self.identity.central_network(right), "network")


class PodService:
    """A service of one pod. Raises PodRefused, PodUnreachable, PodTimeout, DeadlinePassed, and
    ClaimLost before a change for a row that is claimed no more.

    ``names`` are the ids that things have here, {id as users know it: id here}, where the two
    differ. After some failures of its calls, those of ``breaker``, a pod is left alone for a
    moment.
    """

    def __init__(
        self,
        pod: Pod,
        adapter: Adapter,
        service: str = "compute",
        names: Mapping[str, str] | None = None,
        breaker: Breaker | None = None,
        deadline: Deadline | None = None,
    ) -> None:
        self.pod = pod
        self._adapter, self._service = adapter, service
        self._breaker, self._deadline = breaker or Breaker(), deadline
        self._inside = dict(names or {})
        self._outside = {inside: outside for outside, inside in self._inside.items()}

    def inside(self, known: str) -> str:
        """The id here of what users know by ``known``."""
        return self._inside.get(known, known)

    def outside(self, inside: str) -> str:
        """The id users know of what has the id ``inside`` here."""
        return self._outside.get(inside, inside)

    def ask(
        self, method: str, path: str, version: str = "", body: Any = None, missing: bool = False
    ) -> Any:
        """The answer's document; None for an empty one, and for a 404 where ``missing`` is fine."""
        answer = self.request(method, path, json=body, headers=self._headers(version))
        if answer.status_code == 404 and missing:
            return None
        if answer.status_code >= 300:
            raise PodRefused(
                self.pod.region_name, answer.status_code, _message(answer), answer.content
            )
        if not answer.content:
            return None
        return Document.read(self.pod.region_name, answer.status_code, answer.content)

    def request(self, method: str, path: str, **more: Any) -> Any:
        """The answer (of ``requests``), whatever its status. ``more`` as keystoneauth takes it."""
        region, seconds = self.pod.region_name, float(CONF.reconciler.call_deadline)
        if self._deadline is not None:
            seconds = min(seconds, self._deadline.of_a_call(f"pod {region}"))
            more["timeout"] = seconds
        if method not in _READS:
            seconds = more["timeout"] = fence.passed(seconds)
        plain = path.partition("?")[0]
        if not self._breaker.allow():
            left_alone(region, self._service)
            raise PodNotAsked(region, "it failed repeatedly and is left alone for a moment")
        began = time.monotonic()
        try:
            with PodCall(region, self._service, method) as told:
                answer = self._send(method, path, told, **more)
        except (ks_exc.ConnectTimeout, ks_exc.RequestTimeout) as error:
            self._breaker.failure()
            what = f"its {_SOFTWARE[self._service]} did not answer {method} {plain}"
            raise PodTimeout(region, f"{what} within {seconds:.0f} s") from error
        except (ks_exc.ClientException, KeystoneFailed) as error:
            self._breaker.failure()
            kind = PodNotAsked if _not_sent(error) else PodUnreachable
            raise kind(region, f"{method} {plain} failed: {error}") from error
        self._breaker.answered(answer.status_code, time.monotonic() - began)
        return answer

    def _send(self, method: str, path: str, told: PodCall, **more: Any) -> Any:
        about = requests.current()
        if about is not None:
            named = {"X-OpenStack-Request-ID": about.upstream_id, **told.headers}
            more["headers"] = {**named, **(more.get("headers") or {})}
        try:
            answer = self._adapter.request(path, method, raise_exc=False, **more)
        except (ks_exc.ConnectTimeout, ks_exc.RequestTimeout):
            told.outcome = "timeout"
            raise
        told.status = answer.status_code
        return answer

    def _headers(self, version: str) -> dict[str, str]:
        if not version:
            return {}
        headers = {"OpenStack-API-Version": f"{self._service} {version}"}
        if self._service == "compute":
            headers["X-OpenStack-Nova-API-Version"] = version
        return headers


def _not_sent(error: Exception) -> bool:
    """Whether there was no token, or no connection at all."""
    reason = getattr(next(iter(getattr(error.__context__, "args", ())), None), "reason", None)
    return isinstance(error, KeystoneFailed) or isinstance(reason, NewConnectionError)


def _message(answer: Any) -> str:
    """The service's own words for an error, in whatever envelope they came."""
    try:
        document = answer.json()
        return str(next(iter(document.values()))["message"])
    except (ValueError, AttributeError, KeyError, TypeError, StopIteration):
        return str(answer.text)[:200]
