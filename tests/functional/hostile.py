# SPDX-License-Identifier: Apache-2.0
"""Hostile requests, made from the route tables: the same ones for the same seed."""

import dataclasses
import itertools
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tests.functional import hostile_values as values
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.pipeline import Api

CALLERS = ("admin", "member", "reader", "other", None, "none of Keystone's")
_AIMS = ("path", "query", "query", "headers", "version", "body", "body", "body", "caller", "method")
#: Rounds of the rows with work of our own for one of those that are only passed on.
_OWN_ROUNDS = 4


@dataclasses.dataclass(frozen=True)
class Sent:
    """One request as bytes. ``what`` tells a reader which; ``whole`` is false for mere bytes,
    which may be half a request.
    """

    service: str
    what: str
    data: bytes
    method: str
    whole: bool = True


class Attacker:
    """Makes requests. ``known`` are ids that exist, by collection; ``tokens`` by caller.

    ``project`` is that of the callers ``member`` and ``reader``.
    """

    def __init__(
        self,
        seed: int,
        apis: Sequence[Api],
        known: Mapping[str, Sequence[str]],
        tokens: Mapping[str, str],
        project: str,
    ) -> None:
        self._random = random.Random(seed)
        self._rows = [(api, route) for api in apis for route in api.table.routes]
        self._known, self._tokens, self._project = known, tokens, project

    @property
    def rows(self) -> int:
        return len(self._rows)

    def requests(self, count: int) -> Iterator[Sent]:
        """So many requests; every row of every table comes before any comes again."""
        for turn in itertools.count():
            everything = turn % (_OWN_ROUNDS + 1) == 0
            rows = [row for row in self._rows if everything or _is_ours(row[1])]
            self._random.shuffle(rows)
            for api, route in rows:
                yield self._garbage(api) if self._one_in(25) else self._request(api, route)
                count -= 1
                if not count:
                    return

    def _any(self, kinds: Sequence[Sequence[Any]]) -> Any:
        return self._random.choice(self._random.choice(kinds))

    def _one_in(self, number: int) -> bool:
        return self._random.randrange(number) == 0

    def _garbage(self, api: Api) -> Sent:
        data = self._random.choice(values.GARBAGE)
        if self._one_in(2):
            # Hardly a request: a few bytes of a good one are others.
            changed = bytearray(b"GET /v2.1/servers?limit=1 HTTP/1.1\r\nHost: h\r\nA: b\r\n\r\n")
            for _ in range(self._random.randint(1, 4)):
                changed[self._random.randrange(len(changed) - 4)] = self._random.randrange(256)
            data = bytes(changed)
        return Sent(api.service, "bytes", data, "", whole=False)

    def _request(self, api: Api, route: Route) -> Sent:
        """A request that is as it should be, but for one or two things."""
        aims = set(self._random.choices(_AIMS, k=self._random.randint(1, 2)))
        method = self._random.choice(values.METHODS) if "method" in aims else route.method
        caller = self._random.choice(CALLERS if "caller" in aims else CALLERS[:2])
        path = self._path(api, route, "path" in aims)
        if caller in ("member", "reader") and self._one_in(4):
            path = path.replace(api.base, f"{api.base}/{self._project}", 1) if api.base else path
        query = self._query() if "query" in aims else ""
        lines = [f"{method} {path}{query} HTTP/1.1".encode()]
        odd = "headers" in aims and self._one_in(10)
        lines += [self._random.choice(values.HOSTS) if odd else b"Host: h", b"Connection: close"]
        if caller is not None:
            lines.append(b"X-Auth-Token: " + self._tokens.get(caller, "gAAAnone").encode())
        if api.scheme is not None and not self._one_in(5):
            version = b"%d.%d" % (route.last or self._some_version(api))
            if "version" in aims:
                version = self._random.choice(values.VERSIONS)
            if api.scheme.legacy and self._one_in(6):
                lines.append(api.scheme.legacy.encode() + b": " + version)
            else:
                lines.append(f"OpenStack-API-Version: {api.service} ".encode() + version)
        if "headers" in aims:
            lines.append(self._random.choice(values.HEADERS))
        body = b""
        if route.method in ("POST", "PUT", "PATCH") or "body" in aims:
            body = self._body(route, "body" in aims)
            lines.append(b"Content-Type: application/json")
            if self._one_in(10):
                lines.append(b"Transfer-Encoding: chunked")
                body = (b"%x\r\n%b\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
            else:
                lines.append(b"Content-Length: %d" % len(body))
        what = f"{api.service} {method} {route.path} by {caller}"
        return Sent(api.service, what, b"\r\n".join([*lines, b"", body]), method)

    def _path(self, api: Api, route: Route, hostile: bool) -> str:
        def filled(found: re.Match[str]) -> str:
            if hostile and self._one_in(2):
                return str(self._any(values.TEXTS))
            return self._random.choice(self._known.get(_collection(route, found), values.OTHERS))

        path = re.sub(r"{(\w+)}", filled, route.path)
        if hostile and self._one_in(8):
            path = f"/{self._any(values.TEXTS)}{path}"
        if hostile and self._one_in(10):
            path += self._random.choice(values.ENDS)
        return api.base + path

    def _query(self) -> str:
        if self._one_in(20):
            return "?" + "&".join(["a=b"] * self._random.choice((499, 500, 501, 5000)))
        names = [self._any(values.QUERIES) for _ in range(self._random.randint(1, 2))]
        return "?" + "&".join(f"{name}={self._value(name)}" for name in names)

    def _value(self, name: str) -> Any:
        if name in values.QUERIES[0] and not self._one_in(4):
            return self._random.choice(values.NUMBERS)
        return self._any(values.TEXTS)

    def _some_version(self, api: Api) -> tuple[int, int]:
        major, newest = (2, 104) if api.service == "compute" else (3, 71)
        return major, self._random.randint(1, newest) if self._one_in(2) else newest

    def _body(self, route: Route, hostile: bool) -> bytes:
        if hostile and self._one_in(6):
            return self._random.choice(values.BODIES)
        path = re.sub(r"{\w*id}$", "{id}", route.path) if route.method == "PUT" else route.path
        sample = values.SAMPLES.get((route.method, path))
        if (route.method, path) in values.PLAIN and self._one_in(2):
            sample = values.PLAIN[route.method, path]
        if sample is None and path.endswith("action"):
            sample = self._random.choice(values.ACTIONS)
        if sample is None:
            name = next(part for part in reversed(path.split("/")) if not part.startswith("{"))
            key = name.removeprefix("os-").replace("-", "_").rstrip("s")
            sample = {key: {"name": "a", "id": values.UUID}}
        text = json.dumps(sample)
        for collection, ids in self._known.items():
            text = text.replace(f"@{collection}@", self._random.choice(ids))
        document = json.loads(text)
        for _ in range(self._random.randint(1, 2) if hostile else 0):
            document = self._changed(document)
        depth = self._random.choice((99, 101, 254, 300, 900, 1020))
        return json.dumps(document).replace(f'"{values.DEEP}"', "[" * depth + "]" * depth).encode()

    def _changed(self, value: Any) -> Any:
        """The document with something in it that is another, gone, or too much."""
        if not isinstance(value, dict | list) or not value or self._one_in(8):
            return self._any(values.VALUES)
        keys = list(value) if isinstance(value, dict) else range(len(value))
        key = self._random.choice(keys)
        changed: Any = dict(value) if isinstance(value, dict) else list(value)
        if self._one_in(6):
            del changed[key]
        elif isinstance(value, dict) and self._one_in(6):
            changed[self._random.choice(values.KEYS)] = self._changed(None)
        else:
            changed[key] = self._changed(value[key])
        return changed


def _collection(route: Route, param: re.Match[str]) -> str:
    """What a parameter of a path is one of: the segment before it, or the first."""
    before = route.path[: param.start()].strip("/").split("/")[-1]
    return "servers" if param[1] == "server_id" else before.removesuffix("-detail")


def _is_ours(route: Route) -> bool:
    """Whether more is done for a row than to pass it on."""
    return route.handler is not None or route.way in (Way.SCATTERED, Way.MIRRORED, Way.LOCAL)
