# SPDX-License-Identifier: Apache-2.0
"""What a database looks through for statements, as it says itself (EXPLAIN)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa

_READS = ("SELECT", "UPDATE", "DELETE")
# MariaDB's words for a look through a whole table, or a whole index of it.
_WHOLE = ("ALL", "index")


class Plans:
    """The statements that databases of this process are asked meanwhile, and how they are done."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        self._asked: dict[str, Any] = {}

    @contextlib.contextmanager
    def noted(self) -> Iterator[None]:
        self._asked.clear()
        sa.event.listen(self._engine, "before_cursor_execute", self._note)
        try:
            yield
        finally:
            sa.event.remove(self._engine, "before_cursor_execute", self._note)

    def _note(self, _: Any, __: Any, statement: str, parameters: Any, *more: Any) -> None:
        if statement.lstrip(" (").startswith(_READS):
            self._asked.setdefault(statement, parameters)

    @property
    def number(self) -> int:
        """How many different statements there were."""
        return len(self._asked)

    def scans(self, rows: int) -> list[str]:
        """Those that look through more than so many rows of one table: table, rows, statement."""
        sizes = self._sizes()
        found = []
        with self._engine.connect() as connection:
            for statement, parameters in self._asked.items():
                for table, many in self._whole(connection, statement, parameters, sizes):
                    if many > rows:
                        found.append(f"{table} ({many} rows): {' '.join(statement.split())}")
        return found

    def told(self) -> list[str]:
        """What SQLite says of each statement's way to its rows."""
        with self._engine.connect() as connection:
            return [
                row["detail"]
                for statement, parameters in self._asked.items()
                for row in self._explained(connection, statement, parameters)
            ]

    @staticmethod
    def _explained(connection: sa.Connection, statement: str, parameters: Any) -> Any:
        return connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).mappings()

    def _sizes(self) -> dict[str, int]:
        if self._engine.dialect.name != "sqlite":
            return {}
        with self._engine.connect() as connection:
            names = sa.inspect(connection).get_table_names()
            return {
                name: connection.exec_driver_sql(f'SELECT count(*) FROM "{name}"').scalar_one()
                for name in names
            }

    def _whole(
        self, connection: sa.Connection, statement: str, parameters: Any, sizes: dict[str, int]
    ) -> Iterator[tuple[str, int]]:
        """(table, rows) of each that is looked through from one end to the other."""
        if not sizes:
            for row in connection.exec_driver_sql(f"EXPLAIN {statement}", parameters).mappings():
                if row["type"] in _WHOLE and not str(row["table"]).startswith("<"):
                    yield row["table"], int(row["rows"] or 0)
            return
        names = dict(re.findall(r'(?:FROM|JOIN|,)\s+"?(\w+)"? AS "?(\w+)"?', statement))
        aliases = {alias: table for table, alias in names.items()}
        for row in self._explained(connection, statement, parameters):
            if found := re.match(r"SCAN (\w+)", row["detail"]):
                table = aliases.get(found[1], found[1])
                yield table, sizes.get(table, 0)
