# SPDX-License-Identifier: Apache-2.0
"""In which pod a router is at home, and what becomes of its guests while that pod is down."""

import logging
from collections.abc import Iterator

import pytest
import sqlalchemy as sa

from tests.functional.network.routed_networks import (
    VLAN,
    clean,
    external,
    floating,
    gateway,
    joined,
    leave,
    open_to,
    router,
    routes,
)
from tests.functional.network.stage import Object, Stage
from tricircle.conf import CONF
from tricircle.db import pods, repairs
from tricircle.network.central.models import RouterHome
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.stand_ins import Moved, StandIns
from tricircle.xjob.service import Service


@pytest.fixture
def at_once() -> Iterator[None]:
    CONF.set_override("home_returns_after", 0, group="interconnect")
    yield
    CONF.clear_override("home_returns_after", group="interconnect")


def _look(stage: Stage, watch: StandIns, *down: str) -> list[Moved]:
    found = runtime.get().registry.fresh().all()
    return watch.look(found, frozenset(stage.pod_ids[region] for region in down))


def _shown(made: Object) -> list[str]:
    return [one["ip_address"] for one in made["external_gateway_info"]["external_fixed_ips"]]


def _way_out(stage: Stage, guest: str, made: Object) -> set[str]:
    """Where a pod sends what leaves the cloud."""
    return {by for to, by in routes(stage, guest, made) if to in ("0.0.0.0/1", "128.0.0.0/1")}


def test_a_pod_that_comes_changes_no_addresses(stage: Stage) -> None:
    public = external(stage)
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    stage.bound(network, "pod2")
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    stage.bound(network, "pod1")
    stage.reconcile()
    # The first server is at the router's home, whatever pod comes later.
    assert gateway(stage, "pod2", made)[1] == _shown(made)
    before = {region: gateway(stage, region, made)[1] for region in ("pod1", "pod2")}
    assert before["pod1"] != before["pod2"]
    for number in range(4):
        pods.create(
            {
                "region_name": f"amsterdam{number}",
                "availability_zone": "azx",
                "health": "up",
                "endpoints": {"network": "http://127.0.0.1:1"},
                "versions": {},
            }
        )
    runtime.get().registry.refresh()
    stage.touch("router", made["id"])
    stage.reconcile("pod1", "pod2")
    assert before == {region: gateway(stage, region, made)[1] for region in ("pod1", "pod2")}


def test_another_pod_stands_in_while_the_home_is_down(stage: Stage, at_once: None) -> None:
    public = external(stage, "pod1", "pod2")
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    port = stage.bound(network, "pod3")
    made = open_to(stage, router(stage, subnet), public)
    ip = floating(stage, public, port)
    stage.reconcile()
    (home,) = (one for one in ("pod1", "pod2") if stage.copies(one, "routers"))
    other = "pod2" if home == "pod1" else "pod1"
    assert gateway(stage, home, made) == ("public", _shown(made))
    between = stage.copy("pod3", "floatingips", ip["id"])["floating_ip_address"]
    watch = StandIns(runtime.get().engine.queue)
    assert _look(stage, watch) == []
    assert _look(stage, watch, "pod3") == []

    stage.cloud.pods[home].stop()
    assert [(one.was, one.by) for one in _look(stage, watch, home)] == [
        (stage.pod_ids[home], stage.pod_ids[other])
    ]
    assert _look(stage, watch, home) == []
    stage.reconcile(other, "pod3")
    name, addresses = gateway(stage, other, made)
    assert name == "public"
    assert addresses != _shown(made)
    assert len(_way_out(stage, "pod3", made)) == 1
    assert _way_out(stage, "pod3", made) <= joined(stage, other, made)
    outer = stage.copy(other, "floatingips", ip["id"])
    assert outer["floating_ip_address"] == ip["floating_ip_address"]
    # What the guest's own pod translates to stays the same: its connections do.
    inner = stage.copy("pod3", "floatingips", ip["id"])
    assert outer["fixed_ip_address"] == inner["floating_ip_address"] == between
    told = repairs.page({"resource_id": made["id"]})
    assert [f"by pod {other}, not by pod {home}" in one.done for one in told] == [True]

    # It is back for a moment, and then for good.
    CONF.set_override("home_returns_after", 3600, group="interconnect")
    assert _look(stage, watch) == []
    assert _since(made) is not None
    assert _look(stage, watch, home) == []
    assert _since(made) is None
    stage.start(home)
    assert _look(stage, watch) == []
    assert _since(made) is not None
    CONF.set_override("home_returns_after", 0, group="interconnect")
    assert len(_look(stage, watch)) == 1
    stage.forget_claims()
    stage.reconcile()
    assert gateway(stage, home, made) == ("public", _shown(made))
    assert _way_out(stage, "pod3", made) <= joined(stage, home, made)
    assert stage.copies(other, "floatingips") == []
    outer, inner = (stage.copy(one, "floatingips", ip["id"]) for one in (home, "pod3"))
    assert outer["fixed_ip_address"] == inner["floating_ip_address"] == between
    stage.forget_claims()
    stage.reconcile()
    assert stage.empty(other)
    assert stage.l3.get_floatingip(stage.admin, ip["id"])["status"] == "ACTIVE"

    stage.l3.delete_floatingip(stage.admin, ip["id"])
    stage.l3.update_router(stage.admin, made["id"], {"router": {"external_gateway_info": {}}})
    stage.delete("port", port["id"])
    leave(stage, made, subnet)
    stage.delete("router", made["id"])
    clean(stage)
    assert _row(made) is None


