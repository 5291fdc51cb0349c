# SPDX-License-Identifier: Apache-2.0
"""Whether our tables in central Neutron's database are in the character set of Neutron's own.

In another one, every join of ours looks through whole tables (MariaDB and MySQL). A migration
gives them Neutron's; Neutron's may be converted later by an operator.
"""

import sqlalchemy as sa
from oslo_log import log
from sqlalchemy.orm import Session

from tricircle.network.central import models

LOG = log.getLogger(__name__)

_COLLATIONS = sa.text(
    "SELECT table_name, table_collation FROM information_schema.tables"
    " WHERE table_schema = DATABASE() AND table_name IN :tables"
)
_NEUTRONS = "ports"
_OURS = tuple(
    one.__tablename__
    for one in (
        models.Realization,
        models.Change,
        models.Endpoint,
        models.VirtualPort,
        models.RouterHome,
        models.Adopted,
    )
)


def statements(tx: Session) -> list[str]:
    """What makes our tables like Neutron's; empty where they are. Asks the database's catalogue."""
    if tx.get_bind().dialect.name not in ("mysql", "mariadb"):
        return []
    query = _COLLATIONS.bindparams(sa.bindparam("tables", [_NEUTRONS, *_OURS], expanding=True))
    found = {str(name): str(collation) for name, collation in tx.execute(query)}
    collation = found.get(_NEUTRONS)
    if collation is None:
        return []
    return [
        f"ALTER TABLE {table} CONVERT TO CHARACTER SET {collation.partition('_')[0]}"
        f" COLLATE {collation}"
        for table in _OURS
        if found.get(table, collation) != collation
    ]


def check() -> None:
    """Say in the log what an operator should run, where the character sets differ."""
    with models.transaction() as tx:
        wanted = statements(tx)
    if wanted:
        LOG.error(
            "Tables of ours have another character set than Neutron's, so joins with them are"
            " slow. Stop central Neutron and tricircle-xjob and run: %s",
            "; ".join(wanted),
        )
