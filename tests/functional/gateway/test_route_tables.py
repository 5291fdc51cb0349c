# SPDX-License-Identifier: Apache-2.0
"""Our route tables, and what the fake pods judge by, against the installed Nova and Cinder."""

from collections.abc import Sequence

import pytest

from tests import installed
from tricircle.gateway.compute.routes import ROUTES as COMPUTE
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.volume.routes import ROUTES as VOLUME


@pytest.mark.parametrize(("service", "routes"), [("nova", COMPUTE), ("cinder", VOLUME)])
def test_every_row_is_here_and_no_other(service: str, routes: Sequence[Route]) -> None:
    theirs = set(installed.spans(service))
    ours = {(route.method, route.path) for route in routes}
    assert theirs - ours == set()
    assert ours - theirs == set()


def test_what_nova_has_retired_a_pod_answers() -> None:
    """Nova marks the functions it has removed: those rows must not wait for us."""
    ways = {(route.method, route.path): route.way for route in COMPUTE}
    removed = [row for row in installed.asked("nova")["rows"] if row["removed"]]
    assert len(removed) > 30
    for row in removed:
        assert ways[row["method"], row["path"]] is Way.ANY, row


def test_rows_begin_where_nova_begins_them() -> None:
    """Below a row's first microversion Nova looks at no policy, so nothing proves a right."""
    begins = {row: first for row, (first, _) in installed.spans("nova").items()}
    assert sum(first is not None for first in begins.values()) >= 18
    assert {(route.method, route.path): route.first for route in COMPUTE} == begins


def test_rows_end_where_nova_ends_them() -> None:
    """A row we answer ourselves must not go on at microversions where a pod has no such call."""
    ends = {row: last for row, (_, last) in installed.spans("nova").items()}
    assert sum(end is not None for end in ends.values()) > 40
    wrong = {
        f"{route.method} {route.path}": (route.last, ends[route.method, route.path])
        for route in COMPUTE
        if route.handler is not None
        and (route.way is not Way.ROUTED or route.last is not None)
        and route.last != ends[route.method, route.path]
    }
    assert wrong == {}


def test_rows_begin_and_end_where_cinder_has_them() -> None:
    """Below a row's first microversion Cinder looks at no policy, so nothing proves a right."""
    spans = installed.spans("cinder")
    assert sum(first is not None for first, _ in spans.values()) >= 54
    wrong = {
        f"{route.method} {route.path}": (route.first, route.last)
        for route in VOLUME
        if (route.first, route.last) != spans[route.method, route.path]
    }
    assert wrong == {}


def test_who_may_do_what_from_which_microversion_on() -> None:
    """Written anew by ``python -m tests.installed``."""
    assert installed.RIGHTS.read_text() == installed.written()
