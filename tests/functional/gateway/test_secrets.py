# SPDX-License-Identifier: Apache-2.0
"""Calls with secrets go well and go wrong, everything logs at DEBUG: no log or table has one."""

import asyncio
import base64
import contextlib
import logging
import re
import sqlite3
from collections.abc import Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from tests.functional import volume_moves, volumes
from tests.functional.fakes import deadlines
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway.upstream.test_restricted_tokens import restricted
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.db.work_queue import own_queue
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.reconciler import Worker
from tricircle.pods.registry import Registry
from tricircle.pods.rest import PodServices
from tricircle.xjob.definitions import Definitions
from tricircle.xjob.operations import Operations

GIVEN = "S3cretAdminPass"
DATA = base64.b64encode(b"the user's own S3cretUserData").decode()
FILE = base64.b64encode(b"the user's own S3cretFile").decode()
AWAY = "mysql+pymysql://neutron:S3cretDatabase@127.0.0.1:9/neutron"
SEAL = "a long secret that seals consoles"
KINDS = (Kind.CUT_AFTER, Kind.HANG_AFTER, Kind.GARBAGE, Kind.TRUNCATED, Kind.ERROR, Kind.REDIRECT)


class Everything(logging.Handler):
    """All that is logged, with whatever belongs to a record."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.text: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.text.append(f"{record.name}: {logging.Formatter().format(record)} {record.args!r}")


@contextlib.contextmanager
def logged() -> Iterator[Everything]:
    """Every logger there is tells everything."""
    everything, root = Everything(), logging.getLogger()
    loggers = [root, *(each for each in root.manager.loggerDict.values() if hasattr(each, "level"))]
    levels = [(each, each.level) for each in loggers if isinstance(each, logging.Logger)]
    root.addHandler(everything)
    for each, _ in levels:
        each.setLevel(logging.DEBUG)
    try:
        yield everything
    finally:
        root.removeHandler(everything)
        for each, level in levels:
            each.setLevel(level)


class Secrets:
    """What must be found nowhere, and calls that give or tell such."""

    def __init__(self, gateway: Gateway, cloud: Cloud) -> None:
        self.gateway, self.cloud = gateway, cloud
        self.known = {GIVEN, DATA, FILE, SEAL, "S3cretDatabase", "unheard-of-token"}
        network = cloud.central.network(cloud.project_id)
        self.body: dict[str, Any] = {
            "server": {
                "name": "one",
                "imageRef": cloud.image_id,
                "flavorRef": "1",
                "adminPass": GIVEN,
                "user_data": DATA,
                "networks": [{"uuid": network["id"]}],
                "availability_zone": "az1",
            }
        }

    def told(self, secret: str) -> None:
        """Notice what an answer has told."""
        assert len(secret) > 5
        self.known.add(secret)

    async def servers(self) -> str:
        post = self.gateway.post
        with_files = {**self.body["server"], "personality": [{"path": "/f", "contents": FILE}]}
        await post("/servers", {"server": with_files}, version="2.1")
        server: str = (await post("/servers", self.body, version="2.90")).ok()["server"]["id"]
        await self.actions(server)
        return server

    async def actions(self, server: str) -> None:
        post, path = self.gateway.post, f"/servers/{server}"
        await post(f"{path}/action", {"changePassword": {"adminPass": GIVEN}})
        again = {"imageRef": self.cloud.image_id, "adminPass": GIVEN}
        await post(f"{path}/action", {"rebuild": {**again, "user_data": DATA}}, version="2.90")
        await post(f"{path}/action", {"rescue": {"adminPass": GIVEN}})
        await post(f"{path}/action", {"unrescue": None})
        await post("/servers", self.body, version="2.90")

    async def told_ones(self, server: str) -> None:
        """Calls whose answers tell a secret."""
        post = self.gateway.post
        key = (await post("/os-keypairs", {"keypair": {"name": "k"}}, version="2.1")).ok()
        self.told(key["keypair"]["private_key"])
        body = {"remote_console": {"protocol": "vnc", "type": "novnc"}}
        console = (await post(f"/servers/{server}/remote-consoles", body, version="2.90")).ok()
        url = console["remote_console"]["url"]
        for values in parse_qs(urlsplit(url).query).values():
            self.known |= {value for value in values if len(value) > 8}
        volume = (await volumes.make(self.gateway)).ok()["volume"]["id"]
        attachment = await self.gateway.volumes.post(
            "/attachments",
            {
                "attachment": {
                    "volume_uuid": volume,
                    "instance_uuid": server,
                    "connector": {"a": "b"},
                }
            },
            version="3.71",
        )
        if attachment.status < 300:
            self.told(attachment.json["attachment"]["connection_info"].get("secret", GIVEN))
        volume = (await volumes.make(self.gateway)).ok()["volume"]["id"]
        begun = await self.gateway.volumes.post(
            "/volume-transfers", {"transfer": {"volume_id": volume}}, version="3.71"
        )
        transfer = begun.ok()["transfer"]
        self.told(transfer["auth_key"])
        await self.gateway.volumes.post(
            f"/volume-transfers/{transfer['id']}/accept",
            {"accept": {"auth_key": transfer["auth_key"]}},
            user="other",
            version="3.71",
        )

    async def callers(self, server: str) -> None:
        """Tokens of all kinds, also those that are refused and those Keystone cannot judge."""
        get = self.gateway.get
        unknown = {"X-Auth-Token": "unheard-of-token"}
        for headers in (
            unknown,
            restricted(self.cloud, ("GET", "/v2.1/servers/*")),
            {"X-Service-Token": "unheard-of-token", "X-Auth-Token": self.gateway.token("admin")},
            {"X-Service-Token": self.cloud.keystone.issue("tricircle").id},
        ):
            user = None if "X-Auth-Token" in headers else "member"
            await get(f"/servers/{server}", user=user, headers=headers)
            await get("/servers", user=user, headers=headers)
        for kind in (Kind.ERROR, Kind.CUT, Kind.GARBAGE):
            self.cloud.keystone.fail(kind)
            await get("/servers", user=None, headers=unknown)
            token = self.cloud.keystone.issue("other").id
            await get("/servers", user=None, headers={"X-Auth-Token": token})
            self.cloud.keystone.heal()
        await self.gateway.manage("GET", "/pods")
        CONF.set_override("neutron_connection", AWAY, "tricircle_database")
        assert (await self.gateway.manage("GET", "/jobs")).status == 503
        CONF.clear_override("neutron_connection", "tricircle_database")

    async def troubles(self, server: str) -> None:
        """The same calls while pods misbehave."""
        for kind in KINDS:
            for region in ("pod1", "pod2"):
                self.cloud.pods[region].fail(kind, times=2)
            await self.actions(server)
            self.cloud.heal()
            self.gateway.close_breakers()

    def others_work(self) -> None:
        """What xjob does with what was left."""
        registry, identity = Registry().fresh(), ServiceIdentity()
        Operations(registry, PodServices(identity)).run(-60)
        for pod in registry.all():
            Worker(own_queue(), [Definitions(PodServices(identity))]).run(pod)

    def found(self, where: str, text: str) -> list[str]:
        known = {*self.known, *self.cloud.keystone.tokens}
        places = [(secret, text.find(secret)) for secret in known]
        hits = [f"{where}: …{text[max(0, at - 200) : at + 40]}…" for _, at in places if at >= 0]
        if at := re.search(r"password\W{1,6}secret\b", text):
            hits.append(f"{where}: …{text[max(0, at.start() - 200) : at.end()]}…")
        return hits


async def test_no_secret_is_logged_or_kept(
    gateway: Gateway, cloud: Cloud, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    deadlines.govern_gateway(monkeypatch)
    CONF.set_override("secret", SEAL, "console")
    CONF.set_override("public_base_url", "https://consoles.example.org", "console")
    for pod in cloud.pods.values():
        pod.nova.console_bases = {"novnc": "http://127.0.0.1:9/vnc.html"}
    secrets = Secrets(gateway, cloud)
    with logged() as everything:
        server = await secrets.servers()
        await secrets.told_ones(server)
        await secrets.callers(server)
        await secrets.troubles(server)
        await gateway.idle()
        await asyncio.to_thread(secrets.others_work)
        volume = await volume_moves.begin(gateway)
        for _ in range(4):
            await volume_moves.step(gateway, volume)
    assert len(secrets.known) > 8
    assert len(cloud.keystone.tokens) > 4
    log = "\n".join(everything.text)
    for logger in ("keystoneauth", "keystonemiddleware", "tricircle", "urllib3"):
        assert f"\n{logger}." in log, logger
    with contextlib.closing(sqlite3.connect(database.removeprefix("sqlite:///"))) as tables:
        rows = "\n".join(tables.iterdump())
    assert "INSERT INTO" in rows
    assert [*secrets.found("log", log), *secrets.found("database", rows)] == []
