# SPDX-License-Identifier: Apache-2.0
"""A floating IP or port is ACTIVE only while its pods have the latest of it."""

import sqlalchemy as sa
from neutron.db.models import l3 as l3_models

from tests.functional.network.routed_networks import (
    VLAN,
    external,
    floating,
    open_to,
    point,
    router,
)
from tests.functional.network.stage import Object, Stage
from tricircle.network.observe import status
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline


def of(stage: Stage, floating_ip: Object) -> str:
    return str(stage.l3.get_floatingip(stage.admin, floating_ip["id"])["status"])


def look(region: str) -> int:
    running = runtime.get()
    pod = running.registry.fresh().by_region(region)
    assert pod is not None
    return status.bring_back(running.engine.session(pod, Deadline(5)))


def one_in_each(stage: Stage, *outlets: str) -> tuple[Object, list[Object]]:
    """An external network in some pods, and servers behind a router in pod1 and pod2."""
    public = external(stage, *outlets)
    network, subnet = stage.network(**VLAN)
    ports = [stage.bound(network, pod) for pod in ("pod1", "pod2")]
    open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    return public, ports


def test_a_floating_ip_is_active_when_the_old_pod_has_given_it_up(stage: Stage) -> None:
    public, (here, there) = one_in_each(stage, "pod1", "pod2")
    ip = floating(stage, public, here)
    stage.reconcile()
    assert of(stage, ip) == "ACTIVE"

    body = {"floatingip": {"port_id": there["id"]}}
    moved = stage.l3.update_floatingip(stage.admin, ip["id"], body)
    assert moved["status"] == of(stage, ip) == "DOWN"
    stage.reconcile("pod2", sweep=False)
    assert stage.copies("pod2", "floatingips")
    look("pod2")
    assert of(stage, ip) == "DOWN"
    stage.reconcile("pod1", sweep=False)
    assert of(stage, ip) == "ACTIVE"

    # Nobody waits for a pod that is away to give it up.
    stage.cloud.pods["pod2"].stop()
    point(stage, ip, here)
    stage.reconcile("pod1", sweep=False)
    look("pod1")
    assert of(stage, ip) == "DOWN"
    stage.reconcile("pod2", sweep=False)
    look("pod1")
    assert of(stage, ip) == "ACTIVE"
    point(stage, ip, None)
    assert of(stage, ip) == "DOWN"
    stage.start("pod2")


def test_a_floating_ip_of_two_steps_is_active_when_both_are_there(stage: Stage) -> None:
    public, (here, there) = one_in_each(stage, "pod1")
    ip = floating(stage, public, there)
    stage.reconcile("pod2", sweep=False)
    assert stage.copies("pod2", "floatingips")
    assert of(stage, ip) == "DOWN"
    stage.reconcile("pod1", sweep=False)
    assert of(stage, ip) == "ACTIVE"

    # Both ended at the same moment, and each saw the other's unfinished.
    runtime.get().engine.queue.transact(
        lambda tx: tx.execute(sa.update(l3_models.FloatingIP).values(status="DOWN"))
    )
    assert look("pod2") > 0
    assert of(stage, ip) == "ACTIVE"

    # Within a pod, too.
    point(stage, ip, here)
    stage.reconcile()
    other = stage.bound({"id": here["network_id"]}, "pod1")
    point(stage, ip, other)
    assert of(stage, ip) == "DOWN"
    stage.reconcile()
    assert of(stage, ip) == "ACTIVE"
    # What does not move it leaves it.
    body = {"floatingip": {"description": "web"}}
    assert stage.l3.update_floatingip(stage.admin, ip["id"], body)["status"] == "ACTIVE"


def test_a_port_that_the_pod_has_not_as_it_is_wanted(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    stage.copy("pod1", "ports", port["id"])["status"] = "ACTIVE"
    look("pod1")
    assert stage.core.get_port(stage.admin, port["id"])["status"] == "ACTIVE"
    stage.change("port", port["id"], admin_state_up=False)
    look("pod1")
    assert stage.core.get_port(stage.admin, port["id"])["status"] == "BUILD"
    stage.reconcile()
    look("pod1")
    assert stage.core.get_port(stage.admin, port["id"])["status"] == "ACTIVE"
