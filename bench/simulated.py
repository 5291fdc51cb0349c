# SPDX-License-Identifier: Apache-2.0
"""Simulated pods for benchmarks: the tests' fake services, in a process of their own.

They take any token; who asks is not what is measured. Calls are counted by method and collection.
"""

from __future__ import annotations

import collections
import multiprocessing
import os
from multiprocessing.connection import Connection
from typing import Any

from lab import identity, tricircle
from lab.settings import REGION, Lab
from tests.functional.fakes.cinder import Cinder
from tests.functional.fakes.cloud import Pod
from tests.functional.fakes.http import Journal, LoopThread
from tests.functional.fakes.keystone import Keystone, Token
from tests.functional.fakes.neutron import Neutron
from tests.functional.fakes.nova import Nova
from tests.functional.fakes.placement import Placement

_PREFIX = "Sim"

Calls = collections.Counter[tuple[str, str, str]]


class _AnyToken(Keystone):
    """Takes every caller for the administrator."""

    def __init__(self, thread: LoopThread, journal: Journal) -> None:
        super().__init__(thread, journal)
        self._admin = self.user("admin", "admin", "admin", "member", "service")

    def validate(self, secret: str | None) -> Token | None:
        return Token(self._admin, self.projects["admin"], ("admin", "member", "service"))


def _serve(regions: list[str], pipe: Connection) -> None:
    """Serve until the pipe says "end"; "calls" asks for the calls since the last time, "away" and
    "back" stop and start all pods."""
    thread, journal = LoopThread(), Journal()
    keystone = _AnyToken(thread, journal)
    ports, pods = {}, []
    for region in regions:
        neutron = Neutron(thread, f"{region}/network", journal, keystone)
        # What is measured is not the pods' quotas.
        neutron.quota = dict.fromkeys(neutron.quota, 1_000_000)
        nova = Nova(thread, f"{region}/compute", journal, keystone, neutron, {})
        placement = Placement(thread, f"{region}/placement", journal, keystone)
        cinder = Cinder(thread, f"{region}/volume", journal, keystone, {})
        pods.append(Pod(region, nova, neutron, placement, cinder))
        pods[-1].start()
        ports[region] = {"compute": nova.url + "/v2.1", "network": neutron.url,
                         "placement": placement.url}  # fmt: skip
    pipe.send(ports)
    while (asked := pipe.recv()) != "end":
        if asked != "calls":
            for pod in pods:
                pod.stop() if asked == "away" else pod.start()
            pipe.send(asked)
            continue
        calls: Calls = collections.Counter(
            (entry.service, entry.method, _collection(entry.path))
            for entry in journal.entries
            if entry.service.endswith("/network")
        )
        journal.clear()
        pipe.send(calls)


def _collection(path: str) -> str:
    parts = path.split("/")
    return parts[2] if len(parts) > 2 else path


class SimulatedPods:
    """So many pods beside a lab's, registered with its Keystone and its Tricircle."""

    def __init__(self, lab: Lab, number: int) -> None:
        self.lab = lab
        # Names of this run's own: where the pods of another one were is remembered for a while.
        self.regions = [f"{_PREFIX}{os.getpid()}-{index}" for index in range(1, number + 1)]
        self._pipe, theirs = multiprocessing.Pipe()
        context = multiprocessing.get_context("spawn")
        self._process = context.Process(target=_serve, args=(self.regions, theirs), daemon=True)

    def __enter__(self) -> SimulatedPods:
        self._forget()  # those of a run that was killed
        self._process.start()
        urls: dict[str, dict[str, str]] = self._pipe.recv()
        keystone = identity.connection(self.lab).identity
        services = {service.type: service.id for service in keystone.services()}
        for region in self.regions:
            keystone.create_region(id=region, parent_region_id=REGION)
            for kind, url in urls[region].items():
                for interface in ("public", "internal"):
                    keystone.create_endpoint(
                        service_id=services[kind], region_id=region, interface=interface, url=url
                    )
            self._admin("POST", "/pods", json={"pod": {
                "region_name": region, "availability_zone": region.lower(),
                "pod_availability_zone": "", "dc_name": "simulated",
            }})  # fmt: skip
        return self

    def calls(self) -> Calls:
        """The calls to the pods' Neutrons since the last time."""
        self._pipe.send("calls")
        counted: Calls = self._pipe.recv()
        return counted

    def away(self) -> None:
        """No pod answers from now on, until they are ``back``."""
        self._ask("away")

    def back(self) -> None:
        self._ask("back")

    def _ask(self, what: str) -> None:
        self._pipe.send(what)
        self._pipe.recv()

    def __exit__(self, *error: object) -> None:
        self._forget()
        self._pipe.send("end")
        self._process.join(10)

    def _forget(self) -> None:
        keystone = identity.connection(self.lab).identity
        for pod in self._admin("GET", "/pods")["pods"]:
            if pod["region_name"].startswith(_PREFIX):
                self._admin("DELETE", f"/pods/{pod['id']}")
        for endpoint in list(keystone.endpoints()):
            if str(endpoint.region_id).startswith(_PREFIX):
                keystone.delete_endpoint(endpoint)
        for region in list(keystone.regions()):
            if region.id.startswith(_PREFIX):
                keystone.delete_region(region)

    def _admin(self, method: str, path: str, **more: Any) -> Any:
        url = f"{self.lab.url('admin')}/tricircle/v1.0{path}"
        reply = tricircle.connect(self.lab).session.request(url, method, **more)
        return reply.json() if reply.content else None
