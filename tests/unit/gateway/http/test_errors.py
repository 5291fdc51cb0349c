# SPDX-License-Identifier: Apache-2.0
"""Errors in the envelope of the service they come from."""

import pytest

from tricircle.gateway.failures import from_pod_error
from tricircle.gateway.http.errors import Fault, envelope, render
from tricircle.pods.errors import PodError, PodRefused, PodTimeout, PodUnreachable


@pytest.mark.parametrize(
    ("status", "name"),
    [
        (400, "badRequest"),
        (403, "forbidden"),
        (404, "itemNotFound"),
        (405, "badMethod"),
        (406, "computeFault"),
        (409, "conflictingRequest"),
        (410, "computeFault"),
        (413, "overLimit"),
        (500, "computeFault"),
        (501, "notImplemented"),
        (503, "serviceUnavailable"),
        (504, "computeFault"),
    ],
)
def test_named_as_nova_names_them(status: int, name: str) -> None:
    assert envelope("compute", status, "text") == {name: {"code": status, "message": "text"}}


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (PodUnreachable("pod1", "no connection."), 503),
        (PodTimeout("pod1", "did not answer in time."), 504),
        (PodRefused("pod1", 500, "boom"), 502),
    ],
)
def test_errors_of_a_pod_name_it(error: PodError, status: int) -> None:
    fault = from_pod_error(error)
    assert fault.status == status
    assert "pod1" in fault.message


def test_an_answer_carries_the_headers_of_its_fault() -> None:
    response = render(Fault(503, "later", {"Retry-After": "5"}), "compute")
    assert response.headers["Retry-After"] == "5"
    assert response.content_type == "application/json"
