# SPDX-License-Identifier: Apache-2.0
"""The compute route table against the routes of the installed Nova."""

from typing import Any
from unittest import mock

import pytest
from oslo_config import cfg

from tests import installed
from tricircle.gateway import ways
from tricircle.gateway.compute.routes import ROUTES
from tricircle.gateway.routes import RouteTable, Way

WAYS = {(route.method, route.path): route.way for route in ROUTES}


@pytest.fixture(scope="module")
def nova() -> Any:
    """Nova's own table. Its options are kept apart from ours: some have the same names."""
    with mock.patch.object(cfg, "CONF", cfg.ConfigOpts()):
        return pytest.importorskip("nova.api.openstack.compute.routes")


@pytest.fixture(scope="module")
def nova_rows(nova: Any) -> set[tuple[str, str]]:
    return {
        (method, path)
        for path, methods in nova.ROUTE_LIST
        if not isinstance(methods, str)  # a redirect of the empty path
        for method in methods
    }


def test_every_row_of_nova_is_here_and_no_other(nova_rows: set[tuple[str, str]]) -> None:
    ours = {(route.method, route.path) for route in ROUTES}
    assert nova_rows - ours == set()
    assert ours - nova_rows == set()


def test_each_row_matches_itself_with_and_without_a_project() -> None:
    table = RouteTable(ROUTES)
    for route in ROUTES:
        path = route.path.replace("{", "x-").replace("}", "")
        plain = table.match(route.method, path)
        assert plain is not None
        assert plain.route is route
        assert plain.project_id is None
        project = table.match(route.method, "/0123456789abcdef" + path)
        assert project is not None
        assert project.route is route
        assert project.project_id == "0123456789abcdef"
        assert project.path == (path if path != "/" else "")


def test_what_nova_has_retired_a_pod_answers(nova: Any) -> None:
    """Nova marks the functions it has removed: those rows must not wait for us."""
    checked = 0
    for path, methods in nova.ROUTE_LIST:
        for method, (controller, action) in () if isinstance(methods, str) else methods.items():
            function = getattr(controller.args[0], action, None)
            if getattr(function, "removed", False):
                checked += 1
                assert WAYS[method, path] is Way.ANY, (method, path)
    assert checked > 30


def test_rows_begin_where_nova_begins_them() -> None:
    """Below a row's first microversion Nova looks at no policy, so nothing proves a right."""
    begins = {row: first for row, (first, _) in installed.spans("nova").items()}
    assert sum(first is not None for first in begins.values()) >= 18
    assert {(route.method, route.path): route.first for route in ROUTES} == begins


def test_rows_end_where_nova_ends_them() -> None:
    """A row we answer ourselves must not go on at microversions where a pod has no such call."""
    ends = {row: last for row, (_, last) in installed.spans("nova").items()}
    assert sum(end is not None for end in ends.values()) > 40
    wrong = {
        f"{route.method} {route.path}": (route.last, ends[route.method, route.path])
        for route in ROUTES
        if route.handler is not None
        and (route.way is not Way.ROUTED or route.last is not None)
        and route.last != ends[route.method, route.path]
    }
    assert wrong == {}


def test_every_row_has_someone_to_serve_it() -> None:
    for route in ROUTES:
        assert callable(ways.handler(route))


def test_a_row_that_waits_says_so_in_one_way_only() -> None:
    for route in ROUTES:
        if route.way is Way.LATER:
            assert route.handler is None
