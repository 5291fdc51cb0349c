# SPDX-License-Identifier: Apache-2.0
"""Blocking calls, to peers that do not end: by real sockets."""

import contextlib
import gzip
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from keystoneauth1.exceptions import ClientException, RetriableConnectionFailure
from keystoneauth1.noauth import NoAuth
from keystoneauth1.session import Session

from tricircle.conf import CONF
from tricircle.network.pod_api.neutron_client import PodNeutrons
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.identity import _Adapter
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices
from tricircle.pods.rights import Right
from tricircle.pods.transport import bound

MOST = 100_000
OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n"


@pytest.fixture(autouse=True)
def limit() -> Iterator[None]:
    CONF.set_override("max_answer", MOST, group="pods")
    yield
    CONF.clear_override("max_answer", group="pods")


@contextlib.contextmanager
def sending(first: bytes, more: bytes = b"", pause: float = 0, times: int = 1) -> Iterator[str]:
    """The URL of one that answers so; ``more`` again and again, while anybody listens."""
    ended = threading.Event()

    def serve(listener: socket.socket) -> None:
        for _ in range(times):
            peer, _ = listener.accept()
            with peer, contextlib.suppress(OSError):
                peer.settimeout(5)
                peer.recv(65536)
                peer.sendall(first)
                while more and not ended.is_set():
                    peer.sendall(more)
                    time.sleep(pause)

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join(10)


def session(timeout: float) -> Session:
    return bound(Session(NoAuth(), timeout=timeout))


TRICKLED = {
    "a body": (OK + b"Content-Length: 9000\r\n\r\n", b" "),
    "a body without an end": (OK + b"\r\n", b" "),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    "a header": (OK + b"X-Slow: ", b"x"),
    "headers": (OK, b"X-Slow: x\r\n"),
    "a status": (b"HTTP/1.1 2", b"0"),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
}


@pytest.mark.parametrize("what", TRICKLED)
def test_the_deadline_is_for_the_whole_answer(what: str) -> None:
    with sending(*TRICKLED[what], pause=0.02) as url, pytest.raises(ClientException):
        session(0.2).get(url)


ENDLESS = {
    "a body": (OK + b"\r\n", b" " * 65536),
    "chunks": (OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b" " * 4096 + b"\r\n"),
    "a long one": (OK + b"Content-Length: 10000000\r\n\r\n", b" " * 65536),
    "headers": (OK, b"X-More: x\r\n"),
    "continues": (b"", b"HTTP/1.1 100 Continue\r\n\r\n" * 1000),
}


@pytest.mark.parametrize("what", ENDLESS)
def test_no_more_is_read_than_is_allowed(what: str) -> None:
    with sending(*ENDLESS[what]) as url, pytest.raises(ClientException):
        session(60).get(url)


@pytest.mark.parametrize("encoding", [b"gzip", b"deflate", b"br"])
def test_nothing_is_unpacked(encoding: bytes) -> None:
    body = gzip.compress(b" " * 1_000_000)
    answer = OK + b"Content-Encoding: %s\r\nContent-Length: %d\r\n\r\n" % (encoding, len(body))
    with (
        sending(answer + body) as url,
        pytest.raises(ClientException, match="packed") as caught,
    ):
        session(5).get(url)
    assert not isinstance(caught.value, RetriableConnectionFailure)


def test_what_is_short_and_in_time_is_read() -> None:
    body = b'{"a": "' + b"x" * (MOST - 100) + b'"}'
    with sending(OK + b"Content-Length: %d\r\n\r\n" % len(body) + body, times=2) as url:
        one = session(5)
        for _ in range(2):
            assert one.get(url).content == body


class Identity:
    """What a ``PodNeutron`` takes of the service's identity."""

    def adapter(self, pod: Pod, right: Right, deadline: float | None = None) -> _Adapter:
        base = pod.endpoint(right.service)
        return _Adapter(session(60), right, deadline, endpoint_override=base)


@pytest.mark.parametrize(
    ("first", "more", "pause", "expected"),
    [
        (*TRICKLED["a body"], 0.02, PodTimeout),
        (*TRICKLED["a header"], 0.02, PodTimeout),
        (*ENDLESS["a body"], 0, PodUnreachable),
        (b"HTTP/1.1 000 X\r\nContent-Length: 2\r\n\r\n{}", b"", 0, PodUnreachable),
        (b"HTTP/1.1 999 X\r\nContent-Length: 2\r\n\r\n{}", b"", 0, Exception),
        (OK + b"Content-Length: 2\r\n\r\n[]", b"", 0, PodUnreachable),
    ],
)
def test_a_pods_neutron_is_named(
    first: bytes, more: bytes, pause: float, expected: type[Exception]
) -> None:
    with sending(first, more, pause) as url:
        pod = Pod("p", "Pod1", "az1", endpoints={"network": url})
        deadline = Deadline(0.3 if expected is PodTimeout else 30)
        neutron = PodNeutrons(PodServices(Identity())).of(pod, deadline)  # type: ignore[arg-type]
        with pytest.raises(expected, match="Pod Pod1"):
            neutron.get("/networks")


NOTHING = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "REQUESTS_CA_BUNDLE",
           "CURL_CA_BUNDLE")  # fmt: skip


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> pytest.MonkeyPatch:
    """An environment that says nothing to requests."""
    for name in NOTHING:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return monkeypatch


def test_a_proxy_that_the_environment_names(environment: pytest.MonkeyPatch) -> None:
    with sending(OK + b"Content-Length: 4\r\n\r\nthat") as proxy:
        environment.setenv("http_proxy", proxy)
        assert session(5).get("http://nowhere.invalid/").text == "that"


@pytest.mark.parametrize("name", NOTHING)
def test_what_the_environment_says_is_heeded(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "/somewhere")
    assert session(5).session.trust_env


def test_a_netrc_has_no_say(environment: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / ".netrc").write_text("default login me password secret\n")
    assert not session(5).session.trust_env


def test_an_environment_that_says_nothing_is_not_read(environment: pytest.MonkeyPatch) -> None:
    asked = session(5)
    environment.setenv("http_proxy", "http://127.0.0.1:1")
    with sending(OK + b"Content-Length: 4\r\n\r\nthat") as url:
        assert asked.get(url).text == "that"
