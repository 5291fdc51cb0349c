# SPDX-License-Identifier: Apache-2.0
"""xjob asks little while there is nothing to do."""

import dataclasses
from collections.abc import Iterator

import pytest

from tests.functional.network.stage import Stage
from tests.functional.network.statements import Asked
from tricircle.db.realizations import Key
from tricircle.db.work_queue import own_queue
from tricircle.network.observe import pod_agents
from tricircle.network.reconcile import runtime
from tricircle.network.wanted import needs
from tricircle.pods.pod import Pod
from tricircle.xjob.pod_loops import PodLoops


@pytest.fixture
def pod(stage: Stage) -> Pod:
    found = runtime.get().registry.fresh().by_region("pod1")
    assert found is not None
    return found


@pytest.fixture
def loops(pod: Pod) -> Iterator[PodLoops]:
    running = runtime.get()
    loops = PodLoops(running, pod.id, "pod1", needs.Changes(running.engine.queue))
    yield loops
    loops.stop()


def test_a_look_for_what_is_to_be_mirrored_asks_once(loops: PodLoops, asked: Asked) -> None:
    loops._mirror()
    with asked.counting():
        loops._mirror()
    assert len(asked.statements) == 1, asked.statements


@pytest.mark.parametrize("kind", ["server_group", "backup_copy", "volume", "flavor"])
def test_what_is_due_is_looked_at(stage: Stage, pod: Pod, loops: PodLoops, kind: str) -> None:
    queue = own_queue()
    queue.found(Key(kind, "gone"), pod.id, None, "there", wanted=False)
    loops._mirror()
    row = queue.get(Key(kind, "gone"), pod.id)
    assert row is None or row.attempts == 1


def test_a_heartbeat_is_written_when_there_is_something_to_tell(
    stage: Stage, pod: Pod, asked: Asked, monkeypatch: pytest.MonkeyPatch
) -> None:
    beats = pod_agents.Heartbeats()

    def is_written(told: Pod, is_down: bool = False) -> bool:
        with asked.counting():
            beats.beat(told, is_down)
        return bool(asked.statements)

    def alive() -> bool:
        (agent,) = stage.core.get_agents(stage.admin, {"agent_type": [pod_agents.AGENT_TYPE]})
        return bool(agent["alive"])

    assert is_written(pod)
    assert not is_written(pod)
    assert is_written(dataclasses.replace(pod, dc_name="elsewhere"))
    assert is_written(pod, is_down=True)
    assert not alive()
    assert is_written(pod)
    assert alive()
    beats.leave(pod)
    assert is_written(pod)
    monkeypatch.setattr("tricircle.network.observe.pod_agents._OFTEN", 0)
    assert is_written(pod)
