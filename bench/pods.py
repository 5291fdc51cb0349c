# SPDX-License-Identifier: Apache-2.0
"""Simulated pods made for speed: as much of Nova, Cinder, Neutron and Placement as the gateway
asks of.

A pod takes the time a real one would, and says so: ``Pace``. Its servers and volumes are those of
a ``Population``, and those that were created.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
import time
import uuid
from collections.abc import Mapping
from urllib.parse import parse_qs

import orjson

from bench.http import Answer, Listener, Request
from bench.kinds import HANGS, KINDS, MUTE, Kind, type_id
from bench.population import ERRORS_EVERY, Population
from tricircle.pods.work_look import AGENT

_MOST = 1000
_FAULTS = {400: "badRequest", 404: "itemNotFound"}
_NETWORK = b'{"versions":[{"id":"v2.0","status":"CURRENT","links":[]}]}'


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """What a pod takes: seconds an answer, seconds more for each thing listed, seconds a create,
    each up to ``jitter`` (a share) more or less."""

    answer: float = 0.0
    listed: float = 0.0
    create: float = 0.0
    jitter: float = 0.0

    def of(self, listed: int = 0, create: bool = False) -> float:
        seconds = (self.create if create else self.answer) + self.listed * listed
        return seconds * (1 + self.jitter * random.uniform(-1, 1))


class Pod:
    """One pod, on one port: Nova below /compute, Cinder below /volume, Neutron below /network,
    Placement below /placement."""

    def __init__(
        self, number: int, population: Population, pace: Pace, projects: dict[str, str]
    ) -> None:
        self.number, self.population, self.pace = number, population, pace
        self.projects = projects  # {token: project id}
        self.trouble = ""
        self.created: dict[str, dict[str, dict[str, str]]] = {service: {} for service in KINDS}
        self.asked = self.lists = 0
        self.listener = Listener(self._handle)
        self._apis = {kind.service: _Api(self, kind) for kind in KINDS.values()}

    @property
    def region(self) -> str:
        return f"Pod{self.number}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    def _handle(self, request: Request) -> Answer | None:
        service, _, path = request.path[1:].partition("/")
        self.asked += 1
        if service == "network":
            return Answer(_NETWORK)
        if service == "placement":
            return self._placement()
        return self._apis[service].handle(request, "/" + path)

    def _placement(self) -> Answer:
        used = len(self.created["compute"])
        provider = {"resources": {"VCPU": {"capacity": 100000, "used": used},
                                  "MEMORY_MB": {"capacity": 10**8, "used": 0}}}  # fmt: skip
        return Answer(
            orjson.dumps({"provider_summaries": {"host": provider}}), delay=self.pace.of()
        )


class _Api:
    """One of the services of a pod that have things of a kind."""

    def __init__(self, pod: Pod, kind: Kind) -> None:
        self.pod, self.kind = pod, kind
        self._one = re.compile(re.escape(kind.collection) + r"/([^/]+)")
        self._made = pod.created[kind.service]  # {id: its values}

    def handle(self, request: Request, path: str) -> Answer | None:
        kind = self.kind
        if path in ("/", kind.base, f"{kind.base}/"):
            return self._versions(path)
        if request.headers.get("x-auth-token") not in self.pod.projects:
            return Answer(b'{"error":{"code":401,"message":"No"}}', 401)
        project = self.pod.projects[request.headers["x-auth-token"]]
        if path == kind.collection and request.method == "POST":
            return self._create(request, project)
        if path in (kind.collection, f"{kind.collection}/detail"):
            return self._list(request, project, path.endswith("detail"))
        if path in kind.more:
            return Answer(kind.more[path], delay=self.pod.pace.of())
        if found := self._one.fullmatch(path):
            return self._show(found[1], project)
        return self._error(404, "The resource could not be found.")

    def _versions(self, path: str) -> Answer:
        kind = self.kind
        version = {"id": kind.base[1:], "status": "CURRENT", "version": kind.newest,
                   "min_version": kind.oldest, "links": []}  # fmt: skip
        document = {"versions": [version]} if path == "/" else {"version": version}
        return Answer(orjson.dumps(document))

    def _error(self, status: int, message: str) -> Answer:
        name = (_FAULTS | dict(self.kind.faults)).get(status, "computeFault")
        return Answer(orjson.dumps({name: {"code": status, "message": message}}), status)

    # One

    def _show(self, given: str, project: str) -> Answer:
        kind, index = self.kind, self.pod.population.index(self.pod.number, given)
        if given in self._made:
            document = self._written(kind.document, self._made[given])
        elif index is not None:
            document = self._written(kind.document, self._computed(index, project))
        else:
            return self._error(404, f"{kind.one.title()} {given} could not be found.")
        return Answer(b'{"%s":%s}' % (kind.one.encode(), document), delay=self.pod.pace.of())

    def _computed(self, index: int, project: str) -> dict[str, str]:
        """What is known of one of the population."""
        kind, one, number = self.kind, self.pod.population, self.pod.number
        return {
            "id": one.id(number, index),
            "name": f"{kind.one}-{one.rank(number, index):08d}",
            "status": kind.failed if one.has_failed(index) else kind.fine,
            "created": kind.moment(one.created(number, index)),
            "project": project,
        }

    def _written(self, template: bytes, values: Mapping[str, str]) -> bytes:
        pod = self.pod
        more = {"url": f"{pod.url}/{self.kind.service}", "type": type_id(pod.number)}
        return template % {
            name.encode(): text.encode() for name, text in {**values, **more}.items()
        }

    # Many

    def _list(self, request: Request, project: str, detailed: bool) -> Answer:
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        limit = min(int(query.get("limit", _MOST)), _MOST)
        self.pod.lists += request.headers.get("user-agent") != AGENT
        if not self.pod.population.each:
            wanted = self._wanted_of_made(query, project)
        else:
            indices = self._wanted(query)
            if isinstance(indices, Answer):
                return indices
            wanted = [self._computed(index, project) for index in indices[:limit]]
        template = self.kind.document if detailed else self.kind.brief
        shown = [self._written(template, values) for values in wanted[:limit]]
        return self._page(shown, len(shown) == limit)

    def _wanted(self, query: dict[str, str]) -> range | Answer:
        """Indices of what a query lists of the population, in its order."""
        one, number = self.pod.population, self.pod.number
        step = ERRORS_EVERY if query.get("status") == self.kind.failed else 1
        wanted = range(0, one.each, step)
        # Names and ranks have one order; times the contrary one, newest first by default.
        backward = query.get("sort_dir", "desc") == "asc"
        if query.get("sort_key", "created_at") == self.kind.by_name:
            backward = not backward
        if "marker" in query:
            index = one.index(number, query["marker"])
            if index is None:
                return self._error(400, f"marker [{query['marker']}] not found")
            wanted = range(0, index, step) if backward else range(
                (index // step + 1) * step, one.each, step)  # fmt: skip
        return wanted[::-1] if backward else wanted

    def _wanted_of_made(self, query: dict[str, str], project: str) -> list[dict[str, str]]:
        """What a query lists of what was created, by when that was."""
        matches = re.compile(query.get("name", "")).search
        found = [
            values
            for values in self._made.values()
            if ("all_tenants" in query or values["project"] == project) and matches(values["name"])
        ]
        if not query.get("sort", "").endswith(":asc"):
            found.reverse()
        ids = [values["id"] for values in found]
        return found[ids.index(query["marker"]) + 1 :] if "marker" in query else found

    def _page(self, shown: list[bytes], more: bool) -> Answer:
        name = self.kind.many.encode()
        links = b',"%s_links":[{"rel":"next","href":"%s"}]' % (name, self.pod.url.encode())
        body = b'{"%s":[%s]%s}' % (name, b",".join(shown), links if more else b"")
        return Answer(body, delay=self.pod.pace.of(len(shown)))

    # New ones

    def _create(self, request: Request, project: str) -> Answer | None:
        kind, trouble = self.kind, self.pod.trouble
        if trouble == HANGS:
            return None
        if trouble in kind.refusals:
            answer = self._error(*kind.refusals[trouble])
        else:
            new = str(uuid.uuid4())
            name = json.loads(request.body)[kind.one]["name"]
            values = {"id": new, "name": name, "status": kind.fine,
                      "created": kind.moment(time.time()), "project": project}  # fmt: skip
            self._made[new] = values
            if trouble == MUTE:
                return None
            document = self._written(kind.created or kind.document, values)
            answer = Answer(b'{"%s":%s}' % (kind.one.encode(), document), 202)
        answer.delay = self.pod.pace.of(create=True)
        return answer
