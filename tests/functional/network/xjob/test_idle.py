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
from tricircle.xjob.pod_loops import NETWORK, OWN, PodLoops
from tricircle.xjob.service import Service


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


def of_work(asked: Asked) -> list[str]:
    """What was asked; the pods are read again whenever they were read some time ago."""
    return [one for one in asked.statements if "FROM pods" not in one]


def test_a_look_for_what_is_to_be_mirrored_asks_once(loops: PodLoops, asked: Asked) -> None:
    loops._mirror()
    with asked.counting():
        loops._mirror()
    assert len(of_work(asked)) == 1, asked.statements


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


def test_nobody_asks_for_work_without_being_told(loops: PodLoops, asked: Asked) -> None:
    runtime.get().registry.fresh()
    with asked.counting():
        loops._reconcile(False)
        loops._mirror(False)
        loops._look_at_images(False)
        loops._take_over(False)
        loops._look_at_usage(False)
    assert of_work(asked) == []


def test_one_look_tells_which_pods_have_work(stage: Stage, asked: Asked) -> None:
    service = Service(runtime.get())
    service._pods = {
        pod_id: PodLoops(runtime.get(), pod_id, region, service._changes)
        for region, pod_id in stage.pod_ids.items()
    }
    here = stage.pod_ids["pod2"]
    network, _ = stage.network()
    stage.want(stage.port(network), "pod2")
    own_queue().found(Key("flavor", "gone"), here, None, "there", wanted=False)
    try:
        for find, what in ((service._find_due, NETWORK), (service._find_due_to_mirror, OWN)):
            for work in service._pods.values():
                assert all(loop._heard() for loop in work._bells[what])
            with asked.counting():
                find()
            assert len(of_work(asked)) == 1, asked.statements
            for pod_id, work in service._pods.items():
                told = [loop._heard() for loop in work._bells[what]]
                assert set(told) == {pod_id == here}
    finally:
        for work in service._pods.values():
            work.stop()
