# SPDX-License-Identifier: Apache-2.0
"""What is taken for ours in a pod was made by us: a marker is signed, and its owner is right."""

from urllib.parse import urlencode

import pytest

from tests.functional.gateway_harness import MARKER_KEY
from tests.functional.network.audits import audit, repaired, settled, writes
from tests.functional.network.routed_networks import EXTERN, external, open_to, router
from tests.functional.network.stage import PROJECT, Object, Stage
from tests.functional.network.strangers import (
    FORGERIES,
    KINDS,
    STRANGER,
    Forge,
    Unchanged,
    World,
    another_pods,
    secrets,
    the_victims,
    unsigned,
)
from tests.functional.network.tunnels import VXLAN, Tunnels
from tricircle.db.realizations import Key
from tricircle.network.pod_api.pod_session import PodSession, named
from tricircle.network.reconcile import runtime
from tricircle.network.reconcile.adapters import ADAPTERS
from tricircle.pods.deadline import Deadline

OLDER = "the key of the year before"


@pytest.fixture
def world(stage: Stage) -> World:
    return World(stage)


def _session(stage: Stage, region: str) -> PodSession:
    running = runtime.get()
    pod = running.registry.fresh().by_region(region)
    assert pod is not None
    return running.engine.session(pod, Deadline(40))


# -- strangers -----------------------------------------------------------------------------------


@pytest.mark.parametrize("forge", FORGERIES)
@pytest.mark.usefixtures("no_grace")
def test_strangers_are_not_found_and_left_alone_and_told_once(world: World, forge: Forge) -> None:
    """Of each kind one object in pod2, where the victim has nothing yet."""
    stage = world.stage
    made = world.make("pod2", forge)
    before = Unchanged(stage, "pod2", made)
    found = audit(stage, "pod2")
    assert (found.adopted, found.orphans, found.doubles, found.strangers) == (0, 0, 0, len(KINDS))
    told = repaired()
    for one in made.values():
        assert f"left {one['id']} of project {STRANGER} alone: its marker is not ours" in told
    audit(stage, "pod2")
    assert repaired() == told
    stage.reconcile("pod2")
    before.check()
    assert writes(stage, "pod2") == []
    assert {row.pod_id for row in stage.rows()} == {stage.pod_ids["pod1"]}
    _finds_nothing(world)


@pytest.mark.parametrize("forge", [unsigned, another_pods])
@pytest.mark.usefixtures("no_grace")
def test_a_copy_beside_ours_is_no_second_copy(world: World, forge: Forge) -> None:
    """In pod1, where ``another_pods`` is the very text that the victim's own object has."""
    stage = world.stage
    before = Unchanged(stage, "pod1", world.make("pod1", forge))
    found = audit(stage, "pod1")
    assert (found.orphans, found.doubles, found.strangers) == (0, 0, len(KINDS))
    stage.reconcile("pod1")
    before.check()
    settled(stage, "pod1")


def _finds_nothing(world: World) -> None:
    """A worker that does not know whether the one before it made something; it asks once."""
    session = _session(world.stage, "pod2")
    session.neutron.has("anything")  # what it offers is asked for once, then known
    for kind in KINDS:
        adapter, one = ADAPTERS[kind], world.ids[kind]
        central = adapter.central(one)
        assert central is not None
        world.stage.cloud.journal.clear()
        assert adapter.find_all(session, [central]) == {}, kind
        assert len(world.stage.cloud.journal.find("pod2/network")) == 1, kind
        assert adapter.find(session, central, one) is None, kind
        assert adapter.find(session, None, one, PROJECT) is None, kind


@pytest.mark.parametrize("forge", [unsigned, the_victims])
def test_ours_is_found(world: World, forge: Forge) -> None:
    stage = world.stage
    strange = world.make("pod2", forge)
    made = world.make("pod2", forge, PROJECT)
    session = _session(stage, "pod2")
    for kind in KINDS:
        adapter, one = ADAPTERS[kind], world.ids[kind]
        central = adapter.central(one)
        assert central is not None
        for found in (
            adapter.find(session, central, one),
            adapter.find_all(session, [central]).get(one),
            adapter.find(session, None, one, PROJECT),
        ):
            assert found is not None, kind
            assert found["id"] == made[kind]["id"] != strange[kind]["id"], kind


