# SPDX-License-Identifier: Apache-2.0
"""What plans ask central Neutron's tables is what its own documents say, in few statements."""

from collections.abc import Callable
from typing import Any

import pytest
from neutron_lib.db import api as db_api

from tests.functional.network.routed_networks import (
    EXTERN,
    VLAN,
    external,
    floating,
    join,
    open_to,
    router,
)
from tests.functional.network.stage import Object, Stage
from tests.functional.network.statements import Asked
from tricircle.db import realizations
from tricircle.db.realizations import Key, Row
from tricircle.network.central import central_neutron, facts, segments
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.network.routers import copies, router_addresses
from tricircle.pods.deadline import Deadline


def _read(query: Callable[[Any], Any]) -> Any:
    return runtime.get().engine.queue.transact(query)


def _within(some: Object, whole: Object) -> None:
    """All that ``some`` says is said by ``whole``."""
    assert some == {name: whole[name] for name in some}


def test_networks(stage: Stage) -> None:
    many = [
        {"provider:network_type": "vlan", "provider:physical_network": "physnet1",
         "provider:segmentation_id": number}
        for number in (208, 204)
    ]  # fmt: skip
    made = [
        stage.make("network", name="local"),
        stage.make("network", name="hinted", availability_zone_hints=["pod1", "az2"], **VLAN),
        stage.make("network", name="outside", **EXTERN, **{"router:external": True}),
        stage.make("network", name="many", segments=many),
    ]
    told = _read(lambda tx: facts.networks(tx, [one["id"] for one in made] + ["none"]))
    assert set(told) == {one["id"] for one in made}
    for one_id, some in told.items():
        whole = stage.core.get_network(central_neutron.admin(), one_id)
        assert segments.of(some) == segments.of(whole)
        assert segments.projects_own(some) == segments.projects_own(whole)
        _within({name: some[name] for name in some if not name.startswith("provider:")}, whole)


def test_subnets(stage: Stage) -> None:
    network = stage.make("network", name="net")
    other = stage.network("10.9.0.0/24")
    modes = {"ipv6_address_mode": "slaac", "ipv6_ra_mode": "slaac"}
    made = [
        stage.subnet(network, "10.1.0.0/24"),
        stage.subnet(network, "10.2.0.0/24", gateway_ip=None),
        stage.subnet(network, "FD00:0:0:1::/64", **modes),
    ]
    told = _read(lambda tx: facts.subnets(tx, [one["id"] for one in made]))
    assert set(told) == {one["id"] for one in made}
    for one_id, some in told.items():
        _within(some, stage.core.get_subnet(central_neutron.admin(), one_id))
    listed = _read(lambda tx: facts.subnets_of(tx, [network["id"]]))
    assert {one["id"] for one in listed} == set(told)
    assert other[1]["id"] not in told
    assert _read(lambda tx: facts.subnets(tx, [])) == {}


def test_ports(stage: Stage) -> None:
    network, first = stage.network("10.1.0.0/24")
    second = stage.subnet(network, "10.2.0.0/24")
    both = [{"subnet_id": one["id"]} for one in (second, first)]
    bare = stage.port(stage.make("network", name="bare"))
    made = router(stage, first)
    stage.port(network, fixed_ips=both)
    (interface,) = _read(lambda tx: facts.interfaces(tx, router_ids=[made["id"]]))
    assert interface["device_id"] == made["id"]
    assert [interface] == _read(lambda tx: facts.interfaces(tx, network_ids=[network["id"]]))
    whole = stage.core.get_ports(central_neutron.admin())
    told = _read(lambda tx: facts.ports(tx, [port["id"] for port in whole]))
    assert told[bare["id"]]["fixed_ips"] == []
    assert max(len(port["fixed_ips"]) for port in told.values()) == 2
    for port in whole:
        _within(told[port["id"]], port)


