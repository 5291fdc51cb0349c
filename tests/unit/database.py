# SPDX-License-Identifier: Apache-2.0
"""A real database for a test: an SQLite file of its own."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tricircle.conf import CONF
from tricircle.db import models, session


@pytest.fixture
def db(tmp_path: Path) -> Iterator[None]:
    """An empty Tricircle database in a file, with foreign keys enforced."""
    session.reset()
    CONF.set_override("connection", f"sqlite:///{tmp_path}/t.sqlite", group="tricircle_database")
    models.Base.metadata.create_all(session.engine())
    yield
    session.reset()
    CONF.clear_override("connection", group="tricircle_database")
