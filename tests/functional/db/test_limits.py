# SPDX-License-Identifier: Apache-2.0
"""Processes that use up one limit at once, over one database."""

import subprocess
import sys

import pytest

from tricircle.conf import CONF
from tricircle.db import allocations, storage

pytestmark = pytest.mark.usefixtures("db")

BEGIN = """
import sys
from tricircle.conf import CONF
from tricircle.db import allocations, storage
from tricircle.db.allocations import Limits, Wish
from tricircle.db.errors import OverLimit
from tricircle.db.operations import ServerCreate

CONF([], project="tricircle", default_config_files=[])
CONF.set_override("connection", sys.argv[1], group="tricircle_database")
print("ready", flush=True)
sys.stdin.readline()
"""
SERVERS = """
made = 0
for index in range(15):
    try:
        ids = allocations.reserve(
            Wish("p", "u", 1, 1), Limits(project={"instances": 20}), [ServerCreate("s")] * 2, 1
        )
    except OverLimit:
        continue
    made += len(ids)
    if index % 3 == 0:
        allocations.give_back(ids[0])
        made -= 1
print(made, flush=True)
"""
VOLUMES = """
made = 0
for index in range(12):
    try:
        row = storage.reserve("p", storage.Use("volume", 2), {"gigabytes": 21})
    except OverLimit:
        continue
    made += 1
    if index % 3 == 0:
        storage.give_back(row)
        made -= 1
print(made, flush=True)
"""


def made(program: str, processes: int) -> int:
    """How many are made by processes that begin at the same moment."""
    command = [sys.executable, "-c", BEGIN + program, CONF.tricircle_database.connection]
    workers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(processes)
    ]
    for worker in workers:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.write("go\n")
        worker.stdin.flush()
    return sum(int(worker.communicate()[0]) for worker in workers)


def test_servers() -> None:
    count = made(SERVERS, 4)
    assert count == allocations.used("p")["instances"] <= 20
    assert count >= 15


def test_volumes() -> None:
    assert made(VOLUMES, 3) == storage.used("p")["volumes"] == 10
