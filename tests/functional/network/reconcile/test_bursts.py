# SPDX-License-Identifier: Apache-2.0
"""Many changes at once cost few writes; a pod that hangs holds up no other."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models

from tests.functional.fakes.faults import Kind
from tests.functional.network.stage import Object, Stage, wait
from tricircle.conf import CONF
from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central import models
from tricircle.network.reconcile import runtime
from tricircle.xjob.service import Service

# Of each of two resources.
CHANGES = 500


@pytest.fixture
def service(stage: Stage, one_writer: None) -> Iterator[Service]:
    # As it is in production.
    CONF.set_override("poll_interval", 1, group="reconciler")
    service = Service(runtime.get())
    service.start()
    yield service
    stage.cloud.heal()
    assert service.stop(20)
    CONF.clear_override("poll_interval", group="reconciler")


def _router(stage: Stage) -> tuple[Object, Object]:
    """A router, and a port in pod1 on its network."""
    network, subnet = stage.network()
    router = stage.make("router", name="r")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    return router, stage.bound(network, "pod1")


def _rename(router: Object, port: Object, name: str) -> None:
    """What two changes leave in the database, without Neutron's own, slower part of them."""

    def once(tx: Any) -> None:
        for kind, table, item in (
            ("router", l3_models.Router, router),
            ("port", models_v2.Port, port),
        ):
            tx.execute(sa.update(table).where(table.id == item["id"]).values(name=name))
            realizations.touch(tx, models.Realization, Key(kind, item["id"]))

    runtime.get().engine.queue.transact(once)


def _writes(stage: Stage, region: str) -> list[str]:
    calls = stage.cloud.journal.find(f"{region}/network")
    return [call.line for call in calls if call.method != "GET"]


def test_a_thousand_changes_end_as_few_writes(stage: Stage, service: Service) -> None:
    router, port = _router(stage)
    wait(lambda: stage.copies("pod1", "routers", router["id"]))
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    stage.cloud.journal.clear()
    began = time.monotonic()
    for number in range(CHANGES):
        _rename(router, port, f"r{number}")
    last = {"name": "last", "admin_state_up": False}
    stage.change("router", router["id"], **last)
    stage.change("port", port["id"], **last)
    for collection, central in (("routers", router), ("ports", port)):
        wait(lambda c=collection, r=central: last.items() <= stage.copy("pod1", c, r["id"]).items())
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    seconds = time.monotonic() - began
    writes = _writes(stage, "pod1")
    print(f"{2 * CHANGES} changes in {seconds:.1f} s: {len(writes)} writes")
    # At most one a look for each of the two, however many changes there were in between.
    assert 2 <= len(writes) <= 2 * (seconds + 2)
    assert len(writes) < CHANGES / 10


def test_changes_while_a_pod_is_away_end_as_one_write(stage: Stage, service: Service) -> None:
    router, _ = _router(stage)
    wait(lambda: stage.copies("pod1", "routers", router["id"]))
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    stage.cloud.pods["pod1"].stop()
    for number in range(20):
        stage.change("router", router["id"], name=f"r{number}")
    stage.cloud.journal.clear()
    stage.cloud.pods["pod1"].start()
    wait(lambda: stage.copy("pod1", "routers", router["id"])["name"] == "r19")
    assert len(_writes(stage, "pod1")) == 1


def test_ports_of_a_pod_that_was_away_are_made_in_few_calls(stage: Stage, service: Service) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    stage.cloud.pods["pod1"].stop()
    ports = [stage.port(network) for _ in range(30)]
    for port in ports:
        stage.want(port, "pod1")
    stage.cloud.journal.clear()
    stage.cloud.pods["pod1"].start()
    wait(lambda: not [row for row in stage.rows() if row.next_try_at], 60)
    for port in ports:
        assert stage.copy("pod1", "ports", port["id"])["mac_address"] == port["mac_address"]
    # By its four workers at once.
    assert len(_writes(stage, "pod1")) <= 4


def _hanging(stage: Stage, region: str) -> list[Any]:
    """The calls that a pod's Neutron has not answered yet."""
    calls = stage.cloud.journal.find(f"{region}/network")
    return [call for call in calls if call.status is None]


def test_a_pod_that_hangs_holds_up_no_other(stage: Stage, service: Service) -> None:
    networks = []
    for number in range(8):
        network, _ = stage.network(f"10.0.{number}.0/24")
        for region in ("pod1", "pod2"):
            stage.bound(network, region)
        networks.append(network)
    # It is healthy by its looks, and takes every worker there is for it, until it is healed.
    CONF.set_override("call_deadline", 60, group="reconciler")
    stage.neutron("pod1").fail(Kind.HANG, path="/v2.0/networks")
    for network in networks[:4]:
        stage.change("network", network["id"], name="new")
    wait(lambda: len(_hanging(stage, "pod1")) >= 2)
    first = _hanging(stage, "pod1")
    for network in networks[4:]:
        stage.change("network", network["id"], name="new")
    for network in networks:
        wait(lambda n=network: stage.copy("pod2", "networks", n["id"])["name"] == "new")
    # Nobody in pod2 has waited for them.
    assert [call for call in first if call.status is not None] == []
    assert stage.copy("pod1", "networks", networks[0]["id"])["name"] == "net"

    stage.cloud.heal()
    for network in networks:
        wait(lambda n=network: stage.copy("pod1", "networks", n["id"])["name"] == "new")


