# SPDX-License-Identifier: Apache-2.0
"""Where blocking code runs: one pool of threads a process.

The database, keystoneauth and keystonemiddleware block; the event loop must not.
"""

import asyncio
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")

WORKERS = 32
_pool: ThreadPoolExecutor | None = None


async def in_thread(
    function: Callable[_Params, _Result], *args: _Params.args, **kwargs: _Params.kwargs
) -> _Result:
    """Run ``function`` in the pool and give its result, or raise what it raised."""
    global _pool
    if _pool is None:
        _pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="blocking")
    work = functools.partial(function, *args, **kwargs)
    return await asyncio.get_running_loop().run_in_executor(_pool, work)


def shutdown() -> None:
    """Let the threads end; work not begun is dropped."""
    global _pool
    if _pool is not None:
        _pool.shutdown(wait=False, cancel_futures=True)
    _pool = None
