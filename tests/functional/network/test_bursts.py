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
from tests.functional.network.stage import Object, Stage
from tests.functional.network.test_xjob import wait
from tricircle.conf import CONF
from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network import models, runtime
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

    runtime.get().engine.store.transact(once)


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
    # It is healthy by its looks, and takes every worker there is for it.
    stage.neutron("pod1").fail(Kind.HANG, path="/v2.0/networks")
    for network in networks[:4]:
        stage.change("network", network["id"], name="new")
    wait(lambda: len(_hanging(stage, "pod1")) >= 2)
    began = time.monotonic()
    for network in networks[4:]:
        stage.change("network", network["id"], name="new")
    for network in networks:
        wait(lambda n=network: stage.copy("pod2", "networks", n["id"])["name"] == "new")
    # One after the other, the calls that hang take longer than this.
    assert time.monotonic() - began < 8
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
