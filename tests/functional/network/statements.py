# SPDX-License-Identifier: Apache-2.0
"""What databases are asked meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import sqlalchemy as sa


class Asked:
    """The statements that all databases of this process were asked, or one of them."""

    def __init__(self) -> None:
        self.statements: list[str] = []

    def note(self, _: Any, __: Any, statement: str, *more: Any) -> None:
        if not statement.startswith(("BEGIN", "ROLLBACK")):
            self.statements.append(statement)

    @contextmanager
    def counting(self, engine: Any = sa.Engine) -> Iterator[None]:
        self.statements.clear()
        sa.event.listen(engine, "before_cursor_execute", self.note)
        try:
            yield
        finally:
            sa.event.remove(engine, "before_cursor_execute", self.note)
