# SPDX-License-Identifier: Apache-2.0
"""Our table in central Neutron's database, and how it is reached."""

import contextlib
from collections.abc import Iterator

from neutron_lib import context as n_context
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base
from sqlalchemy.orm import Session

from tricircle.db.models import RealizationColumns
from tricircle.db.realizations import Store


class Realization(RealizationColumns, model_base.BASEV2):  # type: ignore[misc]
    """Realizations of Neutron's resources."""

    __tablename__ = "tricircle_realizations"


@contextlib.contextmanager
def transaction() -> Iterator[Session]:
    """A transaction of its own on central Neutron's database."""
    with db_api.CONTEXT_WRITER.using(n_context.get_admin_context()) as session:
        yield session


def store() -> Store:
    return Store(Realization, transaction)
