# SPDX-License-Identifier: Apache-2.0
"""The lab that tests run on: one that is up is reused, else it is brought up and taken down.

Several processes may run tests on it at once. The first one brings it up, the last one takes it
down; a test that disturbs a pod has the lab for itself.
"""

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from lab import cli, dataplane, process, settings, tricircle
from lab.settings import Lab, LabError


def standing(name: str, **wanted: Any) -> Iterator[Lab]:
    """The lab of that name with Tricircle, for all tests; ``wanted`` as ``cli.ensure_up`` has it.

    One that is up keeps its shape, but must be of the profile. A switch that crashed meanwhile
    fails the run.
    """
    ours = _lock(name, "brought-up-by-tests")
    with _lock(name, "users").open("w") as users:
        try:
            with _lock(name, "begun").open("w") as begun:
                fcntl.flock(begun, fcntl.LOCK_EX)
                if not _is_up(name):
                    ours.touch()
                lab = cli.ensure_up(name, with_tricircle=True, **wanted)
                fcntl.flock(users, fcntl.LOCK_SH)
            yield lab
            crashes = dataplane.check(lab)
            assert not crashes, "\n".join(crashes)
        finally:
            # Whoever is the last user gets the lock for themselves.
            with suppress(BlockingIOError):
                fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if ours.exists():
                    cli.down(settings.load(name))
                    ours.unlink()


@contextmanager
def undisturbed(name: str) -> Iterator[None]:
    """Meanwhile nobody disturbs the lab's pods. Others may be ``undisturbed`` as well."""
    with _turn(name, fcntl.LOCK_SH):
        yield


@contextmanager
def alone(name: str) -> Iterator[None]:
    """Nobody else uses the lab meanwhile."""
    with _turn(name, fcntl.LOCK_EX):
        yield


@contextmanager
def only_one(name: str, what: str) -> Iterator[None]:
    """Nobody else has ``what`` of the lab meanwhile."""
    with _lock(name, what).open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        yield


@contextmanager
def _turn(name: str, kind: int) -> Iterator[None]:
    # Who waits at the door keeps it closed: else who wants to be alone might wait for ever.
    with _lock(name, "door").open("w") as door, _lock(name, "room").open("w") as room:
        fcntl.flock(door, fcntl.LOCK_EX)
        fcntl.flock(room, kind)
        fcntl.flock(door, fcntl.LOCK_UN)
        yield


def _lock(name: str, what: str) -> Path:
    home = settings.home_of(name)
    home.mkdir(parents=True, exist_ok=True)
    return home / f"{what}.lock"


def _is_up(name: str) -> bool:
    try:
        return process.alive(settings.load(name), tricircle.GATEWAY) is not None
    except LabError:
        return False
