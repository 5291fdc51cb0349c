# SPDX-License-Identifier: Apache-2.0
"""What alembic runs for every command; the connection is given by ``migrations.sync``."""

from alembic import context

from tricircle.db.models import Base

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=Base.metadata,
    # SQLite cannot alter most things in place.
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
