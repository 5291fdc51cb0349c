# SPDX-License-Identifier: Apache-2.0
"""Whoever copies an image dies anywhere: another goes on, nothing is left and nothing is twice."""

import asyncio
import contextlib
from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.fakes.glance import Glance, data_of
from tests.functional.gateway.images.conftest import (
    DATA,
    FOREIGN,
    boot,
    image,
    work,
    worker,
    xjob,
)
from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.db import image_copies, session
from tricircle.db.models import Realization, now
from tricircle.pods.rest import PodService


class Dies(BaseException):
    """The process ends here."""


def dying(monkeypatch: pytest.MonkeyPatch, step: int) -> Callable[[], bool]:
    """Have who works die after so many calls and notes; whether they have."""
    left, died = [step], [False]

    def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **more: Any) -> Any:
            result = function(*args, **more)
            if left[0] == 0:
                died[0] = True
                raise Dies
            left[0] -= 1
            return result

        return call

    monkeypatch.setattr(PodService, "request", wrapped(PodService.request))
    for name in ("is_called", "note", "grant"):
        monkeypatch.setattr(image_copies, name, wrapped(getattr(image_copies, name)))
    return lambda: died[0]


async def test_a_copy_is_finished_whoever_dies_where(
    gateway: Gateway, cloud: Cloud, theirs: Glance, monkeypatch: pytest.MonkeyPatch
) -> None:
    CONF.set_override("wait", 0.0, group="images")
    step = 0
    while True:
        image_id = image(cloud)
        assert (await boot(gateway, image_id)).status == 503
        with monkeypatch.context() as patch:
            died = dying(patch, step)
            with contextlib.suppress(Dies):
                await work(gateway)
            if not died():
                break
        _claims_run_out()
        await work(gateway)
        copies = [one for one in theirs.images.values() if data_of(one) == DATA]
        assert list(theirs.images) == [image_id], (step, theirs.images.keys())
        assert len(copies) == 1, step
        (await boot(gateway, image_id)).ok(202)
        theirs.images.clear()
        step += 1
    assert step > 8


def _claims_run_out() -> None:
    """What a dead worker has claimed is free, as after [reconciler] lease_seconds."""
    with session.write() as tx:
        tx.execute(sa.update(Realization).values(claimed_until=None))
        dirty = sa.update(Realization).where(Realization.next_try_at.is_not(None))
        tx.execute(dirty.values(next_try_at=now()))


async def test_an_upload_that_breaks_is_begun_again(
    gateway: Gateway, cloud: Cloud, theirs: Glance
) -> None:
    """The pod's Glance hangs up, or answers nothing after it took all; then it takes it."""
    image_id = image(cloud)
    theirs.fail(Kind.CUT, "PUT", "/file", times=1)
    theirs.fail(Kind.CUT_AFTER, "PUT", "/file", times=1)
    async with xjob(gateway):
        (await boot(gateway, image_id)).ok(202)
    assert data_of(theirs.images[image_id]) == DATA
    assert len(theirs.images) == 1


async def test_a_worker_that_lost_its_claim_writes_nothing(
    gateway: Gateway, cloud: Cloud, theirs: Glance, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two who think that they have it: only the one with the claim makes an image."""
    CONF.set_override("wait", 0.0, group="images")
    image_id = image(cloud)
    assert (await boot(gateway, image_id)).status == 503
    pod = gateway.services.registry.get(gateway.pod_ids[FOREIGN])
    assert pod is not None
    real = image_copies.is_called

    def slow(row: Any, there: str) -> bool:
        monkeypatch.setattr(image_copies, "is_called", real)
        _claims_run_out()
        worker(gateway).run(pod)
        return real(row, there)

    monkeypatch.setattr(image_copies, "is_called", slow)
    await asyncio.to_thread(worker(gateway).run, pod)
    assert list(theirs.images) == [image_id]
    assert len(cloud.journal.find(f"{FOREIGN}/image", "PUT", "/file")) == 1
    (await boot(gateway, image_id)).ok(202)
