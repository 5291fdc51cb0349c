# SPDX-License-Identifier: Apache-2.0
"""Tokens of pods are asked for once, a few at a time, and kept in little memory."""

import asyncio
import threading
import time
import tracemalloc
import uuid
from typing import Any

import pytest

from tricircle.conf import CONF
from tricircle.gateway.transport.exchanges import Exchanges
from tricircle.pods.access.base import PodToken, Who
from tricircle.pods.access.ids import Ids
from tricircle.pods.errors import NoAccess
from tricircle.pods.pod import Pod

POD = Pod("1", "Pod1", "az1", access="managed")
OTHER = Pod("2", "Pod2", "az1", access="managed")


class Access:
    """A pod's access that tells how often, and how many at once, it is asked."""

    def __init__(self, seconds: float = 0.0) -> None:
        self.asked: list[Who] = []
        self.most = self._now = 0
        self._lock, self._seconds = threading.Lock(), seconds
        self.refuses = False

    def exchange(self, who: Who) -> PodToken:
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            self.asked.append(who)
        time.sleep(self._seconds)
        with self._lock:
            self._now -= 1
        if self.refuses:
            raise NoAccess("Pod1", "no")
        token = "gAAAA" + "".join(uuid.uuid4().hex for _ in range(8))
        return PodToken(token, uuid.uuid4().hex, uuid.uuid4().hex, time.time() + 900)


class Accesses:
    def __init__(self, **accesses: Access) -> None:
        self.accesses = accesses

    def of(self, pod: Pod) -> Any:
        return self.accesses[pod.region_name]

    def ids(self, pod: Pod) -> Ids:
        return Ids(pod.id)


def who(user: int | str = 1, level: str = "member") -> Who:
    return Who(f"user {user}", "project", "name", level)


async def test_a_key_is_asked_for_once() -> None:
    access, exchanges = Access(0.01), Exchanges()
    accesses: Any = Accesses(Pod1=access)
    got = await asyncio.gather(*(exchanges.token(accesses, POD, who(), "req-1") for _ in range(50)))
    assert len(access.asked) == 1
    assert len(set(got)) == 1
    exchanges.drop(POD, who(), "another's")
    assert await exchanges.token(accesses, POD, who(), "req-1") == got[0]
    exchanges.drop(POD, who(), got[0].token)
    assert await exchanges.token(accesses, POD, who(), "req-1") != got[0]


async def test_each_user_level_and_pod_has_a_token_of_its_own() -> None:
    first, second, exchanges = Access(), Access(), Exchanges()
    accesses: Any = Accesses(Pod1=first, Pod2=second)
    tokens = {
        (await exchanges.token(accesses, pod, one, "req-1")).user_id
        for pod in (POD, OTHER)
        for one in (who(), who(level="reader"), who(2))
    }
    assert len(tokens) == 6


async def test_few_at_once_and_none_waits_for_another_pod() -> None:
    slow, quick, exchanges = Access(0.01), Access(), Exchanges()
    accesses: Any = Accesses(Pod1=slow, Pod2=quick)
    many = asyncio.gather(
        *(exchanges.token(accesses, POD, who(number), "req-1") for number in range(60))
    )
    await exchanges.token(accesses, OTHER, who(), "req-1")
    assert not many.done()
    await many
    assert slow.most <= CONF.federation.exchanges_per_pod
    assert len(slow.asked) == 60


async def test_whoever_stops_waiting_stops_nobody_else() -> None:
    access, exchanges = Access(0.05), Exchanges()
    accesses: Any = Accesses(Pod1=access)
    impatient = asyncio.create_task(exchanges.token(accesses, POD, who(), "req-1"))
    patient = asyncio.create_task(exchanges.token(accesses, POD, who(), "req-2"))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).token
    assert len(access.asked) == 1


async def test_a_refusal_is_remembered_and_no_one_elses() -> None:
    access, exchanges = Access(), Exchanges()
    accesses: Any = Accesses(Pod1=access)
    access.refuses = True
    for _ in range(3):
        with pytest.raises(NoAccess):
            await exchanges.token(accesses, POD, who(), "req-1")
    assert len(access.asked) == 1
    access.refuses = False
    assert await exchanges.token(accesses, POD, who(2), "req-1")


async def test_ten_thousand_tokens_are_little() -> None:
    """Measured on a tenth of them."""
    exchanges, access, ids = Exchanges(), Access(), Ids("1")
    tracemalloc.start()
    try:
        for number in range(1000):
            one = Who(uuid.uuid4().hex, uuid.uuid4().hex, f"project {number}", "member")
            got = access.exchange(one)
            access.asked.clear()
            exchanges._kept.put(exchanges._key(POD, one), got)
            ids.note(one.project_id, got.project_id)
            ids.note_user(one.user_id, got.user_id)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert used * 10 < 20 * 2**20


async def test_no_more_are_kept_than_may_be() -> None:
    CONF.set_override("most_tokens", 5, group="federation")
    try:
        exchanges = Exchanges()
    finally:
        CONF.clear_override("most_tokens", group="federation")
    accesses: Any = Accesses(Pod1=Access())
    for number in range(8):
        await exchanges.token(accesses, POD, who(number), "req-1")
    assert len(list(exchanges._kept)) == 5