def test_what_others_stand_on_comes_first(stage: Stage, service: Service) -> None:
    """Everything at once, in any order of asking: no call to the pod is refused."""
    router, port = _router(stage)
    other, subnet = stage.network("10.1.0.0/24")
    stage.l3.add_router_interface(stage.context, router["id"], {"subnet_id": subnet["id"]})
    stage.bound(other, "pod1")
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    for table in stage.neutron("pod1").tables.values():
        table.clear()
    stage.cloud.journal.clear()
    for row in stage.rows():
        stage.touch(row.resource_type, row.resource_id)
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    assert stage.copy("pod1", "ports", port["id"])
    there = stage.copy("pod1", "routers", router["id"])
    assert len(stage.neutron("pod1").ports(device_id=there["id"])) == 2
    posts = stage.cloud.journal.find("pod1/network", "POST")
    assert [call.line for call in posts if call.status is None or call.status >= 300] == []


def _pace(seconds: float) -> None:
    """From now on; the stage ends it."""
    CONF.set_override("pace", seconds, group="reconciler")


class Members:
    """``default``, whose members in pod2 pod1 is told of, and which addresses they have."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._network, _ = stage.network()
        stage.bound(self._network, "pod1")
        self.port = stage.bound(self._network, "pod2")
        wait(lambda: not [row for row in stage.rows() if row.next_try_at])

    def move(self, address: str) -> None:
        """A member is at another address too."""
        pairs = [{"ip_address": address}]
        self._stage.change("port", self.port["id"], allowed_address_pairs=pairs)

    def rename(self, name: str) -> None:
        """Change something beside, which is told at every look."""
        self._stage.change("network", self._network["id"], name=name)

    def named(self, name: str) -> bool:
        """Whether pod1 knows of that."""
        there = self._stage.copy("pod1", "networks", self._network["id"])
        return bool(there["name"] == name)

    def told(self, address: str) -> bool:
        """Whether pod1 knows of that, and of no address a member had before."""
        (group,) = self.port["security_groups"]
        there = self._stage.copy("pod1", "address-groups", group)["addresses"]
        fixed = self.port["fixed_ips"][0]["ip_address"]
        return sorted(there) == sorted([f"{fixed}/32", f"{address}/32"])

    def writes(self) -> list[str]:
        return [line for line in _writes(self._stage, "pod1") if "/address-groups" in line]


def test_the_first_change_after_a_quiet_time_is_told_at_once(
    stage: Stage, service: Service
) -> None:
    members = Members(stage)
    _pace(120)
    members.move("10.0.9.1")
    # Nobody waits that long here.
    wait(lambda: members.told("10.0.9.1"))
    members.move("10.0.9.2")
    # What is changed afterwards is told before.
    for name in ("one", "two", "three"):
        members.rename(name)
        wait(lambda n=name: members.named(n))
    assert members.told("10.0.9.1")


def test_a_hundred_members_are_told_in_few_calls(stage: Stage, service: Service) -> None:
    pace = 3.0
    members = Members(stage)
    _pace(pace)
    CONF.set_override("poll_interval", 0.1, group="reconciler")
    stage.cloud.journal.clear()
    began = time.monotonic()
    for number in range(1, 101):
        members.move(f"10.0.9.{number}")
    wait(lambda: members.told("10.0.9.100"))
    # What is new, and what is gone: two calls each time.
    times = (time.monotonic() - began) // pace + 1
    assert len(members.writes()) <= 2 * times
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])
    assert members.told("10.0.9.100")


def test_a_worker_dies_with_members_to_tell(stage: Stage, service: Service) -> None:
    members = Members(stage)
    _pace(3)
    members.move("10.0.9.1")
    wait(lambda: members.told("10.0.9.1"))
    assert service.stop(20)
    members.move("10.0.9.2")
    another = Service(runtime.get())
    another.start()
    try:
        wait(lambda: members.told("10.0.9.2"))
    finally:
        assert another.stop(20)


def test_only_what_changes_with_every_port_is_paced(stage: Stage, service: Service) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    _pace(120)
    for name in ("one", "two"):
        stage.change("network", network["id"], name=name)
        wait(lambda n=name: stage.copy("pod1", "networks", network["id"])["name"] == n)
