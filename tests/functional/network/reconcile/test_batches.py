# SPDX-License-Identifier: Apache-2.0
"""What is to be made in a pod at the same time is made there in one call, where it can be."""

from collections.abc import Callable
from typing import Any

import pytest
import sqlalchemy as sa

from tests.functional.fakes.faults import Kind
from tests.functional.fakes.http import Refusal
from tests.functional.network.crash_injection import Killer
from tests.functional.network.plugins.test_trunks import trunk, whole
from tests.functional.network.stage import Object, Stage
from tests.functional.network.tunnels import VXLAN, Tunnels
from tricircle.conf import CONF
from tricircle.db.work_queue import WorkQueue
from tricircle.network.central import models
from tricircle.network.pod_api.neutron_client import PodNeutron
from tricircle.network.reconcile import batch, runtime
from tricircle.network.reconcile.adapters.base import Adapter


@pytest.fixture(autouse=True)
def one_try(stage: Stage) -> None:
    """What fails is not tried again before the test says so; the stage ends it."""
    CONF.set_override("backoff_first", 60, group="reconciler")


def _wanted(stage: Stage, number: int, network: Object | None = None) -> list[Object]:
    """Ports that are wanted in pod1, where nobody has made them yet."""
    network = network or stage.network()[0]
    ports = [stage.port(network) for _ in range(number)]
    for port in ports:
        stage.want(port, "pod1")
    return ports


def _calls(stage: Stage, collection: str, region: str = "pod1") -> list[int]:
    """How many objects each POST was about."""
    plural, found = collection.replace("-", "_"), []
    for call in stage.cloud.journal.find(f"{region}/network", "POST"):
        if call.path.endswith(f"/{collection}"):
            found.append(len(call.json.get(plural, [None])))
    return found


def _right(stage: Stage, ports: list[Object]) -> None:
    """Each is in the pod once, as it should be, and its row says so."""
    for port in ports:
        there = stage.copy("pod1", "ports", port["id"])
        assert there["mac_address"] == port["mac_address"]
        addresses = [ip["ip_address"] for ip in port["fixed_ips"]]
        assert [ip["ip_address"] for ip in there["fixed_ips"]] == addresses
        row = stage.row("port", port["id"], "pod1")
        assert row is not None
        assert (row.pod_resource_id, row.realized_revision) == (there["id"], row.wanted_revision)
        assert (row.next_try_at, row.claimed_by, row.last_error) == (None, None, None)


def test_ports_due_at_once_are_made_in_one_call(stage: Stage) -> None:
    ports = [*_wanted(stage, 4), *_wanted(stage, 4, stage.network("10.1.0.0/24")[0])]
    stage.reconcile("pod1")
    _right(stage, ports)
    assert _calls(stage, "ports") == [8]
    # What they lean on is made once.
    assert (_calls(stage, "networks"), _calls(stage, "subnets")) == ([1, 1], [1, 1])
    assert _calls(stage, "security-groups") == []
    # Nobody had to be asked whether they were there already.
    lists = [call.path for call in stage.cloud.journal.find("pod1/network", "GET")]
    assert "/v2.0/ports" not in lists


def test_so_many_at_the_most(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch, "MOST", 3)
    ports = _wanted(stage, 8)
    stage.reconcile("pod1")
    _right(stage, ports)
    assert _calls(stage, "ports") == [3, 3, 2]


def _squat(stage: Stage, port: Object) -> Object:
    """Somebody else's port has a port's address in the pod."""
    stage.realize(stage.port(stage.core.get_network(stage.admin, port["network_id"])), "pod1")
    network = stage.copy("pod1", "networks", port["network_id"])
    (address,) = [ip["ip_address"] for ip in port["fixed_ips"]]
    return stage.neutron("pod1").make(
        "ports", "other", network_id=network["id"], fixed_ips=[{"ip_address": address}]
    )


def test_one_that_is_refused_holds_up_no_other(stage: Stage) -> None:
    ports = _wanted(stage, 4)
    squatter = _squat(stage, ports[1])
    stage.cloud.journal.clear()
    stage.work("pod1")
    _right(stage, [ports[0], *ports[2:]])
    row = stage.row("port", ports[1]["id"], "pod1")
    assert row is not None
    assert "already allocated" in str(row.last_error)
    assert row.claimed_by is None
    assert sorted(_calls(stage, "ports")) == [1, 1, 1, 1, 4]
    del stage.neutron("pod1").tables["ports"][squatter["id"]]
    stage.forget_claims()
    stage.reconcile("pod1")
    _right(stage, ports)


