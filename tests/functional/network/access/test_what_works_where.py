# SPDX-License-Identifier: Apache-2.0
"""What networks can do in each kind of pod: the table of docs/federation.md is right."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.functional import what_works_where
from tests.functional.fakes.cloud import MEMBERS, Cloud
from tests.functional.fakes.http import LoopThread
from tests.functional.network.access.conftest import FOREIGN
from tests.functional.network.reconcile.test_sharing import share
from tests.functional.network.routed_networks import VLAN, external, floating, open_to, router
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.reconcile import runtime

OTHER = "e" * 32


# `k2k` and `jwt` differ from `managed` in nothing that networks see.
@pytest.fixture(params=["shared", "managed", "credentials", MEMBERS])
def entered(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def cloud(fakes: LoopThread, entered: str) -> Iterator[Cloud]:
    cloud = Cloud(fakes, federated={} if entered == "shared" else {FOREIGN: entered})
    yield cloud
    cloud.close()
    assert cloud.journal.broken == []


class Trial:
    """One pod of a kind, and what a user tries there."""

    def __init__(self, stage: Stage, kind: str) -> None:
        self.stage, self.kind, self.number = stage, kind, 0
        self.wrong: set[str] = set()
        if kind in ("credentials", MEMBERS):
            self._give(PROJECT, "tenant")
            self._give(OTHER, "tenant2")
        elif kind != "shared":
            self._met()

    def _access(self) -> Any:
        running = runtime.get()
        pod = running.registry.fresh().by_region(FOREIGN)
        assert pod is not None
        return running.identity.accesses.of(pod)

    def _give(self, project: str, name: str) -> None:
        """The operator gives a credential for a project."""
        keystone = self.stage.cloud.pods[FOREIGN].keystone
        assert keystone is not None
        keystone.user(name, f"{name} project", "member", "reader")
        self._access().keep(project, keystone.credential(name))

    def _met(self) -> None:
        """Both projects have been in the pod before, so that it knows them."""
        for project in (PROJECT, OTHER):
            self._access().project(project)

    def network(self, **more: Any) -> tuple[Object, Object]:
        self.number += 1
        return self.stage.network(f"10.{self.number}.0.0/24", **more)

    def bound(self, network: Object, **more: Any) -> str:
        """What is said of a port that is bound in the pod, and of all that comes along."""
        port = self.stage.bind(self.stage.port(network, **more), FOREIGN)
        said = self.done()
        if port["binding:vif_type"] != "other":
            return str(port["binding:vif_details"]["reason"])
        return said

    def done(self) -> str:
        """What is said of what is not right in the pod, and was not wrong before."""
        self.stage.reconcile(FOREIGN)
        pod_id = self.stage.pod_ids[FOREIGN]
        rows = [row for row in self.stage.rows() if row.pod_id == pod_id and row.last_error]
        new = [str(row.last_error) for row in rows if row.id not in self.wrong]
        self.wrong |= {row.id for row in rows}
        return next(iter(new), "")

    def local(self) -> str:
        group = self.stage.make("security_group", name="g", description="")
        return self.bound(self.network()[0], security_groups=[group["id"]])

    def vlan(self) -> str:
        return self.bound(self.network(**VLAN)[0])

    def shared(self) -> str:
        return self.bound(self.network(shared=True)[0])

    def shared_with(self) -> str:
        network, _ = self.network()
        share(self.stage, "network", network, OTHER)
        return self.bound(network)

    def routers(self) -> str:
        network, subnet = self.network()
        router(self.stage, subnet)
        return self.bound(network)

    def floating_ips(self) -> str:
        public = external(self.stage, FOREIGN)
        network, subnet = self.network()
        open_to(self.stage, router(self.stage, subnet), public)
        port = self.stage.bind(self.stage.port(network), FOREIGN)
        floating(self.stage, public, port)
        return self.done()

    def address_groups(self) -> str:
        group = self.stage.make("security_group", name="g", description="")
        friends = self.stage.make("address_group", name="a", addresses=["192.0.2.0/24"])
        self.stage.make(
            "security_group_rule", security_group_id=group["id"], direction="ingress",
            ethertype="IPv4", remote_address_group_id=friends["id"],
        )  # fmt: skip
        return self.bound(self.network()[0], security_groups=[group["id"]])

    def trunks(self) -> str:
        parent, child = self.stage.port(self.network()[0]), self.stage.port(self.network()[0])
        part = {"segmentation_type": "vlan", "segmentation_id": 5, "port_id": child["id"]}
        self.stage.make("trunk", name="t", port_id=parent["id"], sub_ports=[part])
        port = self.stage.bind(parent, FOREIGN)
        assert port["binding:vif_type"] == "other"
        return self.done()

    def policies(self) -> str:
        policy = self.stage.make("policy", name="slow")
        return self.bound(self.network()[0], qos_policy_id=policy["id"])

    def distributed(self) -> str:
        network, subnet = self.network()
        router(self.stage, subnet, distributed=True)
        return self.bound(network)


ROWS: dict[str, Callable[[Trial], str]] = {
    "networks `local`, subnets, ports, security groups": Trial.local,
    "networks `vlan`, `flat`, `vxlan`, stretched over pods": Trial.vlan,
    "networks shared with everybody": Trial.shared,
    "networks shared with a project (RBAC)": Trial.shared_with,
    "routers between networks, in the pod and over pods": Trial.routers,
    "address groups in rules": Trial.address_groups,
    "trunks": Trial.trunks,
    "floating IPs, gateways of routers": Trial.floating_ips,
    "QoS policies": Trial.policies,
    "distributed routers": Trial.distributed,
}


def test_the_table(stage: Stage, entered: str) -> None:
    assert list(ROWS) == what_works_where.names(of_networks=True)
    trial = Trial(stage, entered)
    tried = {name: way(trial) for name, way in ROWS.items()}
    assert not (found := what_works_where.wrong(entered, tried)), "\n".join(found)
