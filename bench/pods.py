# SPDX-License-Identifier: Apache-2.0
"""Simulated pods made for speed: as much of Nova, Neutron and Placement as the gateway asks of.

A pod takes the time a real one would, and says so: ``Pace``. Its servers are those of a
``Population``, and those that were created.
"""

from __future__ import annotations

import dataclasses
import json
import random
import re
import time
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs

import orjson

from bench.http import Answer, Listener, Request
from bench.population import ERRORS_EVERY, Population, stamp

_MOST = 1000
_SERVER = re.compile(r"/v2\.1/servers/([^/]+)")


@dataclasses.dataclass(frozen=True, slots=True)
class Pace:
    """What a pod takes: seconds an answer, seconds more for each server listed, seconds a create,
    each up to ``jitter`` (a share) more or less."""

    answer: float = 0.0
    listed: float = 0.0
    create: float = 0.0
    jitter: float = 0.0

    def of(self, servers: int = 0, create: bool = False) -> float:
        seconds = (self.create if create else self.answer) + self.listed * servers
        return seconds * (1 + self.jitter * random.uniform(-1, 1))


def _template() -> bytes:
    """A server's document as Nova writes it at 2.79, with the places of what differs."""
    image = "70a599e0-31e7-49b7-b260-868f441e862b"
    url = f"http://pod.example.org:8774/images/{image}"
    document = {
        "id": "%(id)s", "name": "%(name)s", "status": "%(status)s",
        "tenant_id": "%(project)s", "user_id": "f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0",
        "metadata": {"role": "web", "owner": "team-a"},
        "hostId": "2091634baaccdc4c5a1d57069c833e402921df696b7f970791b12ec6",
        "image": {"id": image, "links": [{"rel": "bookmark", "href": url}]},
        "flavor": {"vcpus": 1, "ram": 512, "disk": 1, "ephemeral": 0, "swap": 0,
                   "original_name": "m1.tiny", "extra_specs": {"hw:numa_nodes": "1"}},
        "created": "%(created)s", "updated": "%(created)s",
        "addresses": {"private": [{
            "addr": "192.168.1.30", "version": 4, "OS-EXT-IPS-MAC:mac_addr": "00:0c:29:0d:11:74",
            "OS-EXT-IPS:type": "fixed"}]},
        "accessIPv4": "", "accessIPv6": "",
        "links": [{"rel": "self", "href": "%(url)s/v2.1/servers/%(id)s"},
                  {"rel": "bookmark", "href": "%(url)s/servers/%(id)s"}],
        "OS-DCF:diskConfig": "AUTO", "OS-EXT-AZ:availability_zone": "nova", "config_drive": "",
        "key_name": "mykey", "OS-SRV-USG:launched_at": "2026-01-01T00:00:00.000000",
        "OS-SRV-USG:terminated_at": None, "security_groups": [{"name": "default"}],
        "OS-EXT-STS:task_state": None, "OS-EXT-STS:vm_state": "active",
        "OS-EXT-STS:power_state": 1, "os-extended-volumes:volumes_attached": [], "progress": 0,
        "locked": False, "locked_reason": None, "description": "%(name)s", "tags": [],
        "trusted_image_certificates": None,
    }  # fmt: skip
    return orjson.dumps(document)


_DOCUMENT = _template()
_BRIEF = (
    b'{"id":"%(id)s","name":"%(name)s","links":['
    b'{"rel":"self","href":"%(url)s/v2.1/servers/%(id)s"},'
    b'{"rel":"bookmark","href":"%(url)s/servers/%(id)s"}]}'
)


def _keyed(template: bytes, **values: str) -> bytes:
    return template % {name.encode(): value.encode() for name, value in values.items()}


def error(status: int, message: str) -> Answer:
    name = {400: "badRequest", 403: "forbidden", 404: "itemNotFound"}.get(status, "computeFault")
    return Answer(orjson.dumps({name: {"code": status, "message": message}}), status)


#: What may be wrong with a pod's creates.
QUOTA, NO_HOST, HANGS, MUTE = "quota", "no host", "hangs", "mute"


