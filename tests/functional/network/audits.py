# SPDX-License-Identifier: Apache-2.0
"""Audits of pods by a test, and what came of them."""

from tests.functional.network.stage import Stage
from tricircle.db import repairs
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.pods.deadline import Deadline
from tricircle.xjob.audit import Audit, Findings


def audit(stage: Stage, region: str, by: Audit | None = None) -> Findings:
    running = runtime.get()
    pod = running.registry.fresh().by_region(region)
    assert pod is not None
    by = by or Audit(running.engine.queue, ADAPTERS)
    return by.run(running.engine.session(pod, Deadline(40)))


def repaired(kind: str | None = None) -> list[str]:
    """What was done, the first first."""
    return [row.done for row in reversed(repairs.page()) if kind in (None, row.resource_type)]


def writes(stage: Stage, region: str) -> list[str]:
    calls = stage.cloud.journal.find(f"{region}/network")
    return [call.line for call in calls if call.method != "GET"]


def settled(stage: Stage, region: str) -> None:
    """Nothing is left to do, and another audit finds nothing."""
    assert stage.pending(region) == []
    stage.cloud.journal.clear()
    found = audit(stage, region)
    assert (found.gone, found.changed) == ([], []), found
    assert (found.orphans, found.adopted, found.doubles) == (0, 0, 0)
    stage.reconcile(region)
    assert writes(stage, region) == []
