# SPDX-License-Identifier: Apache-2.0
"""Which pods are left, in which order, and what is said when none is."""

from collections.abc import Mapping
from typing import Any

import pytest
from keystoneauth1 import exceptions

from tricircle.db import bindings, pods, routings
from tricircle.db.models import now
from tricircle.pods.availability import Availability, Health
from tricircle.pods.breaker import Breakers
from tricircle.pods.pod import DOWN, Pod
from tricircle.pods.rights import Right
from tricircle.scheduling.request import Facts, Group, Network, Request
from tricircle.scheduling.scheduler import NoPodFits, Scheduler, UnknownZone
from tricircle.scheduling.zones import Zone

pytestmark = pytest.mark.usefixtures("db")


class Answer:
    def __init__(self, document: Any) -> None:
        self.document = document

    def json(self) -> Any:
        return self.document


class Identity:
    """Adapters that answer for a service of a pod with a document, or raise."""

    def __init__(self, answers: Mapping[tuple[str, str], Any] | None = None) -> None:
        self.answers = dict(answers or {})
        self.asked: list[tuple[str, str]] = []

    def adapter(self, pod: Pod, right: Right) -> "Identity":
        self.last = (pod.region_name, right.service)
        bound = Identity(self.answers)
        bound.last, bound.asked = self.last, self.asked
        return bound

    def get(self, path: str, **_: Any) -> Answer:
        self.asked.append(self.last)
        answer = self.answers.get(self.last)
        if answer is None:
            raise exceptions.ConnectFailure("nobody there")
        return Answer(answer)


def placement(capacity: int, used: int) -> dict[str, Any]:
    amounts = {"capacity": capacity, "used": used}
    return {"provider_summaries": {"rp": {"resources": {"VCPU": amounts, "MEMORY_MB": amounts}}}}


def stored(region: str, zone: str, **values: Any) -> Pod:
    return Pod.from_row(
        pods.create({"region_name": region, "availability_zone": zone, "health": "up", **values})
    )


def scheduler(identity: Any = None, breakers: Breakers | None = None) -> Scheduler:
    return Scheduler(Facts(identity or Identity(), Availability(breakers or Breakers())))


def names(found: list[Pod]) -> list[str]:
    return [pod.region_name for pod in found]


def test_only_pods_of_the_zone_are_left() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az2")]
    assert names(scheduler().candidates(all_pods, Request("p", Zone("az2")))) == ["Pod2"]


def test_without_a_zone_any_pod_will_do() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az2")]
    assert len(scheduler().candidates(all_pods, Request("p"))) == 2


def test_an_unknown_zone_is_named_as_nova_does() -> None:
    with pytest.raises(UnknownZone, match=r"^The requested availability zone is not available$"):
        scheduler().candidates([stored("Pod1", "az1")], Request("p", Zone("az9")))


def down(*services: str) -> dict[str, Any]:
    """Columns of a pod some of whose services were just found down."""
    found = Health(DOWN, error="no connection", found_at=now())
    return {"services": {service: found.stored() for service in services}}


@pytest.mark.parametrize("why", ["draining", "down"])
def test_a_pod_out_of_use_is_left_out_for_now(why: str) -> None:
    values = {"state": "draining"} if why == "draining" else down("compute")
    all_pods = [stored("Pod1", "az1", **values), stored("Pod2", "az1")]
    assert names(scheduler().candidates(all_pods, Request("p"))) == ["Pod2"]
    with pytest.raises(NoPodFits, match="Pod1") as caught:
        scheduler().candidates(all_pods[:1], Request("p"))
    assert caught.value.temporary


@pytest.mark.parametrize(
    ("service", "kept_out"),
    [
        ("compute", ["server", "server on a network"]),
        ("network", ["server on a network"]),
        ("volume", ["volume"]),
    ],
)
def test_a_pod_takes_what_its_living_services_can_make(service: str, kept_out: list[str]) -> None:
    all_pods = [stored("Pod1", "az1", **down(service)), stored("Pod2", "az1")]
    requests = {
        "server": Request("p"),
        "server on a network": Request("p", networks=(Network("n1"),)),
        "volume": Request("p", what="volume"),
    }
    found = {
        name: "Pod1" not in names(scheduler().candidates(all_pods, request))
        for name, request in requests.items()
    }
    assert [name for name, is_out in found.items() if is_out] == kept_out


