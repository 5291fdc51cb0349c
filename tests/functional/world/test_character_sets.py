# SPDX-License-Identifier: Apache-2.0
"""Our tables in central Neutron's database, on databases of either character set."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlalchemy.orm import Session

from tests.functional.world.daemons import MariaDB
from tricircle.network.central import character_set

_JOINS = (
    "tricircle_realizations AS ours STRAIGHT_JOIN ports",
    "ports STRAIGHT_JOIN tricircle_realizations AS ours",
)
_ON = "ports.id = ours.resource_id AND ours.resource_type = 'port'"


@pytest.fixture(params=["utf8mb4", "utf8mb3"])
def migrated(
    request: pytest.FixtureRequest, mariadb: MariaDB, tmp_path: Path
) -> Iterator[sa.Engine]:
    """A database with ports, and our tables as ``neutron-db-manage`` makes them."""
    name = f"neutron_{request.param}"
    mariadb.sql(f"CREATE DATABASE {name} CHARACTER SET {request.param}")
    mariadb.sql(
        f"CREATE TABLE {name}.ports (id varchar(36) PRIMARY KEY,"
        " device_id varchar(255) DEFAULT '', device_owner varchar(255) DEFAULT '')"
    )
    ports = ",".join(f"('port-{number}')" for number in range(200))
    mariadb.sql(f"INSERT INTO {name}.ports (id) VALUES {ports}")
    config = tmp_path / "neutron.conf"
    config.write_text(f"[database]\nconnection = {mariadb.url(name)}\n")
    program = Path(sys.executable).with_name("neutron-db-manage")
    done = subprocess.run(
        [program, "--config-file", config, "--subproject", "tricircle", "upgrade", "heads"],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    engine = sa.create_engine(mariadb.url(name))
    yield engine
    engine.dispose()
    mariadb.sql(f"DROP DATABASE {name}")


def _add_rows(engine: sa.Engine) -> None:
    with engine.begin() as tx:
        for number in range(3):
            tx.execute(
                sa.text(
                    "INSERT INTO tricircle_realizations (id, resource_type, resource_id, pod_id,"
                    " wanted_revision, absent, attempts, created_at, updated_at)"
                    " VALUES (:id, 'port', :port, 'pod1', 1, 0, 0, NOW(), NOW())"
                ),
                {"id": str(number), "port": f"port-{number}"},
            )


def _blind(engine: sa.Engine) -> list[str]:
    """The joins for which MariaDB does not find rows of the second table by the first one's ids."""
    found = []
    with engine.connect() as tx:
        for join in _JOINS:
            query = sa.text(f"EXPLAIN SELECT ports.id FROM {join} ON {_ON}")
            by = tx.execute(query).mappings().all()[1]["ref"] or ""
            if "ports.id" not in by and "ours.resource_id" not in by:
                found.append(join)
    return found


def test_a_join_finds_ports_by_their_index(migrated: sa.Engine) -> None:
    """As migrated, and again once an operator has converted Neutron's tables and then ours."""
    _add_rows(migrated)
    assert _blind(migrated) == []
    with Session(migrated) as tx:
        assert character_set.statements(tx) == []
        was = str(tx.scalar(sa.text("SELECT @@character_set_database")))
    other = {"utf8mb4": "utf8mb3", "utf8mb3": "utf8mb4"}[was]
    with migrated.begin() as tx:
        tx.execute(sa.text(f"ALTER TABLE ports CONVERT TO CHARACTER SET {other}"))
    assert _blind(migrated)
    with Session(migrated) as tx:
        wanted = character_set.statements(tx)
    tables = sa.inspect(migrated).get_table_names()
    ours = {table for table in tables if table.startswith("tricircle_")}
    assert {statement.split()[2] for statement in wanted} == ours
    with migrated.begin() as tx:
        for statement in wanted:
            tx.execute(sa.text(statement))
    assert _blind(migrated) == []
    with Session(migrated) as tx:
        assert character_set.statements(tx) == []
