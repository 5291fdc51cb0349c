# SPDX-License-Identifier: Apache-2.0
"""Work on a database by processes that know nothing of each other, each by a node of its own."""

import logging
import multiprocessing
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from typing import Any

import sqlalchemy as sa

from tricircle.conf import CONF
from tricircle.db import session

#: One step: takes its number, gives a word for what came of it, raises what nobody expects.
Step = Callable[[int], str]
THREADS = 4


class _Retries(logging.Handler):
    """Counts how often oslo.db ran a transaction again."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.number = 0

    def emit(self, record: logging.LogRecord) -> None:
        self.number += "Performing DB retry" in record.getMessage()


_together: Any = None


def _begin(together: Any) -> None:
    global _together
    _together = together


def _work(url: str, step: Step, numbers: Sequence[int]) -> tuple[Counter[str], list[str], int]:
    CONF([], project="tricircle", default_config_files=[])
    CONF.set_override("connection", url, group="tricircle_database")
    session.reset()
    retries = _Retries()
    log = logging.getLogger("oslo_db.api")
    log.setLevel(logging.DEBUG)
    log.addHandler(retries)
    log.propagate = False
    logging.getLogger("oslo_db.sqlalchemy.engines").setLevel(logging.ERROR)
    outcomes: Counter[str] = Counter()
    errors: list[str] = []
    begun = threading.Barrier(THREADS, lambda: _together.wait(60))

    def run(mine: Sequence[int]) -> None:
        with session.read() as tx:
            tx.connection()
        begun.wait(60)
        for number in mine:
            try:
                outcomes[step(number)] += 1
            except Exception as error:
                errors.append(f"{type(error).__name__}: {str(error)[:300]}")

    with ThreadPoolExecutor(THREADS) as pool:
        list(pool.map(run, [numbers[index::THREADS] for index in range(THREADS)]))
    log.removeHandler(retries)
    return outcomes, errors, retries.number


def catch_up(url: str) -> None:
    """Wait until a node has applied what is committed on the others: it lags a little."""
    engine = sa.create_engine(url)
    with engine.connect() as connection:
        connection.execute(sa.text("SET SESSION wsrep_sync_wait = 1"))
        connection.execute(sa.text("SELECT 1"))
    engine.dispose()


class Nodes:
    """A process for each of ``number`` nodes."""

    def __init__(self, number: int) -> None:
        context = multiprocessing.get_context("spawn")
        more = {
            "mp_context": context,
            "initializer": _begin,
            "initargs": (context.Barrier(number),),
        }
        self._pools = [ProcessPoolExecutor(1, **more) for _ in range(number)]
        self.urls: Sequence[str] = []
        self.retries = 0

    def all_do(self, step: Step, numbers: Sequence[int]) -> Counter[str]:
        """Every node takes every step, beginning at once; {what came of it: how often}.

        No step may raise. When it returns, every node knows what was done by the others.
        """
        done = [
            pool.submit(_work, url, step, numbers)
            for pool, url in zip(self._pools, self.urls, strict=True)
        ]
        total: Counter[str] = Counter()
        raised: list[str] = []
        for one in done:
            outcomes, errors, retries = one.result(timeout=120)
            total += outcomes
            raised += errors
            self.retries += retries
        assert raised == [], raised[:5]
        for url in self.urls:
            catch_up(url)
        return total

    def close(self) -> None:
        for pool in self._pools:
            pool.shutdown()
