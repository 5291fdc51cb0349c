# SPDX-License-Identifier: Apache-2.0
"""Nothing that is asked again and again looks at everything."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base

from bench import filled, sql
from bench.plans import Plans
from tests.functional.network.stage import Stage
from tricircle.network.reconcile import runtime

PORTS = 400
# More of a table than any pod or project has.
MOST = 150


@pytest.fixture
def full(stage: Stage) -> Iterator[sa.Engine]:
    """A database in which three pods have hundreds of ports."""
    pods = [filled.Pod(pod.id, pod.region_name) for pod in runtime.get().registry.fresh().all()]
    engine: sa.Engine = db_api.CONTEXT_WRITER.get_engine()
    filled.fill(engine, model_base.BASEV2.metadata, pods, PORTS)
    made = []
    with engine.begin() as tx:
        # MariaDB makes an index for each foreign key by itself.
        for table in model_base.BASEV2.metadata.sorted_tables:
            for key in table.foreign_key_constraints:
                columns = [table.c[name] for name in key.column_keys]
                made.append(sa.Index(f"like_mariadb_{len(made)}", *columns))
                made[-1].create(tx)
        tx.exec_driver_sql("ANALYZE")
    yield engine
    with engine.begin() as tx:
        for index in made:
            index.drop(tx)
            index.table.indexes.discard(index)


def test_no_hot_statement_looks_through_a_table(full: sa.Engine) -> None:
    looks = list(sql.scans(MOST))
    assert all(number for _, number, _ in looks)
    assert [(name, whole) for name, _, whole in looks if whole] == []


def test_a_look_through_a_table_is_seen(full: sa.Engine) -> None:
    plans = Plans(full)
    with plans.noted(), full.connect() as connection:
        connection.exec_driver_sql("SELECT count(*) FROM ports AS p WHERE name = ''")
    (told,) = plans.scans(MOST)
    assert told.startswith("ports (")


def test_what_waits_in_other_pods_is_not_looked_at(full: sa.Engine) -> None:
    """A pod that is away for an hour has thousands of rows that are due."""
    queue = runtime.get().engine.queue
    plans = Plans(full)
    with plans.noted():
        queue.due("a pod", 16, ("port",))
    (told,) = plans.told()
    assert "(pod_id=? AND next_try_at" in told
