# SPDX-License-Identifier: Apache-2.0
"""The functional bed: fake clouds, and Tricircle's real processes over them."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests import database as databases
from tests.functional import gateway_harness, processes
from tests.functional.fakes import schemas
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import LoopThread
from tests.functional.gateway_harness import Gateway
from tests.functional.processes import Process
from tricircle.conf import CONF
from tricircle.db import session

#: Tests with these fixtures share what takes long to make: one process runs all of a group.
_TOGETHER = {"cluster": "galera", "mariadb": "mariadb", "prepared": "processes"}


@pytest.hookimpl(tryfirst=True)  # before xdist looks for groups
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items if config.pluginmanager.hasplugin("xdist") else ():
        fixtures = getattr(item, "fixturenames", ())
        if group := next((_TOGETHER[name] for name in _TOGETHER if name in fixtures), None):
            item.add_marker(pytest.mark.xdist_group(group))


@pytest.fixture(scope="session")
def fakes() -> Iterator[LoopThread]:
    schemas.preload()
    thread = LoopThread()
    yield thread
    thread.close()
    processes.end_forks()


@pytest.fixture
def cloud(fakes: LoopThread) -> Iterator[Cloud]:
    """Three pods (two in az1, one in az2), fresh for each test."""
    cloud = Cloud(fakes)
    yield cloud
    cloud.close()
    assert cloud.journal.broken == []


@pytest.fixture(scope="session")
def _databases(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("database")


@pytest.fixture
def database(_databases: Path) -> str:
    """The URL of a file, the same for each test: who uses it makes it anew."""
    return f"sqlite:///{_databases}/tricircle.sqlite"


@pytest.fixture
def prepared(cloud: Cloud, tmp_path: Path, database: str) -> Iterator[str]:
    """A database as ``tricircle-manage db sync`` makes it, with the pods in it.

    This process works on it, too.
    """
    path = tmp_path / "tests.conf"
    gateway_harness.write_config(path, cloud, database)
    session.reset()
    CONF(["--config-file", str(path)], project="tricircle")
    databases.make(database, by_migrations=True)
    gateway_harness.add_pods(cloud)
    yield database
    session.reset()
    CONF.reset()


@pytest_asyncio.fixture
async def process(cloud: Cloud, tmp_path: Path, prepared: str) -> AsyncIterator[Process]:
    """A ``tricircle-gateway`` that serves."""
    process = Process(cloud, tmp_path, prepared)
    await process.start()
    yield process
    cloud.heal()
    await process.kill()


@pytest_asyncio.fixture
async def gateway(
    request: pytest.FixtureRequest,
    cloud: Cloud,
    tmp_path: Path,
    database: str,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Gateway]:
    """A gateway over the three pods, which waits less long where it has to."""
    gateway_harness.shorten(monkeypatch)
    waits = gateway_harness.waiting(request.node, monkeypatch)
    async with gateway_harness.running(cloud, tmp_path, database, **waits) as gateway:
        yield gateway
