# SPDX-License-Identifier: Apache-2.0
"""Distributed and highly available routers: a word to the pods that know it."""

from typing import Any

import pytest
from neutron.api import api_common
from neutron_lib.api import faults
from neutron_lib.callbacks.exceptions import CallbackFailure

from tests.functional.network.routed_networks import external, open_to, router
from tests.functional.network.stage import Object, Stage
from tricircle.network.routers import east_west


def modes(stage: Stage, region: str, router_id: str) -> tuple[bool, bool, bool]:
    there = stage.copy(region, "routers", router_id)
    return there["distributed"], there["ha"], there["admin_state_up"]


def change(stage: Stage, made: Object, **values: Any) -> Object:
    changed: Object = stage.l3.update_router(stage.admin, made["id"], {"router": values})
    return changed


def test_pods_are_told(stage: Stage) -> None:
    # As ML2/OVN, which knows of HA and refuses to do without.
    stage.neutron("pod3").aliases -= {"dvr"}
    stage.neutron("pod3").always_ha = True
    nets = [stage.network(f"10.{number}.0.0/24") for number in (1, 2, 3)]
    for (network, _), region in zip(nets, stage.pod_ids, strict=True):
        stage.bound(network, region)
    made = router(stage, *(subnet for _, subnet in nets), distributed=True)
    assert (made["distributed"], made["ha"]) == (True, False)
    stage.reconcile()
    assert modes(stage, "pod1", made["id"]) == (True, False, True)
    assert modes(stage, "pod2", made["id"]) == (True, False, True)
    assert modes(stage, "pod3", made["id"]) == (False, True, True)

    with pytest.raises(CallbackFailure, match="set admin_state_up to False") as refused:
        change(stage, made, distributed=False)
    told = api_common.convert_exception_to_http_exc(refused.value, faults.FAULT_MAP, None)
    assert told.code == 400
    assert stage.l3.get_router(stage.admin, made["id"])["distributed"] is True
    # A pod that hears of all of it at once gets there, too.
    change(stage, made, admin_state_up=False)
    changed = change(stage, made, distributed=False, ha=True)
    assert (changed["distributed"], changed["ha"]) == (False, True)
    change(stage, made, admin_state_up=True)
    # Whoever works on the second dies after the first call.
    stage.copy("pod2", "routers", made["id"])["admin_state_up"] = False
    stage.reconcile()
    assert modes(stage, "pod1", made["id"]) == (False, True, True)
    assert modes(stage, "pod2", made["id"]) == (False, True, True)
    assert modes(stage, "pod3", made["id"]) == (False, True, True)


def test_what_a_pod_takes_for_usual_does_not_count(stage: Stage) -> None:
    """And the router to other pods is on one host, whatever the other is."""
    public = external(stage, "pod1")
    nets = [stage.network(f"10.{number}.0.0/24") for number in (1, 2)]
    for (network, _), region in zip(nets, ("pod1", "pod2"), strict=True):
        stage.bound(network, region)
    made = open_to(stage, router(stage, *(subnet for _, subnet in nets)), public)
    stage.cloud.journal.clear()
    stage.reconcile()
    bodies = [
        call.json["router"]
        for call in stage.cloud.journal.find("pod1/network", "POST", "/routers$")
    ]
    assert [(body["distributed"], body["ha"]) for body in bodies] == [(False, False)] * 2
    change(stage, made, admin_state_up=False)
    change(stage, made, distributed=True, admin_state_up=False)
    change(stage, made, admin_state_up=True)
    stage.reconcile()
    assert modes(stage, "pod1", made["id"]) == (True, False, True)
    own = east_west.key(made["id"]).resource_id
    assert modes(stage, "pod1", own) == (False, False, True)