@pytest.mark.parametrize("forge", [unsigned, the_victims])
def test_a_victim_who_comes_to_the_pod_gets_what_is_theirs(world: World, forge: Forge) -> None:
    stage = world.stage
    strange = world.make("pod2", forge)
    before = Unchanged(stage, "pod2", strange)
    port = stage.port({"id": world.ids["network"]}, security_groups=[world.ids["security_group"]])
    stage.want(port, "pod2")
    # As if somebody had died on the way: each is looked for before it is made.
    for row in stage.rows():
        if row.pod_id == stage.pod_ids["pod2"]:
            claimed = runtime.get().engine.queue.claim(row.id)
            assert claimed is not None
    stage.forget_claims()
    stage.reconcile()
    before.check()
    copy = stage.neutron("pod2").tables["ports"][_row_id(stage, "port", port["id"])]
    strangers = {one["id"] for one in strange.values()}
    assert copy["network_id"] not in strangers
    assert not strangers & set(copy["security_groups"])
    assert copy["project_id"] == PROJECT
    assert stage.pending() == []


def _row_id(stage: Stage, kind: str, resource_id: str) -> str:
    row = stage.row(kind, resource_id, "pod2")
    assert row is not None
    return str(row.pod_resource_id)


@pytest.mark.parametrize("forge", [unsigned, the_victims])
def test_an_external_network_is_not_a_strangers(stage: Stage, forge: Forge) -> None:
    """Its id is known to all; that of a pod is looked for before one is made."""
    public = external(stage, "pod2")
    evil = stage.neutron("pod2").make(
        "networks", STRANGER, name="mine", description=forge("network", public["id"])
    )
    before = Unchanged(stage, "pod2", {"network": evil})
    network, subnet = stage.network()
    made = open_to(stage, router(stage, subnet), public)
    stage.bound(network, "pod2")
    stage.reconcile()
    gateway = stage.copy("pod2", "routers", made["id"])["external_gateway_info"]
    assert gateway["network_id"] != evil["id"]
    before.check()
    stage.change("network", public["id"], name="renamed")
    stage.reconcile()
    before.check()


@pytest.mark.parametrize("forge", [unsigned, the_victims])
def test_a_shadow_port_is_not_a_strangers(tunnels: Tunnels, no_grace: None, forge: Forge) -> None:
    """On a shared network anybody may have a port, and with the address of one that is to come."""
    stage = tunnels.stage
    network, _ = stage.network(shared=True, **VXLAN)
    tunnels.boot(network, "pod1")
    tunnels.boot(network, "pod2")
    tunnels.settle()
    there = stage.copy("pod2", "networks", network["id"])
    port = stage.port(network)
    evil = stage.neutron("pod2").make(
        "ports",
        STRANGER,
        network_id=there["id"],
        description=forge("shadow_port", "shadow:11111111-2222-3333-4444-555555555555"),
        device_owner="compute:nova",
        device_id="theirs",
        fixed_ips=[{"ip_address": port["fixed_ips"][0]["ip_address"]}],
        **{"binding:host_id": "host2"},
    )
    before = Unchanged(stage, "pod2", {"port": evil})
    tunnels.look()
    stage.reconcile()
    before.check()
    # The others are told of it, as of any port.
    assert tunnels.shadow("pod1", evil)
    assert audit(stage, "pod2").strangers == 1
    # What is to come with its address is refused: nobody's port makes way for it.
    refused = stage.bind(port, "pod2")
    assert refused["binding:vif_type"] == "binding_failed"
    before.check()


@pytest.mark.parametrize("forge", [unsigned, the_victims])
def test_what_joins_a_router_is_not_a_strangers(stage: Stage, forge: Forge) -> None:
    """Neutron lets anybody name any router as a port's device, as long as it is no interface."""
    network, subnet = stage.network(shared=True)
    made = stage.make("router", name="r")
    stage.bound(network, "pod2")
    stage.reconcile()
    stage.l3.add_router_interface(stage.admin, made["id"], {"subnet_id": subnet["id"]})
    (interface,) = stage.core.get_ports(stage.admin, {"device_id": [made["id"]]})
    there = stage.copy("pod2", "networks", network["id"])
    stage.work("pod2")
    copy = stage.copy("pod2", "routers", made["id"])
    neutron = stage.neutron("pod2")
    for port in neutron.ports(device_id=copy["id"]):
        del neutron.tables["ports"][port["id"]]
    mark = forge("port", interface["id"])
    evil = [
        neutron.make(
            "ports", STRANGER, network_id=there["id"], description=mark, fixed_ips=[], **more
        )
        for more in ({"device_id": copy["id"]}, {"name": copy["description"]})
    ]
    copies = [Unchanged(stage, "pod2", {"port": one}) for one in evil]
    stage.touch("router", made["id"])
    stage.reconcile()
    joined = neutron.ports(device_id=copy["id"], device_owner="network:router_interface")
    assert [ip["ip_address"] for port in joined for ip in port["fixed_ips"]] == ["10.0.0.1"]
    for one in copies:
        one.check()
    stage.l3.remove_router_interface(stage.admin, made["id"], {"subnet_id": subnet["id"]})
    stage.delete("router", made["id"])
    stage.reconcile()
    for one in copies:
        one.check()


