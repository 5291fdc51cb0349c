# SPDX-License-Identifier: Apache-2.0
"""Lists one page at a time, in the order of a unique column."""

from collections.abc import Mapping
from typing import Any, TypeVar

import sqlalchemy as sa
from sqlalchemy.orm import InstrumentedAttribute

from tricircle.db import models, session
from tricircle.db.errors import UnknownMarker

_Row = TypeVar("_Row", bound=models.Base)


def page(
    table: type[_Row],
    key: InstrumentedAttribute[str],
    filters: Mapping[str, str] | None,
    limit: int | None,
    marker: str | None,
    *where: sa.ColumnElement[bool],
) -> list[_Row]:
    """At most ``limit`` rows after the one whose ``key`` is ``marker``, by ``key``.

    ``filters`` are column names and the values they must have, ``where`` what else must hold.
    Raises UnknownMarker when no row at all has the marker.
    """
    statement: sa.Select[Any] = sa.select(table).where(*where).order_by(key).limit(limit)
    for name, value in (filters or {}).items():
        statement = statement.where(getattr(table, name) == value)
    with session.read() as tx:
        if marker is not None:
            if not tx.scalar(sa.select(sa.exists().where(key == marker))):
                raise UnknownMarker(marker)
            statement = statement.where(key > marker)
        return list(tx.scalars(statement))