def test_who_is_kept_out_learns_which_service_does_not_answer() -> None:
    request = Request("p", networks=(Network("n1"),))
    with pytest.raises(NoPodFits, match=r"Pod1 does not answer \(its network service\)"):
        scheduler().candidates([stored("Pod1", "az1", **down("network"))], request)


def test_a_pod_left_alone_by_its_breaker_is_left_out() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    breakers = Breakers()
    for _ in range(3):
        breakers[all_pods[0].id, "compute"].failure()
    assert names(scheduler(breakers=breakers).candidates(all_pods, Request("p"))) == ["Pod2"]


def test_a_server_goes_where_its_volume_or_its_port_is() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    for what in ("volume v1", "port p1"):
        request = Request("p", required_pods={what: "Pod2"})
        assert names(scheduler().candidates(all_pods, request)) == ["Pod2"]


def test_what_is_in_several_pods_fits_in_none() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    with pytest.raises(NoPodFits, match="Pod1 port p1 is in Pod2; Pod2 volume v1 is in Pod1"):
        scheduler().candidates(
            all_pods, Request("p", required_pods={"volume v1": "Pod1", "port p1": "Pod2"})
        )


def test_every_pod_and_why_it_does_not_fit_is_told() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az2")]
    with pytest.raises(NoPodFits) as caught:
        scheduler().candidates(
            all_pods, Request("p", Zone("az1"), required_pods={"volume v1": "Pod2"})
        )
    assert str(caught.value) == (
        "No pod can take the server: Pod1 volume v1 is in Pod2; "
        "Pod2 is in availability zone az2, not az1."
    )
    assert not caught.value.temporary


@pytest.mark.parametrize("hint", ["az2", "Pod2"])
def test_a_network_held_to_a_zone_or_pod_holds_the_server_too(hint: str) -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az2")]
    request = Request("p", networks=(Network("n1"), Network("n2", (hint,))))
    assert names(scheduler().candidates(all_pods, request)) == ["Pod2"]


def test_the_pod_a_project_uses_comes_first() -> None:
    all_pods = [stored(f"Pod{number}", "az1") for number in range(1, 5)]
    bindings.ensure("p", all_pods[2].id)
    for _ in range(5):
        assert names(scheduler().candidates(all_pods, Request("p")))[0] == "Pod3"


def test_of_the_pods_a_project_uses_one_is_its_own() -> None:
    """The one it used first, of those that have something of it; an operator's word stands."""
    all_pods = [stored(f"Pod{number}", "az1") for number in range(1, 5)]
    for number in (2, 1, 0):
        bindings.ensure("p", all_pods[number].id)
    chosen = scheduler()
    assert names(chosen.candidates(all_pods, Request("p")))[:3] == ["Pod3", "Pod2", "Pod1"]
    routings.put("volume", "v1", all_pods[0].id, "p")
    routings.put("server", "s1", all_pods[1].id, "p")
    routings.put("message", "m1", all_pods[2].id, "p")
    routings.put("server", "s2", all_pods[2].id, "another")
    assert names(chosen.candidates(all_pods, Request("p")))[:3] == ["Pod2", "Pod1", "Pod3"]
    bindings.create("p", all_pods[3].id)
    bindings.create("p", all_pods[0].id)
    assert names(chosen.candidates(all_pods, Request("p")))[:2] == ["Pod1", "Pod4"]