def test_what_a_strangers_object_became_before_is_told(world: World, no_grace: None) -> None:
    """It was taken for ours before markers were held to anything: the operator is to know."""
    stage = world.stage
    there = stage.copy("pod1", "security-groups", world.ids["security_group"])
    there["project_id"] = STRANGER
    there["description"] = f"tricircle:{world.ids['security_group']}"
    audit(stage, "pod1")
    audit(stage, "pod1")
    (told,) = repaired("security_group")
    assert told == f"{there['id']} is in use, though it is project {STRANGER}'s"
    stage.reconcile("pod1")
    assert there["description"] == f"tricircle:{world.ids['security_group']}"


# -- external networks of the pods' own ----------------------------------------------------------


def _before_us(stage: Stage, cidr: str | None, **more: object) -> dict[str, Object]:
    neutron = stage.neutron("pod2")
    made = {"network": neutron.make("networks", "operator", name="own", **EXTERN, **more)}
    if cidr:
        network_id = made["network"]["id"]
        made["subnet"] = neutron.make(
            "subnets", "operator", network_id=network_id, cidr=cidr, enable_dhcp=False
        )
    return made


def _way_out(stage: Stage) -> tuple[Object, Object, Object]:
    public = external(stage, "pod2")
    network, subnet = stage.network()
    made = open_to(stage, router(stage, subnet), public)
    stage.bound(network, "pod2")
    stage.reconcile()
    return public, subnet, made


def test_an_external_network_of_the_pods_own_is_never_altered(stage: Stage) -> None:
    own = _before_us(stage, "203.0.113.0/24", **{"router:external": True})
    before = Unchanged(stage, "pod2", own)
    public, _, made = _way_out(stage)
    gateway = stage.copy("pod2", "routers", made["id"])["external_gateway_info"]
    assert gateway["network_id"] == own["network"]["id"]
    (central_subnet,) = stage.core.get_subnets(stage.admin, {"network_id": [public["id"]]})
    stage.change("network", public["id"], name="renamed", admin_state_up=False)
    stage.change("subnet", central_subnet["id"], name="renamed", dns_nameservers=["9.9.9.9"])
    stage.reconcile()
    audit(stage, "pod2")
    stage.reconcile()
    before.check()
    stage.l3.update_router(stage.admin, made["id"], {"router": {"external_gateway_info": {}}})
    # What is external no more in the region is still the pod's own.
    stage.change("network", public["id"], **{"router:external": False})
    stage.reconcile()
    before.check()
    stage.delete("network", public["id"])
    stage.reconcile()
    before.check()


def test_a_network_on_the_segment_that_is_not_external_is_not_used(stage: Stage) -> None:
    own = _before_us(stage, None)
    before = Unchanged(stage, "pod2", own)
    public, _, _ = _way_out(stage)
    row = stage.row("network", public["id"], "pod2")
    assert row is not None
    assert (row.pod_resource_id, "in use" in str(row.last_error)) == (None, True)
    before.check()


def test_no_subnet_is_made_in_a_pods_own_external_network(stage: Stage) -> None:
    own = _before_us(stage, "198.51.100.0/24", **{"router:external": True})
    before = Unchanged(stage, "pod2", own)
    public, _, _ = _way_out(stage)
    (central_subnet,) = stage.core.get_subnets(stage.admin, {"network_id": [public["id"]]})
    row = stage.row("subnet", central_subnet["id"], "pod2")
    assert row is not None
    assert "has no subnet 203.0.113.0/24: make it there" in str(row.last_error)
    before.check()


# -- keys ----------------------------------------------------------------------------------------


def _descriptions(stage: Stage, region: str) -> set[str]:
    tables = stage.neutron(region).tables.values()
    return {one["description"] for items in tables for one in items.values() if named(one)}


def _ids(stage: Stage, region: str) -> dict[str, set[str]]:
    return {name: set(items) for name, items in stage.neutron(region).tables.items()}


def _look_again(stage: Stage) -> None:
    """An audit, and the time in which what it found is seen to."""
    audit(stage, "pod1")
    stage.forget_claims()
    stage.reconcile("pod1")


