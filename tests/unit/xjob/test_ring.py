# SPDX-License-Identifier: Apache-2.0
"""Workers that share by a ring, over tooz's own driver for one machine."""

import logging
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tricircle.conf import CONF
from tricircle.xjob import ring as ring_module
from tricircle.xjob.ring import Ring

NAMES = [f"pod{number}" for number in range(60)]


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "ring"
    CONF.set_override("backend_url", f"file://{path}", group="coordination")
    CONF.set_override("member_seconds", 2, group="coordination")
    yield path
    CONF.clear_override("backend_url", group="coordination")
    CONF.clear_override("member_seconds", group="coordination")


class Worker(Ring):
    """A ring that is looked at when the test says so; counts changes."""

    def __init__(self, name: str) -> None:
        self.changes = 0
        super().__init__(self._count, name)

    def _count(self) -> None:
        self.changes += 1

    def share(self) -> set[str]:
        return {name for name in NAMES if self.mine(name)}


def looks(*workers: Worker) -> None:
    for _ in range(2):
        for worker in workers:
            worker.look()


def test_without_a_coordinator_all_is_mine() -> None:
    worker = Worker("a")
    worker.start()
    assert worker.share() == set(NAMES)
    worker.stop(1)


def test_each_piece_has_one_worker(folder: Path) -> None:
    workers = [Worker(name) for name in "abc"]
    looks(*workers)
    shares = [worker.share() for worker in workers]
    assert sum(map(len, shares)) == len(NAMES)
    assert set().union(*shares) == set(NAMES)
    assert all(len(share) > 5 for share in shares)


def test_who_leaves_is_missed_at_once_and_only_that_share_moves(folder: Path) -> None:
    workers = [Worker(name) for name in "abc"]
    looks(*workers)
    before = [worker.share() for worker in workers]
    workers[0].stop(1)
    looks(*workers[1:])
    assert workers[1].share() >= before[1]
    assert workers[2].share() >= before[2]
    assert workers[1].share() | workers[2].share() == set(NAMES)


def test_who_dies_is_missed_after_a_while(folder: Path) -> None:
    one, two = Worker("a"), Worker("b")
    looks(one, two)
    assert one.share() != set(NAMES)
    until = time.monotonic() + 20
    while one.share() != set(NAMES):
        assert time.monotonic() < until
        time.sleep(0.1)
        one.look()
    changes = one.changes
    # It was only slow.
    looks(two, one)
    assert one.share() | two.share() == set(NAMES)
    assert not one.share() & two.share()
    assert one.changes == changes + 1


def _forgetful(folder: Path) -> None:
    shutil.rmtree(folder)


def _broken(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("not a folder")


def test_a_coordinator_that_forgot_everything(folder: Path) -> None:
    one, two = Worker("a"), Worker("b")
    looks(one, two)
    before = one.share()
    _forgetful(folder)
    for _ in range(3):
        looks(one, two)
    assert one.share() == before
    assert one.share() | two.share() == set(NAMES)


def test_a_coordinator_that_is_away(
    folder: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    one, two = Worker("a"), Worker("b")
    looks(one, two)
    before, changes = one.share(), one.changes
    _broken(folder)
    for _ in range(5):
        one.look()
    assert (one.share(), one.changes) == (before, changes)
    assert sum("coordinator fails" in record.message for record in caplog.records) == 1

    # Whoever else has died meanwhile cannot be known: rather too much than too little.
    monkeypatch.setattr(ring_module, "_BELIEVED", 0)
    one.look()
    assert one.share() == set(NAMES)

    folder.unlink()
    looks(one, two)
    assert one.share() == before
    assert two.share() == set(NAMES) - before
    assert any("answers again" in record.message for record in caplog.records)


def test_one_that_is_not_there_at_the_start(folder: Path) -> None:
    folder.write_text("not a folder")
    worker = Worker("a")
    worker.look()
    assert worker.share() == set(NAMES)


def test_it_looks_by_itself(folder: Path) -> None:
    one, two = Worker("a"), Worker("b")
    started: list[Callable[[], None]] = [one.start, two.start]
    for start in started:
        start()
    until = time.monotonic() + 20
    while one.share() & two.share() or not (one.share() and two.share()):
        assert time.monotonic() < until
        time.sleep(0.05)
    one.stop(5)
    while two.share() != set(NAMES):
        assert time.monotonic() < until
        time.sleep(0.05)
    two.stop(5)
