# SPDX-License-Identifier: Apache-2.0
"""Both databases: their revisions and their character sets."""

from pathlib import Path

import sqlalchemy as sa

import tricircle
from tricircle.checks.finding import GOOD, Finding, Grade
from tricircle.conf import CONF
from tricircle.db import migrations, session

# Where the newest revisions of our tables in central Neutron's database are written down. Neutron
# itself need not be installed here.
_NEUTRON = Path(tricircle.__file__).parent / "network/migrations/alembic_migrations/versions"
_HEADS = ("EXPAND_HEAD", "CONTRACT_HEAD")
_NO_NEUTRON = Finding(
    Grade.DOUBTFUL,
    "[tricircle_database] neutron_connection is not set, so central Neutron's database is not "
    "looked at, and the Admin API does not tell its jobs.",
)


def own() -> Finding:
    found, wanted = migrations.version(), migrations.newest()
    if found == wanted:
        return GOOD
    return Finding(
        Grade.BAD,
        f"It is at revision {found or 'none'}, this release needs {wanted}: run "
        "tricircle-manage db sync.",
    )


def neutrons() -> Finding:
    if not CONF.tricircle_database.neutron_connection:
        return _NO_NEUTRON
    wanted = {(_NEUTRON / name).read_text().strip() for name in _HEADS}
    with session.read(session.NEUTRON) as tx:
        found = set(tx.scalars(sa.text("SELECT version_num FROM alembic_version_tricircle")))
    if wanted <= found:
        return GOOD
    return Finding(
        Grade.BAD,
        f"It lacks {', '.join(sorted(wanted - found))}: run neutron-db-manage upgrade heads.",
    )


def character_sets() -> Finding:
    problems = []
    for database in (session.OWN, session.NEUTRON):
        if getattr(CONF.tricircle_database, database) is None:
            continue
        with session.read(database) as tx:
            if tx.get_bind().dialect.name not in ("mysql", "mariadb"):
                continue
            table = "pods" if database == session.OWN else "tricircle_realizations"
            beside = "pods" if database == session.OWN else "ports"
            ours, theirs = (tx.scalar(_COLLATION, {"name": name}) for name in (table, beside))
        if database == session.OWN and not str(ours).startswith("utf8mb4"):
            problems.append(f"Tricircle's tables are in {ours}, not in utf8mb4.")
        if ours != theirs:
            problems.append(
                f"Tricircle's tables in central Neutron's database are in {ours}, Neutron's own in "
                f"{theirs}: joins of the two are slow. tricircle-xjob's log says what to run."
            )
    return Finding(Grade.DOUBTFUL, " ".join(problems)) if problems else GOOD


_COLLATION = sa.text(
    "SELECT collation_name FROM information_schema.columns"
    " WHERE table_schema = DATABASE() AND column_name = 'id' AND table_name = :name"
)
