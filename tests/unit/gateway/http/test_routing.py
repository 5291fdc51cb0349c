# SPDX-License-Identifier: Apache-2.0
"""How a path finds its row."""

import pytest

from tricircle.gateway.http.routing import Route, RouteTable, Way

TABLE = RouteTable(
    [
        Route("GET", "/servers", Way.ANY),
        Route("GET", "/servers/detail", Way.ANY),
        Route("GET", "/servers/{id}", Way.ANY),
        Route("DELETE", "/servers/{id}", Way.ANY),
        Route("PUT", "/servers/{server_id}/tags/{id}", Way.ANY),
    ]
)


@pytest.mark.parametrize(
    ("path", "row", "params", "project"),
    [
        ("/servers", "/servers", {}, None),
        ("/servers/detail", "/servers/detail", {}, None),
        ("/servers/details", "/servers/{id}", {"id": "details"}, None),
        ("/0a-1/servers", "/servers", {}, "0a-1"),
        ("/0a/servers/detail", "/servers/detail", {}, "0a"),
        # The project of a path is not looked at as an id, nor an id as a project.
        ("/servers/0a", "/servers/{id}", {"id": "0a"}, None),
    ],
)
def test_match(path: str, row: str, params: dict[str, str], project: str | None) -> None:
    match = TABLE.match("GET", path)
    assert match is not None
    assert (match.route.path, match.params, match.project_id) == (row, params, project)


@pytest.mark.parametrize(
    "path",
    ["/", "/server", "/servers/1/2", "/xyz/servers", "/0a/0b/servers", "/0A/servers", "/servers/",
     "/0a/servers/", "/servers/1/"],
)  # fmt: skip
def test_no_match(path: str) -> None:
    assert TABLE.match("GET", path) is None


def test_nothing_is_no_parameter() -> None:
    assert TABLE.match("PUT", "/servers/a/tags/b") is not None
    assert TABLE.match("PUT", "/servers//tags/b") is None


def test_a_method_no_row_has_is_no_match() -> None:
    assert TABLE.match("POST", "/servers/1") is None
    assert TABLE.match("HEAD", "/servers/1") is None
    assert TABLE.methods("/servers/1") == {"GET", "DELETE"}


def test_parameters_are_decoded_and_the_path_is_not() -> None:
    match = TABLE.match("PUT", "/0a/servers/1/tags/blue%20sky%2F1")
    assert match is not None
    assert match.params == {"server_id": "1", "id": "blue sky/1"}
    assert match.path == "/servers/1/tags/blue%20sky%2F1"


def test_two_rows_for_one_call_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="Two rows"):
        RouteTable([Route("GET", "/a/{x}", Way.ANY), Route("GET", "/a/{y}", Way.ANY)])
