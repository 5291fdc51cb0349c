# SPDX-License-Identifier: Apache-2.0
"""What operators ask for is done by xjob, and tried again while the pod does not answer."""

import pytest

from tests.functional.fakes.faults import Kind
from tests.functional.network.adoption.before import Before
from tests.functional.network.stage import PROJECT, Stage
from tricircle.db import adoptions
from tricircle.db.errors import Duplicate
from tricircle.db.models import Adoption
from tricircle.db.work_queue import own_queue
from tricircle.network.adoption import bodies
from tricircle.network.reconcile import runtime
from tricircle.pods.reconciler import Worker
from tricircle.xjob.adoptions import Adoptions


def work(stage: Stage) -> None:
    running = runtime.get()
    pod = running.registry.fresh().by_region("pod1")
    assert pod is not None
    own_queue().requeue_now(pod.id)
    Worker(own_queue(), (Adoptions(running.engine),)).run(pod)


def ask(stage: Stage, action: str = adoptions.ADOPT, dry_run: bool = False) -> str:
    return str(adoptions.begin(stage.pod_ids["pod1"], PROJECT, action, dry_run).id)


def told(adoption_id: str) -> Adoption:
    found = adoptions.get(adoption_id)
    assert found is not None
    return found


def test_asked_done_and_given_back(stage: Stage) -> None:
    before = Before(stage, "pod1")
    first = ask(stage, dry_run=True)
    with pytest.raises(Duplicate):
        ask(stage)
    work(stage)
    assert told(first).state == adoptions.DONE
    planned = {(one["id"], one["action"]) for one in told(first).objects}
    assert (before.network["id"], "adopt") in planned
    assert stage.core.get_networks(stage.admin) == []

    stage.neutron("pod1").fail(Kind.ERROR, "PUT", "/ports/")
    second = ask(stage)
    work(stage)
    assert told(second).state == adoptions.WAITING
    assert "Kaboom" in str(told(second).reason)
    stage.neutron("pod1").heal()
    work(stage)
    assert told(second).state == adoptions.DONE
    assert stage.core.get_port(stage.admin, before.port["id"])["binding:host_id"] == "pod1"

    back = ask(stage, adoptions.RELEASE)
    work(stage)
    assert {one["action"] for one in told(back).objects} == {"release"}
    assert stage.core.get_networks(stage.admin) == []
    # Nothing is left to do for any of them.
    assert own_queue().in_pod(stage.pod_ids["pod1"], (adoptions.KIND,)) == []


def test_what_the_region_would_change_is_refused_and_nothing_done(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Before(stage, "pod1")
    before.subnet["dns_nameservers"] = ["10.5.0.53"]
    told_of = bodies.AS_IT_IS["subnet"]
    less = tuple(name for name in told_of if name != "dns_nameservers")
    monkeypatch.setitem(bodies.AS_IT_IS, "subnet", less)
    asked = ask(stage)
    work(stage)
    assert told(asked).state == adoptions.FAILED
    assert "would change dns_nameservers of subnet" in str(told(asked).reason)
    assert before.subnet["description"] == "of old"
    assert stage.core.get_networks(stage.admin) == []
    assert stage.rows() == []
