# SPDX-License-Identifier: Apache-2.0
"""The volume route table against the routes of the installed Cinder."""

import pytest

from tests import installed
from tricircle.gateway import ways
from tricircle.gateway.routes import RouteTable, Way
from tricircle.gateway.volume.routes import ROUTES


@pytest.fixture(scope="module")
def cinder_rows() -> set[tuple[str, str]]:
    return set(installed.spans("cinder"))


def test_every_row_of_cinder_is_here_and_no_other(cinder_rows: set[tuple[str, str]]) -> None:
    ours = {(route.method, route.path) for route in ROUTES}
    assert cinder_rows - ours == set()
    assert ours - cinder_rows == set()


def test_rows_begin_where_cinder_begins_them() -> None:
    """Below a row's first microversion Cinder looks at no policy, so nothing proves a right."""
    spans = installed.spans("cinder")
    assert sum(first is not None for first, _ in spans.values()) >= 54
    wrong = {
        f"{route.method} {route.path}": (route.first, route.last)
        for route in ROUTES
        if (route.first, route.last) != spans[route.method, route.path]
    }
    assert wrong == {}


def test_each_row_matches_itself_with_and_without_a_project() -> None:
    table = RouteTable(ROUTES)
    for route in ROUTES:
        path = route.path.replace("{", "x-").replace("}", "")
        plain = table.match(route.method, path)
        assert plain is not None
        assert plain.route is route
        project = table.match(route.method, "/0123456789abcdef" + path)
        assert project is not None
        assert project.route is route
        assert project.project_id == "0123456789abcdef"


def test_every_row_is_served() -> None:
    for route in ROUTES:
        assert route.way is not Way.LATER
        assert callable(ways.handler(route))
