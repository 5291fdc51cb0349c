# SPDX-License-Identifier: Apache-2.0
"""Our tables in the character set of Neutron's own, so that a join with them finds its index.

MariaDB and MySQL turn each row's text before they compare it with one of another character set,
and look through the whole table for that. Neutron's tables have what the database was made with.
"""

import sqlalchemy as sa
from alembic import context, op

revision = "tricircle_character_set"
down_revision = "tricircle_endpoints"

TABLES = ("tricircle_realizations", "tricircle_endpoints")
_NEUTRONS = sa.text(
    "SELECT character_set_name, collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND table_name = 'ports' AND column_name = 'id'"
)


def upgrade() -> None:
    if context.is_offline_mode() or op.get_bind().dialect.name not in ("mysql", "mariadb"):
        return
    found = op.get_bind().execute(_NEUTRONS).first()
    if found is None:
        return
    for table in TABLES:
        op.execute(f"ALTER TABLE {table} CONVERT TO CHARACTER SET {found[0]} COLLATE {found[1]}")
