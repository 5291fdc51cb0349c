# SPDX-License-Identifier: Apache-2.0
"""Writing transactions are tried again when the database asks for it."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from oslo_db import api
from oslo_db.exception import DBDuplicateEntry

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


def retried(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """Run a whole transaction again after a deadlock or a lost connection.

    Galera reports a write conflict between two nodes as a deadlock, so every function that writes
    needs it. The function must be one transaction and nothing else.
    """
    return _retry(function, lambda error: False)


def retried_if_overtaken(function: Callable[_Params, _Result]) -> Callable[_Params, _Result]:
    """As ``retried``, also when a row is there that was not a moment before.

    For transactions that look and then insert: another may insert the same in between, and a
    second look sees it.
    """
    return _retry(function, lambda error: isinstance(error, DBDuplicateEntry))


def _retry(
    function: Callable[_Params, _Result], also: Callable[[Exception], bool]
) -> Callable[_Params, _Result]:
    wrapped: Callable[_Params, _Result] = api.wrap_db_retry(
        max_retries=10,
        retry_interval=0.1,
        max_retry_interval=2,
        jitter=True,
        retry_on_deadlock=True,
        retry_on_disconnect=True,
        exception_checker=also,
    )(function)
    return wrapped
