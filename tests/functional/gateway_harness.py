# SPDX-License-Identifier: Apache-2.0
"""The gateway's real applications over a fake cloud, and a client to call them with."""

import asyncio
import dataclasses
import functools
import inspect
import json
import textwrap
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from keystonemiddleware import auth_token
from multidict import CIMultiDictProxy

from tests import database as databases
from tests.functional.fakes import deadlines
from tests.functional.fakes.cloud import MANAGED_DOMAIN, MEMBERS, Cloud, signing_key
from tests.functional.fakes.faults import Kind
from tricircle.conf import CONF
from tricircle.db import models, pods, session
from tricircle.db.models import now
from tricircle.gateway import app, pipeline, process, threads
from tricircle.gateway.compute.servers import deletion, lost_creation
from tricircle.gateway.http import server as http_server
from tricircle.gateway.services import Services
from tricircle.gateway.volume import deletion as volume_deletion
from tricircle.gateway.volume import lost_creation as volume_lost_creation
from tricircle.pods import availability
from tricircle.pods.access import accesses
from tricircle.pods.access.base import split
from tricircle.pods.access.sealing import seal
from tricircle.pods.availability import Health
from tricircle.pods.discovery import SERVICES
from tricircle.pods.pod import DOWN
from tricircle.scheduling import capacity, weighers

#: Deadlines of a gateway that nothing keeps waiting, in seconds: no machine is that busy.
PATIENT = {"list_deadline": 20.0, "request_deadline": 20.0, "nowhere_seconds": 0.0}
#: Deadlines of a gateway that waits for them to pass.
LIST_DEADLINE = 1.0
REQUEST_DEADLINE = 1.5
IMPATIENT = {"list_deadline": LIST_DEADLINE, "request_deadline": REQUEST_DEADLINE}

MARKER_KEY = "sixteen letters or more"
FEDERATION_KEY = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

Query = Mapping[str, str] | list[tuple[str, str]]

# It copies hundreds of options for each of its middlewares, of which each test makes some.
auth_token.list_opts = functools.cache(auth_token.list_opts)
#: what a database with the pods in it holds, and {region: pod id}; by where the pods are
_prepared: dict[Any, tuple[bytes, dict[str, str]]] = {}


@dataclasses.dataclass(frozen=True)
class Answer:
    """What the gateway answered; the body is read whole."""

    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def message(self) -> str:
        """The text of an error, whatever its envelope is called."""
        ((_, error),) = self.json.items()
        return str(error["message"])

    def ok(self, status: int | None = None) -> Any:
        """The decoded body of an answer that must be a success (of that status)."""
        assert self.status < 400, (self.status, self.body)
        assert status in (None, self.status), (self.status, self.body)
        return self.json if self.body else None


def write_config(path: Path, cloud: Cloud, database: str, **gateway: Any) -> None:
    """A configuration file for Tricircle's processes over ``cloud``."""
    more = "\n".join(f"{name} = {value}" for name, value in (PATIENT | gateway).items())
    text = f"""
    [tricircle_database]
    connection = {database}
    [gateway]
    listen = 127.0.0.1
    """
    identity = f"""
    [pods]
    connect_deadline = 10
    probe_interval = 0.2
    probe_deadline = 10
    cache_seconds = 0.1
    breaker_failures = 3
    breaker_seconds = 0.3
    [reconciler]
    call_deadline = 2
    bind_deadline = 2
    creation_grace = 1
    poll_interval = 0.1
    [markers]
    secrets = {MARKER_KEY}
    [federation]
    seal_keys = {FEDERATION_KEY}
    signing_keys = {signing_key() if "jwt" in cloud.federated.values() else ""}
    refused_seconds = 0.2
    [quota]
    instances = 1000
    cores = -1
    ram = -1
    [tricircle_identity]
    www_authenticate_uri = {cloud.keystone.url}/v3
    auth_type = password
    auth_url = {cloud.keystone.url}/v3
    username = tricircle
    password = secret
    project_name = service
    user_domain_id = default
    project_domain_id = default
    """
    path.write_text(f"{textwrap.dedent(text)}\n{more}\n{textwrap.dedent(identity)}")


def add_pods(cloud: Cloud, only: str | None = None) -> dict[str, str]:
    """Write every fake pod, or one, to the Tricircle database, as up; gives {region: pod id}."""
    versions = {
        "compute": {"min": "2.1", "max": "2.104"},
        "volume": {"min": "3.0", "max": "3.71"},
        "placement": {"min": "1.0", "max": "1.39"},
    }
    made = {}
    for region, zone in cloud.zones.items():
        if only not in (None, region):
            continue
        row = pods.create(
            {
                "region_name": region,
                "availability_zone": zone,
                "pod_availability_zone": "nova",
                "health": "up",
                "endpoints": _endpoints(cloud, region),
                "versions": versions,
                **access_of(cloud, region),
            }
        )
        made[region] = row.id
    return made


