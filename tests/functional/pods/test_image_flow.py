# SPDX-License-Identifier: Apache-2.0
"""The data of images flow through tricircle-xjob: however long, in little memory, and at a pace."""

import hashlib
import threading
import time
import tracemalloc
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from keystoneauth1.adapter import Adapter
from keystoneauth1.session import Session
from keystoneauth1.token_endpoint import Token

from tricircle.conf import CONF
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.images.flow import Flow
from tricircle.pods.images.glance import Glance
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService
from tricircle.pods.transport import bound

MIB = 1 << 20
SIZE = 24 * MIB
PART = bytes(range(256)) * 256


class Handler(BaseHTTPRequestHandler):
    """Gives and takes so much, a part at a time; ``stuck`` gives a part and then no more."""

    protocol_version = "HTTP/1.1"
    taken = 0
    stuck: threading.Event | None = None

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(SIZE))
        self.end_headers()
        for _ in range(SIZE // len(PART)):
            self.wfile.write(PART)
            if self.stuck is not None:
                self.stuck.wait(10)
                self.close_connection = True
                return

    def do_PUT(self) -> None:
        left = int(self.headers["Content-Length"])
        while left:
            left -= len(self.rfile.read(min(left, 65536)))
        type(self).taken += int(self.headers["Content-Length"])
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def glance() -> Iterator[Glance]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_address[1]}"
    adapter = Adapter(bound(Session(Token(url, "t"), timeout=20)), endpoint_override=url)
    Handler.taken, Handler.stuck = 0, None
    yield Glance(PodService(Pod("p", "pod1", "az1"), adapter, "image"), "ours")
    if Handler.stuck is not None:
        Handler.stuck.set()
    server.shutdown()
    server.server_close()


def test_memory_is_flat_and_what_goes_is_what_came(
    glance: Glance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it is far more than a pod may answer."""
    CONF.set_override("max_answer", MIB, group="pods")
    told: list[int] = []
    monkeypatch.setattr("tricircle.pods.images.flow._TELLING", 0.0)
    tracemalloc.start()
    try:
        with glance.data("one") as source:
            flow = Flow(source, SIZE, "sha512", told.append)
            glance.fill("two", flow)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        CONF.clear_override("max_answer", group="pods")
    assert Handler.taken == flow.done == SIZE
    assert flow.digest == hashlib.sha512(PART * (SIZE // len(PART))).hexdigest()
    assert told == sorted(told)
    assert told[-1] == SIZE
    assert peak < 4 * MIB


def test_what_does_not_move_ends(glance: Glance) -> None:
    CONF.set_override("call_deadline", 0.3, group="reconciler")
    Handler.stuck = threading.Event()
    try:
        with pytest.raises((PodTimeout, PodUnreachable)), glance.data("one") as source:
            glance.fill("two", Flow(source, SIZE, "sha512", lambda _: None))
    finally:
        CONF.clear_override("call_deadline", group="reconciler")


def test_no_more_goes_than_may(monkeypatch: pytest.MonkeyPatch) -> None:
    """All that flows in a process shares what may go."""
    slept: list[float] = []
    CONF.set_override("bandwidth", 2.0, group="images")
    monkeypatch.setattr("tricircle.pods.images.flow.PACE._free_at", 0.0)
    moment = time.monotonic()
    monkeypatch.setattr("tricircle.pods.images.flow.time.monotonic", lambda: moment)
    monkeypatch.setattr("tricircle.pods.images.flow.time.sleep", slept.append)

    class Source:
        def read(self, amount: int) -> bytes:
            return bytes(amount)

    try:
        flows = [Flow(Source(), SIZE, "sha512", lambda _: None) for _ in range(2)]
        for _ in range(2):
            for flow in flows:
                flow.read(MIB)
    finally:
        CONF.clear_override("bandwidth", group="images")
    assert slept == pytest.approx([0.5, 1.0, 1.5])
