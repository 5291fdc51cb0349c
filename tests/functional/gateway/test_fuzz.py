# SPDX-License-Identifier: Apache-2.0
"""Hostile requests to all APIs: no failure of our own, and no answer outside the envelope.

``make fuzz`` sends more. The environment's FUZZ_SEED (1) and FUZZ_COUNT (3000) choose which and how
many: the same are the same.
"""

import asyncio
import collections
import json
import logging
import os
import traceback
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
import sqlalchemy as sa
from multidict import CIMultiDict
from sqlalchemy import event

from tests.functional import hostile_values
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tests.functional.hostile import CALLERS, Attacker, Sent
from tricircle.db import session
from tricircle.gateway import app

SEED = int(os.environ.get("FUZZ_SEED", "1"))
COUNT = int(os.environ.get("FUZZ_COUNT", "3000"))
#: Requests under way at a time, and seconds one may take.
_AT_ONCE, _DEADLINE = 8, 30.0
#: Servers and volumes in each pod to begin with.
_EACH = 20
_OURS = b"The gateway failed on this request"


@pytest.fixture
def strict(gateway: Gateway) -> Iterator[None]:
    """SQLite as strict as MariaDB and PostgreSQL are: about lengths, numbers and NULs."""

    def check(_: Any, clause: Any, several: Any, one: Any, options: Any) -> None:
        if not isinstance(clause, sa.Insert | sa.Update | sa.Select | sa.Delete):
            return
        table = getattr(clause, "table", None)
        for values in (dict(clause.compile().params), *several, one):
            for name, value in values.items():
                if isinstance(value, str) and "\0" in value:
                    raise ValueError(f"{name} has a NUL in it")
                kind = (
                    table.columns[name].type
                    if table is not None and name in table.columns
                    else None
                )
                length = getattr(kind, "length", None)
                if isinstance(value, str) and length is not None and len(value) > length:
                    raise ValueError(f"Data too long for {table}.{name}")
                if isinstance(kind, sa.Integer) and isinstance(value, int) and abs(value) >= 2**31:
                    raise ValueError(f"Out of range for {table}.{name}")

    event.listen(session.engine(), "before_execute", check)
    yield
    event.remove(session.engine(), "before_execute", check)


class Failures(logging.Handler):
    """What failed in the gateway itself, each kind once: {where and what: how often}."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.kinds: collections.Counter[str] = collections.Counter()

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        if error is None:
            return
        frames = [
            f for f in traceback.extract_tb(error.__traceback__) if "/tricircle/" in f.filename
        ]
        where = " < ".join(
            f"{f.filename.split('/tricircle/')[-1]}:{f.lineno}" for f in frames[:-4:-1]
        )
        self.kinds[f"{where}: {type(error).__name__}: {str(error)[:150]}"] += 1


async def exchange(url: str, sent: Sent) -> tuple[int, CIMultiDict[str], bytes] | None:
    """Status, headers and body of the answer; None when there is none."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    try:
        writer.write(sent.data)
        deadline = _DEADLINE if sent.whole else 0.3
        head = b"HTTP/1.1 100 "
        while head.startswith(b"HTTP/1.1 100 "):
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), deadline)
        line, *lines = head.decode().strip().split("\r\n")
        headers = CIMultiDict(
            (name, value) for name, _, value in (x.partition(": ") for x in lines)
        )
        length = 0 if sent.method == "HEAD" else int(headers.get("Content-Length", 0))
        return int(line.split()[1]), headers, await reader.readexactly(length)
    except TimeoutError:
        return None
    except (asyncio.IncompleteReadError, ConnectionError):
        return None
    finally:
        writer.close()


def trouble(sent: Sent, answer: tuple[int, CIMultiDict[str], bytes] | None) -> str | None:
    """What is wrong with an answer, None when all is well."""
    if answer is None:
        return "no answer" if sent.whole else None
    status, headers, body = answer
    if _OURS in body:
        return "our own 500"
    if not headers.get("X-OpenStack-Request-ID", "").startswith("req-"):
        return f"{status} without a request id"
    if status < 400 or sent.method == "HEAD":
        return None
    try:
        ((key, error),) = json.loads(body).items()
        assert (key == "error") == (sent.service == "admin" or status == 401)
        assert error["code"] == status
        assert isinstance(error["message"], str)
    except (ValueError, AssertionError, LookupError, TypeError, AttributeError):
        return f"{status} outside the envelope: {body[:80]!r}"
    return None


async def found(gateway: Gateway, cloud: Cloud) -> dict[str, list[str]]:
    """{collection: ids} of what there is to begin with."""
    regions = list(cloud.pods) * _EACH
    known = {
        "servers": [cloud.pods[region].nova.add_server("one").id for region in regions],
        "volumes": [cloud.pods[region].cinder.add_volume("one")["id"] for region in regions],
        "images": [cloud.image_id],
        "pods": list(gateway.pod_ids.values()),
    }
    bases = {
        "compute": f"{gateway.compute}/v2.1",
        "volume": f"{gateway.volume}/v3",
        "admin": f"{gateway.admin}/tricircle/v1.0",
    }
    version = {"OpenStack-API-Version": "compute 2.90, volume 3.71"}
    for service, collection, body, key in hostile_values.FOUND:
        for number in range(_EACH // 4):
            text = json.dumps(body).replace("@name@", f"{collection}{number}")
            sent = text.replace("@volumes@", known["volumes"][number]).encode()
            answer = await gateway.call(
                "POST", f"/{collection}", sent, user="admin", headers=version, base=bases[service]
            )
            ((_, made), *_) = answer.ok().items()
            known.setdefault(collection, []).append(str(made[key]))
    return known


async def test_hostile_requests(
    gateway: Gateway, cloud: Cloud, strict: None, capsys: pytest.CaptureFixture[str]
) -> None:
    # What a fake stumbles over a real service's schemas refuse before it gets so far.
    cloud.journal.hostile = True
    known = await found(gateway, cloud)
    tokens = {user: gateway.token(user) for user in CALLERS[:4] if user}
    apis = (app.compute_api(), app.volume_api(), app.admin_api())
    urls = {"compute": gateway.compute, "volume": gateway.volume, "admin": gateway.admin}
    attacker = Attacker(SEED, apis, known, tokens, cloud.project_id)
    failures = Failures()
    logging.getLogger("tricircle").addHandler(failures)
    statuses: collections.Counter[int] = collections.Counter()
    troubles: dict[str, list[Sent]] = {}
    requests = attacker.requests(COUNT)

    async def send() -> None:
        for sent in requests:
            answer = await exchange(urls[sent.service], sent)
            statuses[answer[0] if answer else 0] += 1
            if (wrong := trouble(sent, answer)) is not None:
                troubles.setdefault(wrong, []).append(sent)

    try:
        await asyncio.gather(*(send() for _ in range(_AT_ONCE)))
    finally:
        logging.getLogger("tricircle").removeHandler(failures)
    ours = len(troubles.get("our own 500", ()))
    outside = sum(map(len, troubles.values())) - ours
    with capsys.disabled():
        print(
            f"\n{COUNT} requests of seed {SEED} over {attacker.rows} rows: {ours} failures of our "
            f"own, {outside} answers outside the envelope; {dict(sorted(statuses.items()))}"
        )
    told = [f"{number} x {kind}" for kind, number in failures.kinds.most_common()]
    for wrong, sent in sorted(troubles.items()):
        told.append(f"{len(sent)} x {wrong}: {sent[0].what}: {sent[0].data[:300]!r}")
    assert told == []
