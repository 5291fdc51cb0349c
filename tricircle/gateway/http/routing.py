# SPDX-License-Identifier: Apache-2.0
"""The shape of a route table: rows of method, path and the way each is served."""

import dataclasses
import enum
import re
from collections.abc import Awaitable, Callable, Iterable
from urllib.parse import unquote

from aiohttp import web

# What serves a row. A table does not know what it is called with: ``call.Handler`` does.
Serves = Callable[..., Awaitable[web.Response]]

# Nova and Cinder take a project id in the path only when it looks like this.
_PROJECT = re.compile(r"[0-9a-f-]+")


class Way(enum.Enum):
    """How a call is served."""

    ROUTED = "routed"  # lives in one pod, found by id
    SCHEDULED = "scheduled"  # a create: pick a pod, then remember
    SCATTERED = "scattered"  # ask all pods, merge
    MIRRORED = "mirrored"  # a definition that is the same in every pod
    LOCAL = "local"  # answered here
    ANY = "any"  # one healthy pod answers for all
    LATER = "later"  # not served yet, and says so


@dataclasses.dataclass(frozen=True, slots=True)
class Route:
    """One row: ``path`` has named segments in braces and no version or project.

    ``handler`` is needed where the way alone does not say what to do. ``id_param`` names the path
    parameter by which a ROUTED resource of ``resource_type`` is found. The service has the row from
    microversion ``first`` (None: from its beginning) to ``last`` (None: to this day).
    """

    method: str
    path: str
    way: Way
    handler: Serves | None = None
    resource_type: str = ""
    id_param: str = "id"
    last: tuple[int, int] | None = None
    first: tuple[int, int] | None = None

    def lasts(self, version: tuple[int, int] | None) -> bool:
        """Whether the service has the row at a microversion (None where there are none)."""
        if version is None:
            return True
        begun = self.first is None or self.first <= version
        return begun and (self.last is None or version <= self.last)


@dataclasses.dataclass(frozen=True, slots=True)
class Match:
    """A request's row, its decoded path parameters, and the project its path names."""

    route: Route
    params: dict[str, str]
    project_id: str | None
    path: str  # as sent (still percent-encoded), without version and project


class _Node:
    __slots__ = ("literals", "methods", "wildcard")

    def __init__(self) -> None:
        self.literals: dict[str, _Node] = {}
        self.wildcard: _Node | None = None
        self.methods: dict[str, tuple[Route, tuple[str, ...]]] = {}


class RouteTable:
    """Rows compiled to a tree of path segments; a literal segment wins over a parameter."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self.routes = tuple(routes)
        self._root = _Node()
        for route in self.routes:
            self._add(route)

    def _add(self, route: Route) -> None:
        node, names = self._root, []
        for segment in _segments(route.path):
            if segment.startswith("{"):
                names.append(segment[1:-1])
                node.wildcard = node.wildcard or _Node()
                node = node.wildcard
            else:
                node = node.literals.setdefault(segment, _Node())
        if route.method in node.methods:
            raise ValueError(f"Two rows for {route.method} {route.path}")
        node.methods[route.method] = (route, tuple(names))

    def match(self, method: str, path: str) -> Match | None:
        """The row for a raw path below the version (``/servers/x`` or ``/<project>/servers/x``).

        A path with a slash at its end is another, which only the root has.
        """
        segments = _segments(path)
        match = self._match(method, segments, None)
        if match is None and segments and _PROJECT.fullmatch(segments[0]):
            match = self._match(method, segments[1:], segments[0])
        return None if match and match.path and path.endswith("/") else match

    def methods(self, path: str) -> set[str]:
        """Every method some row has for this path."""
        segments = _segments(path)
        found = {m for node, _ in self._ends(segments) for m in node.methods}
        if segments and _PROJECT.fullmatch(segments[0]):
            found |= {m for node, _ in self._ends(segments[1:]) for m in node.methods}
        return found

    def _match(self, method: str, segments: list[str], project: str | None) -> Match | None:
        for node, values in self._ends(segments):
            if method in node.methods:
                route, names = node.methods[method]
                params = dict(zip(names, values, strict=True))
                return Match(route, params, project, "/" + "/".join(segments) if segments else "")
        return None

    def _ends(self, segments: list[str]) -> list[tuple[_Node, tuple[str, ...]]]:
        """The nodes a path leads to, the most literal first, with the values of its parameters."""
        ends: list[tuple[_Node, tuple[str, ...]]] = [(self._root, ())]
        for segment in segments:
            further = []
            for node, values in ends:
                if (literal := node.literals.get(segment)) is not None:
                    further.append((literal, values))
                # Between two slashes is nothing, which is nobody's name.
                if node.wildcard is not None and segment:
                    further.append((node.wildcard, (*values, unquote(segment))))
            ends = further
        return ends


def _segments(path: str) -> list[str]:
    stripped = path.strip("/")
    return stripped.split("/") if stripped else []