def test_its_own_pod_takes_all_until_it_is_full() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1"), stored("Pod3", "az2")]
    bindings.ensure("p", all_pods[0].id)
    bindings.ensure("p", all_pods[1].id)
    shares = {"Pod1": 97, "Pod2": 50, "Pod3": 0}
    rooms = {(name, "placement"): placement(100, used) for name, used in shares.items()}
    found = scheduler(Identity(rooms)).candidates(all_pods, Request("p"))
    assert names(found) == ["Pod1", "Pod2", "Pod3"]
    rooms["Pod1", "placement"] = placement(100, 99)
    found = scheduler(Identity(rooms)).candidates(all_pods, Request("p"))
    assert names(found) == ["Pod2", "Pod3", "Pod1"]
    # Its storage is not full: that is another matter.
    rooms["Pod1", "volume"] = pools((100, 10))
    found = scheduler(Identity(rooms)).candidates(all_pods, Request("p", what="volume"))
    assert names(found)[0] == "Pod1"


def test_what_is_asked_for_at_once_goes_to_one_pod() -> None:
    """Nothing is made yet: the choice itself is what the next request sees."""
    all_pods = [stored(f"Pod{number}", "az1") for number in range(1, 9)]
    chosen = scheduler()
    asked = [Request("p", what=what) for what in ("server", "volume", "group") * 3]
    assert len({names(chosen.candidates(all_pods, request))[0] for request in asked}) == 1
    assert len(bindings.pods_of("p")) == 1
    # In another zone it has another of its own.
    elsewhere = [stored(f"Pod{number}", "az2") for number in range(11, 15)]
    asked = [Request("p", Zone("az2"), what=request.what) for request in asked]
    found = {names(chosen.candidates([*all_pods, *elsewhere], one))[0] for one in asked}
    assert len(found) == 1
    assert len(bindings.pods_of("p")) == 2
    # Where there is no choice nothing is chosen.
    chosen.candidates(all_pods[:1], Request("q"))
    assert bindings.pods_of("q") == set()


def test_of_two_choices_at_one_moment_one_stands() -> None:
    first, second = (stored(name, "az1").id for name in ("Pod1", "Pod2"))
    assert bindings.settle("p", {first, second}, second) == second
    assert bindings.settle("p", {first, second}, first) == second
    assert bindings.settle("p", {first}, first) == first
    assert bindings.settle("p", {"gone"}, "gone") == "gone"
    assert bindings.in_order("p") == [second, first]


def pools(*pairs: tuple[Any, Any]) -> dict[str, Any]:
    return {
        "pools": [
            {"capabilities": {"total_capacity_gb": total, "free_capacity_gb": free}}
            for total, free in pairs
        ]
    }


@pytest.mark.parametrize(
    ("first", "second", "best"),
    [
        (pools((100, 10)), pools((100, 90)), "Pod2"),
        (pools((100, 0), (100, 95)), pools((100, 60)), "Pod1"),
        (pools(("infinite", "unknown")), pools((100, 60)), "Pod1"),
        (pools(), pools((100, 60)), "Pod2"),
        (pools((0, 0)), pools((100, 20)), "Pod2"),
    ],
)
def test_volumes_go_where_storage_is_free(first: Any, second: Any, best: str) -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    identity = Identity(
        {
            ("Pod1", "volume"): first,
            ("Pod2", "volume"): second,
            # What is free for servers does not matter.
            ("Pod1", "placement"): placement(100, 50),
            ("Pod2", "placement"): placement(100, 50),
        }
    )
    found = scheduler(identity).candidates(all_pods, Request("p", what="volume"))
    assert names(found)[0] == best


def test_the_emptier_pod_comes_first() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    identity = Identity(
        {
            ("Pod1", "placement"): placement(100, 90),
            ("Pod2", "placement"): placement(100, 10),
        }
    )
    chosen = scheduler(identity)
    for _ in range(5):
        assert names(chosen.candidates(all_pods, Request("p"))) == ["Pod2", "Pod1"]
    # Asked once, then believed for some seconds.
    assert sorted(identity.asked) == [("Pod1", "placement"), ("Pod2", "placement")]


def test_nova_is_asked_where_placement_does_not_answer() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    full = {"memory_mb": 10, "memory_mb_used": 10, "vcpus": 4, "vcpus_used": 0}
    identity = Identity(
        {
            ("Pod1", "compute"): {"hypervisor_statistics": full},
            ("Pod2", "placement"): placement(100, 50),
        }
    )
    assert names(scheduler(identity).candidates(all_pods, Request("p"))) == ["Pod2", "Pod1"]