def test_a_new_key_comes_and_the_old_one_goes(world: World, no_grace: None) -> None:
    stage = world.stage
    first, there = _descriptions(stage, "pod1"), _ids(stage, "pod1")
    assert all("/" in one for one in first)
    with secrets(OLDER, MARKER_KEY):
        found = audit(stage, "pod1")
        assert (found.changed, found.gone, found.strangers) == ([], [], 0)
        # The router's copy is looked at as ever.
        assert found.unsigned == len(stage.rows()) - found.asked
        # Not all at once.
        assert 0 < len(stage.pending("pod1")) < len(stage.rows())
        stage.forget_claims()
        stage.reconcile("pod1")
        second = _descriptions(stage, "pod1")
        assert len(second) == len(first)
        assert not first & second
        # Not even those that are not known from before are made twice.
        runtime.get().engine.queue.forget_pod(stage.pod_ids["pod1"])
        _look_again(stage)
    with secrets(OLDER):
        settled(stage, "pod1")
    assert _ids(stage, "pod1") == there
    # Nobody has changed anything: that is no repair.
    assert [told for told in repaired() if "over" not in told] == []


def test_what_was_made_before_there_was_a_key_stays_ours(stage: Stage, no_grace: None) -> None:
    with secrets():
        world = World(stage)
        assert not any("/" in one for one in _descriptions(stage, "pod1"))
        settled(stage, "pod1")
        strange = world.make("pod2", unsigned)
        before = Unchanged(stage, "pod2", strange)
        assert audit(stage, "pod2").strangers == len(KINDS)
        before.check()
    there = _ids(stage, "pod1")
    # Somebody's work of before is gone on with: what has no row is known by its owner.
    runtime.get().engine.queue.forget_pod(stage.pod_ids["pod1"])
    found = audit(stage, "pod1")
    assert (found.orphans, found.strangers) == (0, 0)
    assert found.adopted > len(KINDS) // 2
    _look_again(stage)
    assert _ids(stage, "pod1") == there
    assert all("/" in one for one in _descriptions(stage, "pod1"))
    settled(stage, "pod1")
    stage.delete("trunk", world.ids["trunk"])
    stage.delete("floatingip", world.ids["floating_ip"])
    stage.delete("port", world.ids["port"])
    stage.reconcile()
    assert stage.empty("pod1")


def test_whoever_has_no_key_leaves_signatures(world: World, no_grace: None) -> None:
    """One process has been told of the key, another is yet to be."""
    stage = world.stage
    before = _descriptions(stage, "pod1")
    with secrets():
        settled(stage, "pod1")
    assert _descriptions(stage, "pod1") == before


@pytest.mark.parametrize(("keys", "goes"), [([MARKER_KEY], False), ([], True)])
def test_what_has_no_owner_any_more(
    stage: Stage, no_grace: None, keys: list[str], goes: bool
) -> None:
    """The resource is gone, the row is, too: only a signature can tell that it was ours."""
    mark = unsigned("network", "11111111-2222-3333-4444-555555555555")
    left = stage.neutron("pod1").make("networks", PROJECT, description=mark)
    with secrets(*keys):
        found = audit(stage, "pod1")
        stage.reconcile("pod1")
    assert (found.orphans, found.strangers) == (int(goes), int(not goes))
    assert (left["id"] in stage.neutron("pod1").tables["networks"]) is not goes


def test_a_marker_that_its_owner_took_away_comes_back(world: World) -> None:
    """Without one, a copy that nobody lived to note would never be found."""
    stage = world.stage
    there = stage.copy("pod1", "networks", world.ids["network"])
    there["description"] = "mine"
    assert audit(stage, "pod1").changed == [Key("network", world.ids["network"])]
    stage.reconcile("pod1")
    assert named(there) == world.ids["network"]
    assert repaired("network") == [f"PUT /networks/{there['id']} (description)"]
    # One without a marker goes all the same.
    there["description"] = "mine"
    for kind in ("trunk", "floatingip", "port"):
        stage.delete(kind, world.ids[{"floatingip": "floating_ip"}.get(kind, kind)])
    stage.reconcile()
    assert there["id"] not in stage.neutron("pod1").tables["networks"]


def test_fifty_ports_are_found_in_one_call(stage: Stage) -> None:
    network, _ = stage.network()
    ports = [stage.port(network) for _ in range(50)]
    session = _session(stage, "pod1")
    session.neutron.has("anything")
    stage.cloud.journal.clear()
    assert ADAPTERS["port"].find_all(session, ports) == {}
    with secrets(OLDER, MARKER_KEY, "and one more key"):
        assert ADAPTERS["port"].find_all(session, ports) == {}
    calls = stage.cloud.journal.find("pod1/network", "GET")
    assert len(calls) == 1 + 3
    assert all(len(urlencode(call.query)) < 7600 for call in calls)
