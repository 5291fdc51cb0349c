# SPDX-License-Identifier: Apache-2.0
"""The world of a test as it is at a moment, to be put back later."""

import contextlib
import pickle
import sqlite3
from collections.abc import Iterator

import sqlalchemy as sa
from neutron_lib.db import api as db_api

from tests.functional.network.stage import Stage
from tricircle.db import session
from tricircle.network.reconcile import runtime


class Snapshot:
    """What both databases have, and the pods' Neutrons; of no transaction that is under way."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        engines = db_api.CONTEXT_WRITER.get_engine(), session.engine()
        self._databases = [(engine, _copy(engine)) for engine in engines]
        self._pods = {
            region: pickle.dumps(pod.neutron.tables) for region, pod in stage.cloud.pods.items()
        }

    def restore(self) -> None:
        """Put it back, once. Who works from now on is a process that knows nothing."""
        for engine, copy in self._databases:
            with _file(engine) as file:
                copy.backup(file)
            copy.close()
        for region, tables in self._pods.items():
            self._stage.neutron(region).tables = pickle.loads(tables)
        runtime.use(None)


def _copy(engine: sa.Engine) -> sqlite3.Connection:
    # Who looks at it later may do so in another thread.
    copy = sqlite3.connect(":memory:", check_same_thread=False)
    with _file(engine) as file:
        file.backup(copy)
    return copy


@contextlib.contextmanager
def _file(engine: sa.Engine) -> Iterator[sqlite3.Connection]:
    connection = engine.raw_connection()
    try:
        found = connection.driver_connection
        assert isinstance(found, sqlite3.Connection)
        yield found
    finally:
        connection.close()