def test_a_pod_that_takes_no_bulk(stage: Stage) -> None:
    stage.neutron("pod1").allow_bulk = False
    ports = _wanted(stage, 3)
    stage.reconcile("pod1")
    _right(stage, ports)
    assert sorted(_calls(stage, "ports")) == [1, 1, 1, 3]


@pytest.mark.parametrize("kind", [Kind.CUT_AFTER, Kind.TRUNCATED_AFTER, Kind.GARBAGE_AFTER])
def test_the_answer_is_lost(stage: Stage, kind: Kind) -> None:
    ports = _wanted(stage, 4)
    stage.neutron("pod1").fail(kind, method="POST", path="/ports$", times=1)
    stage.work("pod1")
    rows = [stage.row("port", port["id"], "pod1") for port in ports]
    assert all(row and row.last_error and not row.pod_resource_id for row in rows)
    stage.cloud.journal.clear()
    stage.forget_claims()
    stage.reconcile("pod1")
    _right(stage, ports)
    # They were found, all by one look.
    assert _calls(stage, "ports") == []
    assert len(stage.cloud.journal.find("pod1/network", "GET", "/ports")) == 1


@pytest.mark.parametrize(
    "told", [b'{"ports": []}', b'{"ports": 7}', b'{"ports": [7, {"id": "1"}]}']
)
@pytest.mark.parametrize("kind", [Kind.GARBAGE, Kind.GARBAGE_AFTER])
def test_the_answer_tells_of_none(stage: Stage, kind: Kind, told: bytes) -> None:
    ports = _wanted(stage, 3)
    stage.neutron("pod1").fail(kind, method="POST", path="/ports$", times=1, body=told)
    stage.reconcile("pod1")
    _right(stage, ports)


