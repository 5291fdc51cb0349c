# SPDX-License-Identifier: Apache-2.0
"""The compute route table against the routes of the installed Nova."""

import pytest

from tricircle.gateway.compute.routes import ROUTES
from tricircle.gateway.routes import RouteTable, Way


@pytest.fixture(scope="module")
def nova_rows() -> set[tuple[str, str]]:
    routes = pytest.importorskip("nova.api.openstack.compute.routes")
    return {
        (method, path)
        for path, methods in routes.ROUTE_LIST
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


def test_retired_calls_are_answered_by_a_pod(nova_rows: set[tuple[str, str]]) -> None:
    """Nova marks what it has removed; those rows must never wait for us."""
    compute = pytest.importorskip("nova.api.openstack.compute")
    assert compute is not None
    later = {(r.method, r.path) for r in ROUTES if r.way is Way.LATER and r.last is None}
    retired = {
        (method, path)
        for method, path in nova_rows
        for prefix in ("/os-agents", "/os-cells", "/os-certificates", "/os-cloudpipe", "/os-fping")
        if path.startswith(prefix)
    }
    assert not later & retired