def test_routers(stage: Stage) -> None:
    public = external(stage, "pod1")
    _, subnet = stage.network("10.1.0.0/24")
    plain = router(stage)
    held = router(stage, subnet, availability_zone_hints=["pod1"])
    gold = stage.make("policy", name="gold", description="")
    open_to(stage, held, public, enable_snat=False, qos_policy_id=gold["id"])
    routes = [{"destination": "192.0.2.0/24", "nexthop": "10.1.0.9"}]
    stage.change("router", held["id"], routes=routes, name="renamed", admin_state_up=False)
    stage.change("router", held["id"], distributed=True)
    for made in (plain, held):
        some = _read(lambda tx, one=made["id"]: facts.router(tx, one))
        _within(some, stage.l3.get_router(central_neutron.admin(), made["id"]))
    assert _read(lambda tx: facts.router(tx, "none")) is None
    hints = _read(lambda tx: facts.hints(tx, [plain["id"], held["id"]]))
    assert {one: told for one, told in hints.items() if told} == {held["id"]: ["pod1"]}


class Estate:
    """A router with networks in two pods, one of them with the external network."""

    def __init__(self, stage: Stage, kind: Object) -> None:
        self.stage, self._kind = stage, kind
        self.public = external(stage, "pod1")
        self.router = router(stage)
        self.subnet = self.grow()
        open_to(stage, self.router, self.public)
        self.floating = floating(stage, self.public, self.port)
        stage.reconcile()

    def grow(self) -> Object:
        number = len(self.stage.core.get_networks(self.stage.admin))
        network, subnet = self.stage.network(f"10.{number}.0.0/24", **self._kind)
        for region in ("pod1", "pod2", "pod2"):
            self.port = self.stage.bound(network, region)
        join(self.stage, self.router, subnet)
        return subnet

    def session(self, region: str) -> PodSession:
        running = runtime.get()
        pod = running.registry.fresh().by_region(region)
        assert pod is not None
        return running.engine.session(pod, Deadline(40))

    def touched(self, key: Key, region: str) -> Row:
        """The row of what is right in a pod, now to be looked at."""
        queue, pod_ids = runtime.get().engine.queue, [self.stage.pod_ids[region]]
        queue.transact(lambda tx: realizations.touch(tx, queue.table, key, pod_ids))
        row = queue.get(key, pod_ids[0])
        assert row is not None
        return row

    def work(self, row: Row, region: str) -> None:
        assert runtime.get().worker.work_on(self.session(region).pod, row.id), row.last_error


@pytest.fixture(params=[{}, VLAN], ids=["local", "vlan"])
def estate(stage: Stage, request: pytest.FixtureRequest) -> Estate:
    return Estate(stage, request.param)


def test_a_plan_asks_little_however_much_there_is(estate: Estate, asked: Asked) -> None:
    def statements(region: str) -> tuple[int, int]:
        session = estate.session(region)
        made = ADAPTERS["router"].central(estate.router["id"])
        assert made is not None
        subnet = estate.stage.core.get_subnet(central_neutron.admin(), estate.subnet["id"])
        with asked.counting(db_api.CONTEXT_WRITER.get_engine()):
            copies.copy(session, made)
        plan = len(asked.statements)
        with asked.counting(db_api.CONTEXT_WRITER.get_engine()):
            router_addresses.around(session, subnet)
        return plan, len(asked.statements)

    few = [statements(region) for region in ("pod1", "pod2")]
    for plan, subnet in few:
        assert plan <= 18
        assert subnet <= 6
    for _ in range(2):
        estate.grow()
    estate.stage.reconcile()
    assert [statements(region) for region in ("pod1", "pod2")] == few


def test_a_pass_that_changes_nothing_asks_little(estate: Estate, asked: Asked) -> None:
    for key, most in {
        Key("router", estate.router["id"]): 32,
        Key("subnet", estate.subnet["id"]): 22,
        Key("network", estate.subnet["network_id"]): 26,
        Key("floating_ip", estate.floating["id"]): 45,
    }.items():
        for region in ("pod1", "pod2"):
            row = estate.touched(key, region)
            with asked.counting(db_api.CONTEXT_WRITER.get_engine()):
                estate.work(row, region)
            assert len(asked.statements) <= most, (key, region, asked.statements)