def test_the_answer_tells_of_some_in_another_order(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    ports, post = _wanted(stage, 4), PodNeutron.post

    def some(self: PodNeutron, path: str, body: Object) -> Object:
        answer = post(self, path, body)
        return {"ports": answer["ports"][:0:-1]} if "ports" in body else answer

    monkeypatch.setattr(PodNeutron, "post", some)
    stage.reconcile("pod1")
    _right(stage, ports)
    assert _calls(stage, "ports") == [4]


def test_a_pod_that_is_too_slow_is_asked_for_fewer(stage: Stage) -> None:
    ports = _wanted(stage, 8)
    stage.reconcile("pod2")
    CONF.set_override("call_deadline", 1, group="reconciler")
    stage.neutron("pod1").fail(Kind.HANG, method="POST", path="/ports$", times=1)
    stage.work("pod1")
    stage.cloud.heal()
    stage.forget_claims()
    stage.reconcile("pod1")
    _right(stage, ports)
    assert _calls(stage, "ports") == [8, 4, 4]


def test_what_one_leans_on_is_missing(stage: Stage) -> None:
    good = _wanted(stage, 2)
    bad = _wanted(stage, 3, stage.network("10.1.0.0/24")[0])
    network = bad[0]["network_id"]
    create = stage.neutron("pod1")._create

    def refuse(collection: str, values: Object, token: Any) -> Object:
        if collection == "networks" and network in values["description"]:
            raise Refusal(409, "no more networks", "OverQuota")
        return create(collection, values, token)

    stage.neutron("pod1")._create = refuse  # type: ignore[method-assign]
    stage.work("pod1")
    _right(stage, good)
    assert _calls(stage, "ports") == [2]
    for port in bad:
        row = stage.row("port", port["id"], "pod1")
        assert row is not None
        assert "no more networks" in str(row.last_error)
        assert row.claimed_by is None
    # The network by itself, for its subnet, and once for all of its ports.
    assert len(_calls(stage, "networks")) == 4


def _meanwhile(monkeypatch: pytest.MonkeyPatch, what: Callable[[], object]) -> None:
    """Something happens while the pod makes what it was asked for."""
    create_all = Adapter.create_all

    def slowly(self: Adapter, *args: Any) -> Any:
        made = create_all(self, *args)
        what()
        return made

    monkeypatch.setattr(Adapter, "create_all", slowly)


def test_one_is_deleted_meanwhile(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ports = _wanted(stage, 3)
    _meanwhile(monkeypatch, lambda: stage.delete("port", ports[0]["id"]))
    stage.reconcile("pod1")
    _right(stage, ports[1:])
    assert stage.copies("pod1", "ports", ports[0]["id"]) == []
    assert stage.row("port", ports[0]["id"], "pod1") is None


def test_one_was_deleted_before(stage: Stage) -> None:
    ports = _wanted(stage, 3)
    table = models.Realization
    stage.delete("port", ports[0]["id"])
    # As if nobody had told of it.
    runtime.get().engine.queue.transact(
        lambda tx: tx.execute(sa.update(table).values(absent=False, wanted_revision=1))
    )
    stage.reconcile("pod1")
    _right(stage, ports[1:])
    assert stage.row("port", ports[0]["id"], "pod1") is None
    assert _calls(stage, "ports") == [2]


def test_a_claim_is_lost_meanwhile(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ports, table = _wanted(stage, 3), models.Realization

    def steal() -> None:
        runtime.get().engine.queue.transact(
            lambda tx: tx.execute(
                sa.update(table)
                .where(table.resource_id == ports[0]["id"])
                .values(claimed_by="another")
            )
        )

    _meanwhile(monkeypatch, steal)
    stage.work("pod1")
    _right(stage, ports[1:])
    row = stage.row("port", ports[0]["id"], "pod1")
    assert row is not None
    assert (row.claimed_by, row.pod_resource_id, row.last_error) == ("another", None, None)
    stage.forget_claims()
    stage.reconcile("pod1")
    _right(stage, ports)
    assert _calls(stage, "ports") == [3]


def test_a_worker_dies_at_each_step(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    killer, (network, _) = Killer(monkeypatch), stage.network()
    # It is there, and stays.
    stage.realize(stage.port(network), "pod1")
    ports = _wanted(stage, 3, network)
    for _ in killer.deaths(stage, lambda: stage.work("pod1"), least=7):
        stage.forget_claims()
        stage.reconcile("pod1")
        _right(stage, ports)
        for port in ports:
            stage.delete("port", port["id"])
        stage.reconcile("pod1")
        assert len(stage.copies("pod1", "ports")) == 1


def test_a_trunk_takes_its_ports_along_in_one_call(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(batch, "MOST", 4)
    network, _ = stage.network()
    ports = [stage.port(network) for _ in range(6)]
    made = trunk(stage, *ports)
    assert stage.bind(ports[0], "pod1")["binding:vif_type"] == "other"
    whole(stage, "pod1", made, *ports[1:])
    assert _calls(stage, "ports") == [4, 2]
    stage.reconcile("pod1")
    assert _calls(stage, "ports") == [4, 2]


def test_a_trunk_whose_port_is_refused(stage: Stage) -> None:
    network, _ = stage.network()
    ports = [stage.port(network) for _ in range(4)]
    squatter, made = _squat(stage, ports[2]), trunk(stage, *ports)
    refused = stage.bind(ports[0], "pod1")
    assert refused["binding:vif_type"] == "binding_failed"
    assert "already allocated" in refused["binding:vif_details"]["reason"]
    del stage.neutron("pod1").tables["ports"][squatter["id"]]
    assert stage.bind(ports[0], "pod1")["binding:vif_type"] == "other"
    whole(stage, "pod1", made, *ports[1:])


def test_one_was_made_by_another_meanwhile(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    ports, due = _wanted(stage, 3), WorkQueue.due

    def found(self: WorkQueue, *args: Any, **more: Any) -> Any:
        rows = due(self, *args, **more)
        if more.get("new"):
            monkeypatch.setattr(WorkQueue, "due", due)
            stage.realize(ports[-1], "pod1")
            stage.touch("port", ports[-1]["id"])
        return rows

    monkeypatch.setattr(WorkQueue, "due", found)
    stage.reconcile("pod1")
    _right(stage, ports)
    assert _calls(stage, "ports") == [1, 2]


def test_shadow_ports_are_made_in_one_call(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    ports = [tunnels.boot(network, "pod1", f"host{1 + number % 2}") for number in range(4)]
    tunnels.settle()
    stage.cloud.journal.clear()
    ports.append(tunnels.boot(network, "pod2"))
    tunnels.settle()
    for port in ports[:4]:
        assert tunnels.shadow("pod2", port)["status"] == "ACTIVE"
    # The port by itself, when it was bound; the others', when it was.
    assert sorted(_calls(stage, "ports", "pod2")) == [1, 4]
    for port in ports:
        stage.delete("port", port["id"])
    tunnels.clean()