def access_of(cloud: Cloud, region: str) -> dict[str, Any]:
    """The columns that say how a pod is entered."""
    if cloud.pods[region].keystone is None:
        return {}
    kind, config = entrance(cloud, region)
    open_part, secret = split(accesses.kinds()[kind].completed(config))
    return {
        "access": kind,
        "access_config": open_part,
        "access_secrets": seal(secret),
    }


def entrance(cloud: Cloud, region: str) -> tuple[str, dict[str, Any]]:
    """The kind of a pod's access, and what an operator tells of it."""
    kind, told = cloud.federated[region], managed(cloud, region)
    if kind == "managed":
        return kind, told
    told = {name: told[name] for name in ("auth_url", "insecure", "service")}
    if kind.startswith("k2k"):
        return "k2k", {**told, "service_provider": region}
    if kind == MEMBERS:
        return "credentials", {**told, "privileged": False}
    return kind, told


def managed(cloud: Cloud, region: str) -> dict[str, Any]:
    """What an operator tells of a pod with a Keystone of its own."""
    keystone = cloud.pods[region].keystone
    assert keystone is not None
    return {
        "auth_url": f"{keystone.url}/v3",
        "insecure": True,
        "domain": MANAGED_DOMAIN,
        "manager": {"username": "tricircle-manager", "password": f"manager of {region}"},
        "service": {
            "username": "tricircle-there",
            "password": "secret",
            "project_name": "service there",
        },
    }


def _endpoints(cloud: Cloud, region: str) -> dict[str, str]:
    pod = cloud.pods[region]
    found = {
        "compute": f"{pod.nova.url}/v2.1",
        "network": pod.neutron.url,
        "placement": pod.placement.url,
        "volume": f"{pod.cinder.url}/v3",
    }
    return found | ({"image": pod.glance.url} if pod.glance else {})


def _make_database(url: str, cloud: Cloud) -> dict[str, str]:
    """An SQLite database with every fake pod in it, for ``CONF``; gives {region: pod id}."""
    where = [(region, zone, _endpoints(cloud, region)) for region, zone in cloud.zones.items()]
    own = [cloud.pods[region].keystone for region in cloud.zones]
    known = json.dumps([where, cloud.federated, [one.url if one else "" for one in own]])
    if known not in _prepared:
        databases.make(url)
        pod_ids = add_pods(cloud)
        session.reset()
        _prepared[known] = databases.path_of(url).read_bytes(), pod_ids
    content, pod_ids = _prepared[known]
    databases.write(url, content)
    databases.keep_engine(url)
    return dict(pod_ids)