class Pod:
    """One pod, on one port: Nova below /compute, Neutron below /network, Placement below
    /placement."""

    def __init__(
        self, number: int, population: Population, pace: Pace, projects: dict[str, str]
    ) -> None:
        self.number, self.population, self.pace = number, population, pace
        self.projects = projects  # {token: project id}
        self.trouble = ""
        self.created: dict[str, dict[str, str]] = {}
        self.asked = 0
        self.listener = Listener(self._handle)

    @property
    def region(self) -> str:
        return f"Pod{self.number}"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.listener.port}"

    def _handle(self, request: Request) -> Answer | None:
        service, _, path = request.path[1:].partition("/")
        self.asked += 1
        return _SERVICES[service](self, request, "/" + path)

    # Neutron and Placement: only what probes and the scheduler ask

    def _network(self, request: Request, path: str) -> Answer:
        return Answer(b'{"versions":[{"id":"v2.0","status":"CURRENT","links":[]}]}')

    def _placement(self, request: Request, path: str) -> Answer:
        provider = {"resources": {"VCPU": {"capacity": 100000, "used": len(self.created)},
                                  "MEMORY_MB": {"capacity": 10**8, "used": 0}}}  # fmt: skip
        return Answer(
            orjson.dumps({"provider_summaries": {"host": provider}}), delay=self.pace.of()
        )

    # Nova

    def _compute(self, request: Request, path: str) -> Answer | None:
        if path in ("/", "/v2.1", "/v2.1/"):
            version = {"id": "v2.1", "status": "CURRENT", "version": "2.96", "min_version": "2.1"}
            return Answer(orjson.dumps({"version": version}))
        if request.headers.get("x-auth-token") not in self.projects:
            return Answer(b'{"error":{"code":401,"message":"No"}}', 401)
        project = self.projects[request.headers["x-auth-token"]]
        if request.method == "POST" and path == "/v2.1/servers":
            return self._create(request, project)
        if path in ("/v2.1/servers", "/v2.1/servers/detail"):
            return self._list(request, project, path.endswith("detail"))
        if found := _SERVER.fullmatch(path):
            return self._show(found[1], project)
        return error(404, "The resource could not be found.")

    def _show(self, server_id: str, project: str) -> Answer:
        if server_id in self.created:
            document = self._document(_DOCUMENT, **self.created[server_id])
        elif (index := self.population.index(self.number, server_id)) is not None:
            document = self._computed(_DOCUMENT, index, project)
        else:
            return error(404, f"Instance {server_id} could not be found.")
        return Answer(b'{"server":' + document + b"}", delay=self.pace.of())

    def _computed(self, template: bytes, index: int, project: str) -> bytes:
        one, number = self.population, self.number
        return self._document(
            template,
            id=one.id(number, index),
            name=one.name(number, index),
            status=one.status(index),
            created=one.created(number, index),
            project=project,
        )

    def _document(self, template: bytes, **values: str) -> bytes:
        return _keyed(template, url=f"{self.url}/compute", **values)

    def _list(self, request: Request, project: str, detailed: bool) -> Answer:
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        template = _DOCUMENT if detailed else _BRIEF
        limit = min(int(query.get("limit", _MOST)), _MOST)
        if "name" in query:
            shown = self._named(template, query["name"], project)[:limit]
            return self._page(shown, False, request)
        wanted = self._wanted(query)
        if isinstance(wanted, Answer):
            return wanted
        some = wanted[:limit]
        shown = [self._computed(template, index, project) for index in some]
        return self._page(shown, len(some) == limit, request)

    def _wanted(self, query: dict[str, str]) -> range | Answer:
        """Indices of the servers a query lists, in its order."""
        step = ERRORS_EVERY if query.get("status") == "ERROR" else 1
        wanted = range(0, self.population.each, step)
        # Names and ranks have one order; times the contrary one, newest first by default.
        backward = query.get("sort_dir", "desc") == "asc"
        if query.get("sort_key", "created_at") == "display_name":
            backward = not backward
        if "marker" in query:
            index = self.population.index(self.number, query["marker"])
            if index is None:
                return error(400, f"marker [{query['marker']}] not found")
            wanted = range(0, index, step) if backward else range(
                (index // step + 1) * step, self.population.each, step)  # fmt: skip
        return wanted[::-1] if backward else wanted

    def _named(self, template: bytes, pattern: str, project: str) -> list[bytes]:
        matches = re.compile(pattern).search
        found = [
            server
            for server in self.created.values()
            if server["project"] == project and matches(server["name"])
        ]
        return [self._document(template, **server) for server in reversed(found)]

    def _page(self, shown: list[bytes], more: bool, request: Request) -> Answer:
        links = b',"servers_links":[{"rel":"next","href":"%s"}]' % self.url.encode()
        body = b'{"servers":[' + b",".join(shown) + b"]" + (links if more else b"") + b"}"
        return Answer(body, delay=self.pace.of(len(shown)))

    def _create(self, request: Request, project: str) -> Answer | None:
        if self.trouble == HANGS:
            return None
        if self.trouble == QUOTA:
            answer = error(403, "Quota exceeded for instances: Requested 1, but already used 10 "
                                "of 10 instances")  # fmt: skip
        elif self.trouble == NO_HOST:
            answer = error(500, "No valid host was found. There are not enough hosts available.")
        else:
            server_id = str(uuid.uuid4())
            wanted = json.loads(request.body)["server"]
            self.created[server_id] = {
                "id": server_id, "name": wanted["name"], "status": "ACTIVE",
                "created": stamp(time.time()), "project": project,
            }  # fmt: skip
            links = [{"rel": "self", "href": f"{self.url}/compute/v2.1/servers/{server_id}"}]
            told = {"id": server_id, "links": links, "OS-DCF:diskConfig": "MANUAL",
                    "security_groups": [{"name": "default"}], "adminPass": "zPnp2Gs"}  # fmt: skip
            answer = Answer(orjson.dumps({"server": told}), 202)
            if self.trouble == MUTE:
                return None
        answer.delay = self.pace.of(create=True)
        return answer


_SERVICES: dict[str, Callable[[Pod, Request, str], Any]] = {
    "compute": Pod._compute,
    "network": Pod._network,
    "placement": Pod._placement,
}
