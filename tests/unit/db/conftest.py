# SPDX-License-Identifier: Apache-2.0
import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from sqlalchemy.orm import Session

from tests import database

db = database.db


@pytest.fixture
def blind(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Any]:
    """``with blind("get"):`` the next such look of a transaction sees nothing: its row comes
    into being only after it, as when another process is a moment faster.
    """

    @contextlib.contextmanager
    def once(method: str) -> Iterator[None]:
        real = getattr(Session, method)
        looks: list[str] = []

        def look(self: Session, *arguments: Any, **more: Any) -> Any:
            looks.append(method)
            return None if len(looks) == 1 else real(self, *arguments, **more)

        with monkeypatch.context() as patched:
            patched.setattr(Session, method, look)
            yield
        assert len(looks) > 1, "the transaction was not tried again"

    return once