class Volumes:
    """The Block Storage API of a running gateway; ``path`` is below /v3."""

    def __init__(self, gateway: "Gateway", url: str) -> None:
        self.gateway, self.url = gateway, url

    async def call(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        version = more.pop("version", None)
        headers = dict(more.pop("headers", None) or {})
        if version is not None:
            headers.setdefault("OpenStack-API-Version", f"volume {version}")
        more.setdefault("base", f"{self.url}/v3")
        return await self.gateway.call(method, path, body, headers=headers, **more)

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.call("POST", path, body, **more)

    async def put(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.call("PUT", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.call("DELETE", path, **more)


class Gateway:
    """A running gateway. ``pod_ids`` is {region: id}; its Block Storage API is in ``volumes``."""

    def __init__(
        self,
        cloud: Cloud,
        services: Services,
        compute: str,
        volume: str,
        admin: str,
        placement: str,
        pod_ids: dict[str, str],
    ) -> None:
        self.cloud, self.services, self.pod_ids = cloud, services, pod_ids
        self.compute, self.volume, self.admin = compute, volume, admin
        self.placement = placement
        self.volumes = Volumes(self, volume)
        self.http = aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar())
        self._tokens: dict[str, str] = {}

    def token(self, user: str) -> str:
        if user not in self._tokens:
            self._tokens[user] = self.cloud.keystone.issue(user).id
        return self._tokens[user]

    async def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        user: str | None = "member",
        version: str | None = None,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        base: str | None = None,
    ) -> Answer:
        """One request to the Compute API; ``path`` is below /v2.1, ``user`` None: no token."""
        sent = dict(headers or {})
        if user is not None:
            sent.setdefault("X-Auth-Token", self.token(user))
        if version is not None:
            sent.setdefault("OpenStack-API-Version", f"compute {version}")
        url = (f"{self.compute}/v2.1" if base is None else base) + path
        data = body if isinstance(body, bytes | None) else json.dumps(body).encode()
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        async with self.http.request(
            method, url, data=data, params=query, headers=sent, allow_redirects=False
        ) as answer:
            return Answer(answer.status, answer.headers, await answer.read())

    async def get(self, path: str, **more: Any) -> Answer:
        return await self.call("GET", path, **more)

    async def post(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.call("POST", path, body, **more)

    async def put(self, path: str, body: Any, **more: Any) -> Answer:
        return await self.call("PUT", path, body, **more)

    async def delete(self, path: str, **more: Any) -> Answer:
        return await self.call("DELETE", path, **more)

    async def manage(self, method: str, path: str, body: Any = None, **more: Any) -> Answer:
        """One request to the Admin API, as admin unless said otherwise."""
        more.setdefault("user", "admin")
        return await self.call(method, path, body, base=f"{self.admin}/tricircle/v1.0", **more)

    def strangers(self, count: int) -> list[asyncio.Task[Answer]]:
        """Requests under way with tokens nobody has seen."""
        return [
            asyncio.create_task(
                self.get("/servers", user=None, headers={"X-Auth-Token": f"unheard-of-{number}"})
            )
            for number in range(count)
        ]

    async def refresh(self) -> None:
        """Read the pods from the database now."""
        await process.refresh(self.services)

    async def set_pod(self, region: str, **values: Any) -> None:
        """Change a pod's row and see it."""
        assert "health" not in values, "services are up or down: set_health()"
        await asyncio.to_thread(pods.update, self.pod_ids[region], values)
        await self.refresh()

    async def set_health(
        self, region: str, state: str, *services: str, error: str = "no connection"
    ) -> None:
        """Take services of a pod (all if none is named) for up or down, as a probe does."""
        moment = now()
        found = Health(state, found_at=moment)
        if state == DOWN:
            found = dataclasses.replace(found, error=error)

        def change(row: models.Pod) -> dict[str, Any]:
            known = {name: Health.read(stored) for name, stored in (row.services or {}).items()}
            known |= dict.fromkeys(services or SERVICES, found)
            stored = {name: health.stored() for name, health in known.items()}
            return {"services": stored, **availability.summary(known)}

        await asyncio.to_thread(pods.write_probe, self.pod_ids[region], change)
        await self.refresh()

    def close_breakers(self) -> None:
        """Forget what calls to pods failed."""
        for pod_id in self.pod_ids.values():
            for service in SERVICES:
                self.services.breakers[pod_id, service].success()

    async def idle(self, timeout: float = 10) -> None:
        """Wait until what goes on after answers has ended."""
        async with asyncio.timeout(timeout):
            while self.services.tasks:
                await asyncio.gather(*self.services.tasks, return_exceptions=True)

    async def close(self) -> None:
        await self.http.close()


@asynccontextmanager
async def running(
    cloud: Cloud, tmp_path: Path, database: str, **options: Any
) -> AsyncIterator[Gateway]:
    """A gateway in this process and event loop, its database made, its pods known."""
    path = tmp_path / "tricircle.conf"
    write_config(path, cloud, database, **options)
    session.reset()
    CONF(["--config-file", str(path)], project="tricircle")
    pod_ids = _make_database(database, cloud)
    services = app.make_services()
    await process.refresh(services)
    apis = (app.compute_api(), app.volume_api(), app.admin_api(), app.placement_api())
    runners = [await process.listen(pipeline.Pipeline(api, services), 0) for api in apis]
    urls = [f"http://127.0.0.1:{runner.addresses[0][1]}" for runner in runners]
    gateway = Gateway(cloud, services, *urls, pod_ids)
    try:
        yield gateway
    finally:
        cloud.heal()
        await gateway.close()
        for task in list(services.tasks):
            task.cancel()
        await asyncio.gather(*services.tasks, return_exceptions=True)
        await asyncio.gather(*(runner.cleanup() for runner in runners))
        await services.client.close()
        threads.shutdown()
        session.reset()
        # What a test has set for itself is no other's.
        CONF.reset()


def waiting(test: pytest.Item, monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """The deadlines of a gateway in a test: in one where something hangs, fakes make them pass, or
    they are short where fakes cannot, or where the test measures."""
    assert isinstance(test, pytest.Function)
    text = inspect.getsource(test.function)
    measures = "_DEADLINE" in text
    called_with = test.callspec.params.values() if hasattr(test, "callspec") else ()
    kinds = [value for value in called_with if isinstance(value, Kind)]
    hangs = Kind.HANG in kinds or Kind.HANG_AFTER in kinds or (not kinds and "HANG" in text)
    if hangs and not measures:
        deadlines.govern_gateway(monkeypatch)
    if hangs or measures:
        # What pods say of their room is asked for in threads.
        for asking in (capacity.Free, weighers.ServerGroupWeigher):
            monkeypatch.setattr(asking, "deadline", LIST_DEADLINE)
    # Without a kind it may be Keystone that hangs, or what the service user does in threads.
    return IMPATIENT if measures or (hangs and not kinds) else PATIENT


def shorten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Look for lost answers, ended servers and the process's own end at the pace of fakes."""
    for module in (lost_creation, volume_lost_creation):
        look = module.look

        async def soon(call: Any, pod: Any, sought: Any, patience: float, look: Any = look) -> Any:
            return await look(call, pod, sought, min(patience, 0.2))

        monkeypatch.setattr(module, "look", soon)
        monkeypatch.setattr(module, "_PAUSE", 0.05)
    monkeypatch.setattr(http_server, "GRACE", 1)
    monkeypatch.setattr(http_server, "_KNOCKING", 0.005)
    for deleting in (deletion, volume_deletion):
        monkeypatch.setattr(deleting, "_PAUSES", [0.02] * 200)
