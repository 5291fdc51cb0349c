# SPDX-License-Identifier: Apache-2.0
"""What all tests share."""

import sqlite3
from typing import Any

import sqlalchemy as sa


@sa.event.listens_for(sa.Engine, "connect")
def spare_the_disk(connection: Any, _: Any) -> None:
    """No connection of this process to an SQLite file waits for the disk."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")
