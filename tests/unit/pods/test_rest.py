# SPDX-License-Identifier: Apache-2.0
"""A client of one service of a pod: how long it asks, and when it leaves the pod alone."""

from typing import Any

import pytest
from keystoneauth1 import exceptions

from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.errors import PodRefused, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices
from tricircle.pods.rights import Right

POD = Pod("p", "Pod1", "az1")


class Answer:
    def __init__(self, status: int, content: bytes = b"") -> None:
        self.status_code, self.content, self.text = status, content, content.decode()

    def json(self) -> Any:
        raise ValueError


class Identity:
    """The service user; its adapters raise or answer ``result``."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.timeouts: list[float | None] = []

    def adapter(self, pod: Pod, right: Right) -> "Identity":
        return self

    def request(self, path: str, method: str, timeout: float | None = None, **_: Any) -> Any:
        self.timeouts.append(timeout)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def services(result: Any) -> tuple[PodServices, Identity]:
    identity = Identity(result)
    return PodServices(identity), identity  # type: ignore[arg-type]


def test_a_pod_that_fails_is_left_alone_by_service() -> None:
    made, identity = services(exceptions.ConnectFailure("nobody there"))
    for _ in range(CONF.pods.breaker_failures):
        with pytest.raises(PodUnreachable, match="nobody there"):
            made.of(POD, rights.HOSTS).ask("GET", "/os-services", "2.53")
    asked = len(identity.timeouts)
    with pytest.raises(PodUnreachable, match="left alone"):
        made.of(POD, rights.SERVERS_USED).ask("GET", "/servers/s", "2.53")
    assert len(identity.timeouts) == asked
    identity.result = Answer(200, b'{"volumes": []}')
    assert made.of(POD, rights.STORAGE_USED).ask("GET", "/volumes", "3.0") == {"volumes": []}


def test_calls_share_a_deadline() -> None:
    made, identity = services(Answer(204))
    made.of(POD, rights.HOSTS, Deadline(2)).ask("GET", "/os-services")
    made.of(POD, rights.HOSTS, Deadline(2000)).ask("GET", "/os-services")
    first, second = identity.timeouts
    assert first is not None
    assert first <= 2
    assert second == CONF.reconciler.call_deadline
    with pytest.raises(DeadlinePassed):
        made.of(POD, rights.HOSTS, Deadline(0)).ask("GET", "/os-services")
    assert len(identity.timeouts) == 2


def test_what_goes_wrong_is_said_of_the_pod() -> None:
    made, identity = services(exceptions.ConnectTimeout("it took too long"))
    with pytest.raises(PodTimeout, match=r"Pod Pod1: its Nova did not answer GET /a within 30 s"):
        made.of(POD, rights.HOSTS).ask("GET", "/a?user=secret")
    identity.result = Answer(404, b"no such thing")
    assert made.of(POD, rights.HOSTS).ask("GET", "/a", missing=True) is None
    with pytest.raises(PodRefused, match="no such thing"):
        made.of(POD, rights.HOSTS).ask("GET", "/a")
