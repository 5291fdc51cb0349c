# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

import gc
import sqlite3
from typing import Any

import sqlalchemy as sa

# As the lab has it: to look for objects that may go takes a tenth of the processor time else.
gc.set_threshold(20_000, 20, 20)


@sa.event.listens_for(sa.Engine, "connect")
def spare_the_disk(connection: Any, _: Any) -> None:
    """No connection of this process to an SQLite file waits for the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
