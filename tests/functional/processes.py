# SPDX-License-Identifier: Apache-2.0
"""The real ``tricircle-gateway`` as a process of its own, and clients of it."""

import asyncio
import contextlib
import multiprocessing
import os
import random
import signal
import socket
import textwrap
from collections.abc import AsyncIterator, Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

import aiohttp

from tests.functional import gateway_harness, program
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.waiting import eventually
from tricircle.db import pods as pod_rows
from tricircle.gateway.app import make_services

START_SECONDS = 60.0

# What takes a program seconds, its imports, is done once in a process that forks the others.
_FORKS = multiprocessing.get_context("forkserver")
_FORKS.set_forkserver_preload([program.__name__])


def end_forks() -> None:
    """End that process, and let what it and its children took count as this one's."""
    forkserver._forkserver._stop()  # type: ignore[attr-defined]


def free_ports(count: int) -> list[int]:
    """Ports nobody listens on, below those the kernel gives to connections going out."""
    found: list[int] = []
    while len(found) < count:
        port = random.randrange(11000, 19000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
    return found


class Process:
    """A ``tricircle-gateway`` of its own over a fake cloud.

    ``options`` are those of [gateway]; ``sections`` is more text of its configuration file, and
    ``environment`` what its environment has besides.
    """

    def __init__(
        self,
        cloud: Cloud,
        folder: Path,
        database: str,
        *,
        sections: str = "",
        environment: Mapping[str, str] | None = None,
        debug: bool = True,
        **options: Any,
    ) -> None:
        self.cloud, self.config, self.log = cloud, folder / "gateway.conf", folder / "gateway.log"
        self.compute_port, self.admin_port, self.volume_port = free_ports(3)
        options = {"request_deadline": 30, **options}
        gateway_harness.write_config(
            self.config,
            cloud,
            database,
            compute_port=self.compute_port,
            admin_port=self.admin_port,
            volume_port=self.volume_port,
            **options,
        )
        self.config.write_text(f"{self.config.read_text()}\n{textwrap.dedent(sections)}")
        self._more = ["--debug"] if debug else []
        self._environment = {**os.environ, **(environment or {})}
        self._process: multiprocessing.process.BaseProcess | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        assert self._process.pid is not None
        return self._process.pid

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.compute_port}"

    async def start(self) -> None:
        arguments = ["--config-file", str(self.config), *self._more]
        given = (arguments, self._environment, self.log)
        self._process = _FORKS.Process(target=program.run, args=given, daemon=True)
        await asyncio.to_thread(self._process.start)
        await eventually("the gateway answers", self._answers, START_SECONDS)

    async def _answers(self) -> bool:
        assert self._process is not None
        assert self._process.is_alive(), self.log.read_text()[-3000:]
        try:
            async with (
                aiohttp.ClientSession() as http,
                # The API that is there last.
                http.get(f"http://127.0.0.1:{self.admin_port}/healthcheck") as answer,
            ):
                return answer.status == 200
        except aiohttp.ClientError:
            return False

    async def kill(self) -> None:
        """As a power cut: no signal handler runs."""
        await self._end(signal.SIGKILL)

    async def stop(self) -> int:
        """Tell it to end; its exit status."""
        return await self._end(signal.SIGTERM)

    async def _end(self, number: signal.Signals) -> int:
        assert self._process is not None
        if self._process.is_alive():
            os.kill(self.pid, number)
        await asyncio.to_thread(self._process.join, 30)
        assert self._process.exitcode is not None, "it does not end"
        return self._process.exitcode


@contextlib.asynccontextmanager
async def caller(process: Process) -> AsyncIterator[Gateway]:
    """A client of the process; its ``services`` are this process's and serve nothing."""
    admin, volume = (f"http://127.0.0.1:{n}" for n in (process.admin_port, process.volume_port))
    ids = {row.region_name: row.id for row in pod_rows.list_all()}
    gateway = Gateway(process.cloud, make_services(), process.url, volume, admin, "", ids)
    try:
        yield gateway
    finally:
        await gateway.close()
