# SPDX-License-Identifier: Apache-2.0
"""A real database for a test: an SQLite file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import database
from tricircle.conf import CONF
from tricircle.db import session
from tricircle.db.leases import Leases


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An empty Tricircle database in a file, with foreign keys enforced.

    What a test leaves claimed is not renewed when the database is gone.
    """
    holders, hold = set[Leases](), Leases.hold

    def noted(self: Leases, token: str, row_id: str) -> None:
        holders.add(self)
        hold(self, token, row_id)

    monkeypatch.setattr(Leases, "hold", noted)
    session.reset()
    url = f"sqlite:///{tmp_path}/t.sqlite"
    database.make(url)
    CONF.set_override("connection", url, group="tricircle_database")
    yield
    for holder in holders:
        for token in holder.held():
            holder.drop(token)
    session.reset()
    CONF.clear_override("connection", group="tricircle_database")