def test_a_pod_that_does_not_tell_stands_in_the_middle() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1"), stored("Pod3", "az1")]
    identity = Identity(
        {
            ("Pod1", "placement"): placement(100, 100),
            ("Pod3", "placement"): placement(100, 0),
        }
    )
    found = names(scheduler(identity).candidates(all_pods, Request("p")))
    assert found == ["Pod3", "Pod2", "Pod1"]


def test_what_is_to_be_together_goes_where_it_is() -> None:
    all_pods = [stored("Pod1", "az1"), stored("Pod2", "az1")]
    together = Group("g", "affinity", members={all_pods[1].id: 1})
    assert names(scheduler().candidates(all_pods, Request("p", group=together))) == ["Pod2"]
    with pytest.raises(NoPodFits, match="Pod1 has none of the servers of group g"):
        scheduler().candidates(all_pods[:1], Request("p", group=together))
    first = Group("g", "affinity")
    assert len(scheduler().candidates(all_pods, Request("p", group=first))) == 2


def ordered(policy: str, members: dict[int, int], hosts: dict[str, int], per_host: int = 1) -> Any:
    all_pods = [stored(f"Pod{number}", "az1") for number in range(3)]
    statistics = {
        (name, "compute"): {"hypervisor_statistics": {"count": count}}
        for name, count in hosts.items()
    }
    counts = {all_pods[number].id: count for number, count in members.items()}
    request = Request("p", group=Group("g", policy, per_host, counts))
    return names(scheduler(Identity(statistics)).candidates(all_pods, request))


def test_a_wish_to_be_together_orders_and_leaves_nothing_out() -> None:
    assert ordered("soft-affinity", {0: 1, 1: 2}, {}) == ["Pod1", "Pod0", "Pod2"]


def test_what_is_to_be_spread_goes_where_fewest_are_while_nobody_knows_the_hosts() -> None:
    assert ordered("anti-affinity", {0: 2, 1: 1}, {}) == ["Pod2", "Pod1", "Pod0"]


@pytest.mark.parametrize(
    ("per_host", "hosts", "last"),
    [
        (1, [9, 1, 9], ["Pod1"]),
        (2, [4, 1, 1], []),
        (2, [2, 1, 1], ["Pod2", "Pod0"]),
        (1, [1, 1, 1], ["Pod1", "Pod2", "Pod0"]),
    ],
)
def test_pods_without_a_host_left_come_last(
    per_host: int, hosts: list[int], last: list[str]
) -> None:
    known = {f"Pod{number}": count for number, count in enumerate(hosts)}
    found = ordered("anti-affinity", {0: 4, 1: 1, 2: 2}, known, per_host)
    assert found[len(found) - len(last) :] == last


@pytest.mark.parametrize("policy", ["anti-affinity", "soft-anti-affinity"])
def test_what_is_to_be_spread_stays_in_its_projects_pod(policy: str) -> None:
    all_pods = [stored(f"Pod{number}", "az1") for number in range(3)]
    bindings.ensure("p", all_pods[1].id)
    three = {"hypervisor_statistics": {"count": 3}}
    hosts = {(pod.region_name, "compute"): three for pod in all_pods}
    chosen = scheduler(Identity(hosts))

    def first(members: int) -> str:
        group = Group("g", policy, members={all_pods[1].id: members} if members else {})
        return names(chosen.candidates(all_pods, Request("p", group=group)))[0]

    assert [first(number) for number in range(3)] == ["Pod1"] * 3
    assert (first(3) == "Pod1") == (policy == "soft-anti-affinity")


def test_an_unknown_plugin_is_told_at_the_start() -> None:
    from tricircle.conf import CONF

    CONF.set_override("filters", ["enabled", "nonsense"], group="scheduling")
    try:
        with pytest.raises(RuntimeError, match="nonsense"):
            scheduler()
    finally:
        CONF.clear_override("filters", group="scheduling")