def test_a_stand_in_that_goes_down_is_replaced(stage: Stage, at_once: None) -> None:
    public = external(stage)
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    stage.bound(network, "pod3")
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    watch = StandIns(runtime.get().engine.queue)
    # Each pod has the external network: no server is anybody's guest, and nothing moves.
    assert _look(stage, watch, "pod3") == []
    (first,) = (_row(made)[1],)
    assert first in (stage.pod_ids["pod1"], stage.pod_ids["pod2"])
    names = {pod_id: region for region, pod_id in stage.pod_ids.items()}
    _look(stage, watch, "pod3", names[first])
    second = _row(made)[1]
    assert {first, second} == {stage.pod_ids["pod1"], stage.pod_ids["pod2"]}
    # With nobody left it stays as it is.
    _look(stage, watch, *stage.pod_ids)
    assert _row(made)[1] == second
    _look(stage, watch, "pod1", "pod2")
    assert _row(made) == (stage.pod_ids["pod3"], None, None)


def test_the_home_of_a_pod_that_is_no_more(stage: Stage, caplog: pytest.LogCaptureFixture) -> None:
    public = external(stage)
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    for region in ("pod2", "pod1"):
        stage.bound(network, region)
    made = open_to(stage, router(stage, subnet), public)
    stage.reconcile()
    names = {pod_id: region for region, pod_id in stage.pod_ids.items()}
    home = names[_row(made)[0]]
    pods.delete(stage.pod_ids[home], force=True)
    service = Service(runtime.get())
    service._forget_pods()
    with caplog.at_level(logging.WARNING):
        service._stand_in()
    new = names[_row(made)[0]]
    assert f"is at home in pod {new} from now on" in caplog.text
    assert new != home
    stage.reconcile(*(region for region in stage.pod_ids if region != home))
    assert gateway(stage, new, made) == ("public", _shown(made))


def test_what_was_at_home_before_homes_were_kept_stays_there(stage: Stage) -> None:
    public = external(stage)
    network, subnet = stage.network("10.1.0.0/24", **VLAN)
    for region in ("pod2", "pod3"):
        stage.bound(network, region)
    made = open_to(stage, router(stage, subnet), public)
    queue = runtime.get().engine.queue
    queue.transact(lambda tx: tx.execute(sa.update(RouterHome).values(pod_id="")))
    Service(runtime.get())._stand_in()
    assert _row(made) == (stage.pod_ids["pod1"], None, None)


def _row(made: Object) -> tuple[str, str | None, object] | None:
    table = RouterHome
    query = sa.select(table.pod_id, table.exit_pod_id, table.well_since)
    return runtime.get().engine.queue.transact(
        lambda tx: tx.execute(query.where(table.router_id == made["id"])).tuples().one_or_none()
    )


def _since(made: Object) -> object:
    row = _row(made)
    assert row is not None
    return row[2]
