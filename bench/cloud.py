# SPDX-License-Identifier: Apache-2.0
"""A simulated cloud in a process of its own: the tests' Keystone and central Neutron, and pods made
for speed."""

from __future__ import annotations

import asyncio
import dataclasses
import multiprocessing
from multiprocessing.connection import Connection
from typing import Any

from bench.kinds import KINDS
from bench.pods import Pace, Pod
from bench.population import Population
from tests.functional.fakes.central import CentralNeutron
from tests.functional.fakes.http import Journal, LoopThread
from tests.functional.fakes.keystone import Keystone

REGION = "RegionOne"


_IN_CATALOGUE = {"volume": "block-storage"}


def endpoints(port: int) -> dict[str, str]:
    """{service: URL} of the pod on a port."""
    base = f"http://127.0.0.1:{port}"
    plain = {service: f"{base}/{service}" for service in ("network", "placement")}
    return plain | {kind.service: f"{base}/{kind.service}{kind.base}" for kind in KINDS.values()}


@dataclasses.dataclass(frozen=True, slots=True)
class Facts:
    """What a cloud tells of itself: ``tokens`` is {project name: token of a member}, ``ports``
    {region: port}."""

    keystone: str
    tokens: dict[str, str]
    projects: dict[str, str]
    ports: dict[str, int]


class _Cloud:
    def __init__(self, population: Population, pace: Pace, projects: int) -> None:
        thread, journal = LoopThread(), Journal()
        self.keystone = Keystone(thread, journal)
        self.keystone.start()
        self.central = CentralNeutron(thread, journal, self.keystone)
        self.central.start()
        service = self.keystone.user("tricircle", "service", "admin", "service")
        self.tokens: dict[str, str] = {}
        known: dict[str, str] = {}
        for number in range(projects):
            name = f"project{number}"
            self.keystone.user(f"user{number}", name, "member", "reader")
            token = self.keystone.issue(f"user{number}").id
            self.tokens[name] = token
            known[token] = self.keystone.projects[name].id
        accepted = _Tokens(known, self.keystone, service.name)
        self.pods = [Pod(number, population, pace, accepted) for number in range(population.pods)]

    async def open(self) -> Facts:
        self.keystone.region(REGION)
        self.keystone.endpoint(REGION, "identity", f"{self.keystone.url}/v3")
        self.keystone.endpoint(REGION, "network", self.central.url)
        for pod in self.pods:
            await pod.listener.open()
            self.keystone.region(pod.region, REGION)
            for service, url in endpoints(pod.listener.port).items():
                self.keystone.endpoint(pod.region, _IN_CATALOGUE.get(service, service), url)
        projects = {name: self.keystone.projects[name].id for name in self.tokens}
        ports = {pod.region: pod.listener.port for pod in self.pods}
        return Facts(self.keystone.url, self.tokens, projects, ports)

    def created(self, service: str) -> list[tuple[str, str]]:
        """(id, name) of what was made in all pods."""
        return [
            (given, values["name"])
            for pod in self.pods
            for given, values in pod.created[service].items()
        ]

    def asked(self) -> int:
        return sum(pod.asked for pod in self.pods)

    def lists(self) -> int:
        """Lists that pods were asked for, but by probes."""
        return sum(pod.lists for pod in self.pods)

    def trouble(self, number: int, what: str) -> None:
        self.pods[number].trouble = what

    def shut(self, number: int) -> None:
        self.pods[number].listener.shut()

    def open_again(self, number: int) -> None:
        self._opening = asyncio.ensure_future(self.pods[number].listener.open())


class _Tokens(dict[str, str]):
    """{token: project id}: the members', and whatever Keystone has given the service user."""

    def __init__(self, members: dict[str, str], keystone: Keystone, service: str) -> None:
        super().__init__(members)
        self._keystone, self._service = keystone, service

    def __contains__(self, token: object) -> bool:
        return super().__contains__(token) or token in self._keystone.tokens

    def __missing__(self, token: str) -> str:
        return self._keystone.tokens[token].project_id


async def _serve(pipe: Connection, *given: Any) -> None:
    cloud = _Cloud(*given)
    pipe.send(await cloud.open())
    loop, ended = asyncio.get_running_loop(), asyncio.Event()

    def told() -> None:
        name, *arguments = pipe.recv()
        if name == "end":
            ended.set()
        else:
            pipe.send(getattr(cloud, name)(*arguments))

    loop.add_reader(pipe.fileno(), told)
    await ended.wait()


def _run(*given: Any) -> None:
    asyncio.run(_serve(*given))


class Cloud:
    """So many pods; ``tell`` calls a method of the cloud in its process."""

    def __init__(self, population: Population, pace: Pace, projects: int = 1) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.get_context("spawn").Process(
            target=_run, args=(theirs, population, pace, projects), daemon=True
        )
        self.facts: Facts

    def __enter__(self) -> Cloud:
        self._process.start()
        self.facts = self._pipe.recv()
        return self

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def tell(self, name: str, *arguments: Any) -> Any:
        self._pipe.send((name, *arguments))
        return self._pipe.recv()

    def __exit__(self, *error: object) -> None:
        self._pipe.send(("end",))
        self._process.join(5)
        if self._process.is_alive():
            self._process.kill()
