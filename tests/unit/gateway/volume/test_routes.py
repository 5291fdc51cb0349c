# SPDX-License-Identifier: Apache-2.0
"""The volume route table: every row is found and served."""

from tricircle.gateway import default_handlers
from tricircle.gateway.http.routing import RouteTable, Way
from tricircle.gateway.volume.resources import TYPES
from tricircle.gateway.volume.routes import ROUTES


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
        assert callable(default_handlers.handler(route))


def test_what_is_found_by_its_id_is_of_a_known_type() -> None:
    known = {one.name for one in TYPES}
    for route in ROUTES:
        if route.resource_type or (route.way is Way.ROUTED and route.handler is None):
            assert route.resource_type in known, route
            assert f"{{{route.id_param}}}" in route.path
