# SPDX-License-Identifier: Apache-2.0
"""What of the world outside Tricircle is real here: databases, memcached, clocks, certificates."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.world import daemons
from tests.functional.world.daemons import MariaDB
from tests.functional.world.nodes import catch_up
from tricircle.conf import CONF
from tricircle.db import migrations, models, session

_NAME = "tricircle"


@pytest.fixture(scope="session")
def mariadb() -> Iterator[MariaDB]:
    with daemons.mariadb() as server:
        yield server


@pytest.fixture(scope="session")
def cluster() -> Iterator[list[MariaDB]]:
    """Three MariaDB servers that are one Galera cluster."""
    with daemons.galera() as nodes:
        yield nodes


def prepare(server: MariaDB, cloud: Cloud, folder: Path) -> str:
    """The name of a database as ``tricircle-manage db sync`` makes it, with the pods in it.

    This process works on it too, by ``server``. It is made once for a server, then emptied.
    """
    path = folder / "tests.conf"
    gateway_harness.write_config(path, cloud, server.url(_NAME))
    session.reset()
    CONF(["--config-file", str(path)], project="tricircle")
    server.sql(f"CREATE DATABASE IF NOT EXISTS {_NAME}")
    migrations.sync()
    with session.write() as tx:
        for table in reversed(models.Base.metadata.sorted_tables):
            tx.execute(sa.delete(table))
    gateway_harness.add_pods(cloud)
    return _NAME


@pytest.fixture
def clustered(cluster: list[MariaDB], cloud: Cloud, tmp_path: Path) -> Iterator[list[str]]:
    """A database with the pods in it: its URL on each node."""
    name = prepare(cluster[0], cloud, tmp_path)
    urls = [node.url(name) for node in cluster]
    for url in urls:
        catch_up(url)
    yield urls
    session.reset()
    CONF.reset()


@pytest.fixture
def database(mariadb: MariaDB, cloud: Cloud, tmp_path: Path) -> Iterator[str]:
    """The URL of a database with the pods in it."""
    name = prepare(mariadb, cloud, tmp_path)
    yield mariadb.url(name)
    session.reset()
    CONF.reset()


@pytest.fixture
def prepared(database: str) -> str:
    return database
