# SPDX-License-Identifier: Apache-2.0
"""The real ``openstack`` client, as a shell in this process, against a running gateway."""

import asyncio
import contextlib
import dataclasses
import io
import json
import logging
from collections.abc import Iterator
from typing import Any

from openstackclient.common.clientmanager import ClientManager
from openstackclient.shell import OpenStackShell
from osc_lib.clientmanager import ClientCache

from tests.functional.fakes.cloud import REGION
from tests.functional.gateway_harness import Gateway


@dataclasses.dataclass(frozen=True)
class Printed:
    """How a command ended: its exit status and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        assert self.status == 0, (self.out, self.err)
        return json.loads(self.out)


def register(gateway: Gateway) -> None:
    """Put the gateway's APIs into the catalogue of the region."""
    keystone = gateway.cloud.keystone
    if not any(endpoint["url"].startswith(gateway.admin) for endpoint in keystone.endpoints):
        keystone.endpoint(
            REGION, "multi-region-network-automation", f"{gateway.admin}/tricircle/v1.0"
        )
        keystone.endpoint(REGION, "compute", f"{gateway.compute}/v2.1")
        keystone.endpoint(REGION, "block-storage", f"{gateway.volume}/v3")


@contextlib.contextmanager
def logging_kept() -> Iterator[None]:
    """The client sets up the logging of a process that ends with it; this one goes on."""
    root = logging.getLogger()
    named = [one for one in root.manager.loggerDict.values() if isinstance(one, logging.Logger)]
    kept = [(one, one.level, list(one.handlers)) for one in (root, *named)]
    try:
        yield
    finally:
        for one, level, handlers in kept:
            one.setLevel(level)
            one.handlers[:] = handlers


async def openstack(
    gateway: Gateway,
    line: str,
    *more: str,
    user: str = "admin",
    project: str = "admin",
    stderr: io.StringIO | None = None,
) -> Printed:
    """Run ``openstack <line> <more…>``; the line is split at spaces."""
    register(gateway)
    login = {
        "auth-url": f"{gateway.cloud.keystone.url}/v3",
        "username": user,
        "password": "secret",
        "project-name": project,
        "user-domain-id": "default",
        "project-domain-id": "default",
        "region-name": REGION,
    }
    argv = [part for name, value in login.items() for part in (f"--os-{name}", value)]

    def run() -> Printed:
        # A process has one client of each service for all its life: a real one runs one command.
        for cached in [one for kind in ClientManager.__mro__ for one in vars(kind).values()]:
            if isinstance(cached, ClientCache):
                cached._handle = None
        out, err = io.StringIO(), stderr or io.StringIO()
        written = contextlib.redirect_stdout(out), contextlib.redirect_stderr(err)
        with logging_kept(), written[0], written[1]:
            try:
                status = OpenStackShell().run([*argv, *line.split(), *more])
            except SystemExit as end:
                status = int(end.code or 0)
        return Printed(status, out.getvalue(), err.getvalue())

    printed = await asyncio.to_thread(run)
    await gateway.idle()
    return printed


async def as_json(gateway: Gateway, line: str, *more: str, **who: str) -> Any:
    """What a command prints with ``-f json``."""
    return (await openstack(gateway, line, *more, "-f", "json", **who)).json
