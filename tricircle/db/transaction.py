# SPDX-License-Identifier: Apache-2.0
"""Writing transactions are tried again when the database asks for it: here, and nowhere else.

The database refuses a transaction that met another one (a deadlock; on Galera also, at its end, a
change of the same rows by another node). A refused one was not done, so it is simply run again.

A connection that is lost is another matter: if it happens while the transaction ends, nobody knows
whether it was done. What is run again then must do no harm when it was: so whoever inserts makes
the ids before, and whoever would fail on finding it done already asks ``may_be_done``.
"""

import functools
import threading
import time
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import sqlalchemy as sa
from oslo_db import api
from oslo_db import exception as db_exc
from sqlalchemy.orm.exc import StaleDataError

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

# How often a refused transaction is run again, and after which waits (seconds).
_TRIES, _FIRST_WAIT, _LONGEST_WAIT = 20, 0.05, 1.0
# Seconds a database that is away is waited for: users wait as long.
_PATIENCE = 5.0
#: The database cannot be asked now: it is away, or too busy.
AWAY = (db_exc.DBConnectionError, sa.exc.OperationalError, sa.exc.TimeoutError)
#: These, and what is raised for a transaction that was refused too often.
UNAVAILABLE = (*AWAY, db_exc.DBDeadlock)
# A row is there that was not a moment before, or is not there any more.
_OVERTAKEN = (db_exc.DBDuplicateEntry, StaleDataError)

_here = threading.local()


def may_be_done() -> bool:
    """Whether the transaction that runs now may have been done by an earlier try of this call."""
    return bool(getattr(_here, "lost", False))


def retried(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Run a whole transaction again when it was refused, or the connection lost.

    The function must be one transaction and nothing else.
    """
    return _retried(function, StaleDataError)


def retried_if_overtaken(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """As ``retried``, also when a row is there that was not a moment before.

    For transactions that look and then insert: another may insert the same in between, and a
    second look sees it.
    """
    return _retried(function, *_OVERTAKEN)


def _retried(
    function: Callable[_Params, _Result], *overtaken: type[Exception]
) -> Callable[_Params, _Result]:
    @functools.wraps(function)
    def call(*args: _Params.args, **kwargs: _Params.kwargs) -> _Result:
        tries = _Tries(overtaken)
        repeat = api.wrap_db_retry(
            max_retries=_TRIES,
            retry_interval=_FIRST_WAIT,
            max_retry_interval=_LONGEST_WAIT,
            jitter=True,
            exception_checker=tries.another,
        )
        before = may_be_done()
        _here.lost = False
        try:
            result: _Result = repeat(function)(*args, **kwargs)
            return result
        finally:
            _here.lost = before

    return call


class _Tries:
    """The tries of one call."""

    def __init__(self, overtaken: tuple[type[Exception], ...]) -> None:
        self._overtaken = overtaken
        self._until = time.monotonic() + _PATIENCE

    def another(self, error: Exception) -> bool:
        """Whether the call is to be tried again after this."""
        if isinstance(error, AWAY):
            _here.lost = True
            return time.monotonic() < self._until
        return isinstance(error, (db_exc.DBDeadlock, *self._overtaken))
