# SPDX-License-Identifier: Apache-2.0
"""The migrations make exactly the tables the models say."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from tricircle.cmd import manage
from tricircle.conf import CONF
from tricircle.db import migrations, models, session


@pytest.fixture
def empty(tmp_path: Path):
    session.reset()
    url = f"sqlite:///{tmp_path}/empty.sqlite"
    CONF.set_override("connection", url, group="tricircle_database")
    yield url
    session.reset()
    CONF.clear_override("connection", group="tricircle_database")


def _differences() -> list:
    with session.engine().connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        return compare_metadata(context, models.Base.metadata)


def test_upgrading_an_empty_database_gives_the_models(empty) -> None:
    assert _differences()
    migrations.sync()
    assert _differences() == []


def test_constraints_and_indexes_are_the_models_own(empty, tmp_path: Path) -> None:
    """SQLite's reflection hides some; what it was told to make does not."""
    migrations.sync()
    migrated = _ddl()
    session.reset()
    url = f"sqlite:///{tmp_path}/made.sqlite"
    CONF.set_override("connection", url, group="tricircle_database")
    models.Base.metadata.create_all(session.engine())
    assert migrated == _ddl()


def _ddl() -> dict[str, list[str]]:
    """Each table's and index's parts, in an order that does not matter."""
    query = sa.text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")
    with session.engine().connect() as connection:
        return {
            name: sorted(
                filter(
                    None, (part.strip(" \t)") for part in re.split(r"[\n,]", sql.replace('"', "")))
                )
            )
            for name, sql in connection.execute(query)
            if name != "alembic_version"
        }


def test_syncing_twice_is_harmless(empty) -> None:
    migrations.sync()
    migrations.sync()
    assert migrations.version() == "0023"


def test_pods_there_already_are_numbered(empty) -> None:
    migrations.sync("0002")
    values = {"availability_zone": "az1", "pod_availability_zone": "", "dc_name": "", "state": ""}
    values |= {"versions": {}, "endpoints": {}, "health": "", "last_error": ""}
    table = models.Pod.__table__
    # The columns of that time.
    before = sa.Table("pods", sa.MetaData(), autoload_with=session.engine())
    values |= {"created_at": models.now(), "updated_at": models.now()}
    with session.engine().begin() as connection:
        for name in ("b", "a"):
            connection.execute(sa.insert(before).values(id=name, region_name=name, **values))
    migrations.sync()
    with session.engine().connect() as connection:
        rows = connection.execute(sa.select(table.c.id, table.c.number))
        assert dict(row._tuple() for row in rows) == {"a": 1, "b": 2}


def test_there_is_one_head() -> None:
    assert len(ScriptDirectory.from_config(migrations.config()).get_heads()) == 1


def test_the_command_line_syncs_and_tells_the_version(tmp_path: Path, capsys) -> None:
    config = tmp_path / "t.conf"
    config.write_text(f"[tricircle_database]\nconnection = sqlite:///{tmp_path}/cli.sqlite\n")
    for arguments, printed in (
        (["db", "version"], "empty"),
        (["db", "sync"], "0023"),
        (["db", "version"], "0023"),
        (["db", "restored"], "0 pods are looked through"),
    ):
        assert _manage(["--config-file", str(config), *arguments]) == 0
        assert printed in capsys.readouterr().out


def test_an_unreachable_database_is_one_readable_line(tmp_path: Path, capsys) -> None:
    config = tmp_path / "t.conf"
    config.write_text("[tricircle_database]\nconnection = sqlite:////no/such/folder/t.sqlite\n")
    assert _manage(["--config-file", str(config), "db", "sync"]) == 1
    told = capsys.readouterr().err
    assert "unable to open database file" in told
    assert "Traceback" not in told


def _manage(arguments: list[str]) -> int:
    session.reset()
    try:
        return manage.main(arguments)
    finally:
        session.reset()
        CONF.reset()
        CONF.unregister_opt(manage.COMMAND)
