# SPDX-License-Identifier: Apache-2.0
"""Transactions side by side on a database file."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.db.test_pods import make
from tricircle.db import models, pods, routings, session

pytestmark = pytest.mark.usefixtures("db")


def test_writers_that_read_first_wait_for_each_other() -> None:
    routings.put("server", "s", make().id, "p")
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: routings.change_ports("s", [f"p{number}"]), range(60)))
    ports = routings.get("server", "s").detail["ports"]
    assert sorted(ports) == sorted(f"p{number}" for number in range(60))


def test_a_reader_holds_up_no_writer() -> None:
    pod = make()
    with session.read() as tx:
        assert tx.get(models.Pod, pod.id).state == "enabled"
        pods.update(pod.id, {"state": "draining"})
    assert pods.get(pod.id).state == "draining"


def test_an_exception_undoes_the_transaction() -> None:
    def fail() -> None:
        with session.write() as tx:
            tx.add(models.Pod(region_name="Pod1", availability_zone="az1"))
            tx.flush()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fail()
    assert pods.list_all() == []
