# SPDX-License-Identifier: Apache-2.0
"""A worker's clock is wrong by ten minutes: what others have stays theirs, for as long as it is."""

import datetime
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.world.daemons import install
from tricircle.conf import CONF
from tricircle.db import clock, jobs, operations, pods, realizations, session
from tricircle.db.models import Realization
from tricircle.db.operations import ServerCreate
from tricircle.db.realizations import Key
from tricircle.db.work_queue import WorkQueue

# No machine is so busy that a process takes so long to look.
LEASE = 300


def look(offset: str, *arguments: str) -> Any:
    """What a process finds whose clock is wrong by ``offset``."""
    install("faketime")
    (library,) = Path("/usr/lib").glob("*/faketime/libfaketime.so.1")
    faked = {
        "LD_PRELOAD": str(library),
        "FAKETIME": offset,
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    argv = [sys.executable, "-W", "ignore", "-m", "tests.functional.world.ahead", *arguments]
    done = subprocess.run(argv, env=os.environ | faked, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr[-3000:]
    return json.loads(done.stdout)


@pytest.mark.parametrize("offset", ["+600s", "-600s"])
def test_claims_go_by_the_databases_clock(database: str, offset: str) -> None:
    pod_id = pods.list_all()[0].id
    CONF.set_override("lease_seconds", LEASE, group="reconciler")
    queue = WorkQueue(Realization, session.write)
    with session.write() as tx:
        for name in ("claimed", "free"):
            realizations.ensure(tx, Realization, Key("thing", name), pod_id, None)
    row, free = (queue.get(Key("thing", name), pod_id) for name in ("claimed", "free"))
    assert row is not None
    assert free is not None
    mine = queue.claim(row.id)
    assert mine is not None
    operations.begin(ServerCreate(), "project")
    assert pods.claim_probe(pod_id, clock.now(), clock.now())
    found = look(offset, database, row.id, free.id, pod_id)
    assert abs(found.pop("ahead") - float(offset.rstrip("s"))) < 10
    assert found == {
        "stolen": False,
        "due": [free.id],
        "state": jobs.WORKING,
        "stale": 0,
        "probes": False,
        "got": True,
    }
    # And what it has is its own for the time of a lease, not a minute more or less.
    with session.read() as tx:
        query = sa.select(Realization.claimed_until).where(Realization.id == free.id)
        until = tx.scalar(query)
    assert until is not None
    left = until - clock.now()
    assert datetime.timedelta() < left <= datetime.timedelta(seconds=LEASE)
    assert queue.realized(mine, "inside")


def test_a_clock_is_asked_anew(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of every database it is known what time it has; a clock that is set is followed."""
    pods.list_all()
    with session.read() as tx:
        told = tx.scalar(sa.text("SELECT UTC_TIMESTAMP(6)"))
    assert told is not None
    assert abs(told - clock.now()) < datetime.timedelta(seconds=2)
    monkeypatch.setattr(clock, "_zero", clock._zero - datetime.timedelta(hours=1))  # type: ignore[operator]
    monkeypatch.setattr(clock, "_INTERVAL", 0.0)
    pods.list_all()
    assert abs(told - clock.now()) < datetime.timedelta(seconds=20)
