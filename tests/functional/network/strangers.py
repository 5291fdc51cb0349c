# SPDX-License-Identifier: Apache-2.0
"""What somebody makes in a pod so that it looks like ours, beside all that we make there."""

import copy
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.functional.network.plugins.test_qos import limit, policy
from tests.functional.network.plugins.test_trunks import trunk
from tests.functional.network.routed_networks import external, floating, open_to
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.conf import CONF
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.network.routers import east_west
from tricircle.pods import markers
from tricircle.pods.markers import Place

STRANGER = "f" * 32
#: One of each kind but shadow ports, which want pods that are joined by tunnels.
# An RBAC policy bears no marker.
KINDS = tuple(sorted(ADAPTERS.keys() - {"shadow_port", "rbac_policy"}))
Forge = Callable[[str, str], str]


def table(kind: str) -> str:
    """Where a fake Neutron keeps the copies of a kind."""
    return ADAPTERS[kind].collection.rpartition("/")[2]


@contextmanager
def secrets(*values: str) -> Iterator[None]:
    """Sign with the first of these and believe all of them while in here."""
    CONF.set_override("secrets", list(values), group="markers")
    try:
        yield
    finally:
        CONF.clear_override("secrets", group="markers")


class World:
    """Something of each kind, in pod1; ``ids`` are the central ids, by kind."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        gold = policy(stage, bandwidth_limit=limit(1000))
        hosts = stage.make("address_group", name="hosts", addresses=["10.5.0.0/16"])
        web = stage.make("security_group", name="web", description="")
        stage.make(
            "security_group_rule",
            security_group_id=web["id"],
            direction="ingress",
            remote_address_group_id=hosts["id"],
        )
        network, subnet = stage.network()
        public = external(stage, "pod1")
        router = open_to(stage, stage.make("router", name="r"), public)
        stage.l3.add_router_interface(stage.admin, router["id"], {"subnet_id": subnet["id"]})
        port = stage.port(network, security_groups=[web["id"]], qos_policy_id=gold["id"])
        made = trunk(stage, port)
        address = floating(stage, public, port)
        self.port = stage.bind(port, "pod1")
        assert self.port["binding:vif_type"] == "other", self.port["binding:vif_details"]
        stage.reconcile()
        assert stage.pending() == []
        self.public = public
        self.ids = {
            "network": network["id"],
            "subnet": subnet["id"],
            "port": port["id"],
            "security_group": web["id"],
            "group_members": web["id"],
            "address_group": hosts["id"],
            "qos_policy": gold["id"],
            "router": router["id"],
            "east_west_router": east_west.key(router["id"]).resource_id,
            "trunk": made["id"],
            "floating_ip": address["id"],
        }
        assert set(self.ids) == set(KINDS)

    def make(self, region: str, forge: Forge, project_id: str = STRANGER) -> dict[str, Object]:
        """An object of each kind, of a project, that bears what ``forge`` writes, by kind."""
        neutron, made = self.stage.neutron(region), {}

        def make(collection: str, **values: object) -> Object:
            return neutron.make(collection, project_id, name="theirs", **values)

        base = make("networks")
        make("subnets", network_id=base["id"], cidr="10.66.0.0/24")
        outside = make("networks", **{"router:external": True})
        make("subnets", network_id=outside["id"], cidr="192.0.2.0/24")
        more: dict[str, Callable[[], Object]] = {
            "subnets": lambda: {"network_id": base["id"], "cidr": "10.67.0.0/24"},
            "ports": lambda: {"network_id": base["id"]},
            "trunks": lambda: {"port_id": make("ports", network_id=base["id"])["id"]},
            "floatingips": lambda: {"floating_network_id": outside["id"]},
        }
        for kind in KINDS:
            values = more.get(table(kind), dict)()
            values["description"] = forge(kind, self.ids[kind])
            if table(kind) == "floatingips":
                made[kind] = neutron.make("floatingips", project_id, **values)
            else:
                made[kind] = make(table(kind), **values)
        return made


class Unchanged:
    """What objects were like; ``check`` that they are so still."""

    def __init__(self, stage: Stage, region: str, objects: dict[str, Object]) -> None:
        self._tables = stage.neutron(region).tables
        self._before = {kind: copy.deepcopy(one) for kind, one in objects.items()}

    def check(self) -> None:
        for kind, before in self._before.items():
            assert self._tables[table(kind)].get(before["id"]) == before, kind


def unsigned(kind: str, resource_id: str) -> str:
    return f"tricircle:{resource_id}"


def another_pods(kind: str, resource_id: str) -> str:
    """The marker that we would give the victim's object, but in another pod."""
    return markers.sign(resource_id, Place("pod1", ADAPTERS[kind].collection), PROJECT)


def another_kinds(kind: str, resource_id: str) -> str:
    """The marker of the victim's object of another kind in the same pod."""
    return markers.sign(resource_id, Place("pod2", "floating-things"), PROJECT)


def the_victims(kind: str, resource_id: str) -> str:
    """The very marker that the victim's object has, or would have."""
    return markers.sign(resource_id, Place("pod2", ADAPTERS[kind].collection), PROJECT)


def wrong_key(kind: str, resource_id: str) -> str:
    """As signed by somebody who has a key of their own."""
    with secrets("a key that nobody has told us of"):
        place = Place("pod2", ADAPTERS[kind].collection)
        return markers.sign(resource_id, place, STRANGER)


FORGERIES = (unsigned, another_pods, another_kinds, the_victims, wrong_key)
