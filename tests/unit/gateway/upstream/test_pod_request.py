# SPDX-License-Identifier: Apache-2.0
"""A request to a pod: what of the client's own is kept when another is made of it."""

import dataclasses
from collections.abc import Callable
from typing import cast

import pytest

from tricircle.gateway.call import Call
from tricircle.gateway.upstream.pod_request import PodRequest
from tricircle.pods import rights


@dataclasses.dataclass
class FakeCall:
    service: str = "compute"
    method: str = "PUT"
    path: str = "/servers/1"
    raw_query: str = "a=b"
    body: bytes = b"{}"
    version: tuple[int, int] = (2, 50)


own = PodRequest.of(cast(Call, FakeCall()))


def test_what_the_client_asked() -> None:
    assert own == PodRequest(
        "PUT",
        "/servers/1",
        "compute",
        query="a=b",
        body=b"{}",
        version=(2, 50),
        clients_own=True,
    )
    assert PodRequest.of(cast(Call, FakeCall(body=b""))).body is None


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (lambda: own.get("/x"), ("GET", "/x", "", None)),
        (lambda: own.get("/x", "c=d"), ("GET", "/x", "c=d", None)),
        (lambda: own.post("/x", {"e": 1}), ("POST", "/x", "", {"e": 1})),
        (lambda: own.put("/x", {"e": 1}, "c=d"), ("PUT", "/x", "c=d", {"e": 1})),
        (lambda: own.delete("/x"), ("DELETE", "/x", "", None)),
        (lambda: own.with_path("/x"), ("PUT", "/x", "a=b", b"{}")),
    ],
)
def test_another_request_is_not_the_clients_own(
    made: Callable[[], PodRequest], wanted: tuple[object, ...]
) -> None:
    """The token of a client was checked for what they asked, which is another thing."""
    request = made()
    assert (request.method, request.path, request.query, request.body) == wanted
    assert (request.service, request.version, request.right) == ("compute", (2, 50), None)
    assert not request.clients_own


def test_the_same_request_said_otherwise_stays_the_clients_own() -> None:
    request = own.with_query("").with_body({"e": 1}).at((2, 1)).within(3.0).ignoring_breaker()
    assert (request.query, request.body, request.version) == ("", {"e": 1}, (2, 1))
    assert (request.deadline, request.ignore_breaker) == (3.0, True)
    assert request.clients_own


def test_as_the_service_user_nothing_is_the_clients() -> None:
    request = PodRequest.as_service_user(rights.POD_PORT, "GET", "/v2.0/ports/1")
    assert request == PodRequest("GET", "/v2.0/ports/1", "network", right=rights.POD_PORT)
