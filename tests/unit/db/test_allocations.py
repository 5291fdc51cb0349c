# SPDX-License-Identifier: Apache-2.0
"""What projects use, and that limits hold whoever asks at the same time."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests import database
from tricircle.db import allocations, operations, pods, quotas, routings, server_groups
from tricircle.db.allocations import Limits, Wish
from tricircle.db.errors import Elsewhere, NotFound, OverLimit
from tricircle.db.operations import ServerCreate

db = database.db
needs_db = pytest.mark.usefixtures("db")

WISH = Wish("p", "u", vcpus=2, ram=100)
NAMES = ("cores", "instances", "ram")


def reserve(wish: Wish = WISH, number: int = 1, least: int | None = None, **limits: Any) -> Any:
    wanted = [ServerCreate(f"s{index}") for index in range(number)]
    return allocations.reserve(wish, Limits(**limits), wanted, least or number)


# -- how many fit --------------------------------------------------------------------------------

amounts = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(0, 50)))
limits = st.fixed_dictionaries(dict.fromkeys(NAMES, st.integers(-1, 60)))
each = st.fixed_dictionaries(
    {"cores": st.integers(0, 9), "instances": st.just(1), "ram": st.integers(0, 9)}
)
counts = st.tuples(st.integers(1, 8), st.integers(1, 8)).map(sorted)


@given(limits, amounts, each, counts)
def test_as_many_as_fit_and_never_one_more(
    limits: dict[str, int], used: dict[str, int], each: dict[str, int], counts: list[int]
) -> None:
    low, high = counts

    def fits(number: int) -> bool:
        return all(
            limits[name] < 0 or not each[name] or used[name] + number * each[name] <= limits[name]
            for name in NAMES
        )

    best = max((number for number in range(1, high + 1) if fits(number)), default=0)
    if best >= low:
        assert allocations.fitting(limits, used, each, low, high) == best
        return
    with pytest.raises(OverLimit) as refused:
        allocations.fitting(limits, used, each, low, high)
    assert refused.value.excess
    for excess in refused.value.excess:
        assert excess.limit == limits[excess.resource] >= 0
        assert excess.used == used[excess.resource]


# -- rows ----------------------------------------------------------------------------------------


@needs_db
def test_from_the_wish_to_the_end() -> None:
    (row_id,) = reserve()
    assert allocations.used("p") == {"cores": 2, "instances": 1, "ram": 100}
    (creation,) = operations.stale(-1)
    assert (creation.id, operations.of(creation).name) == (row_id, "s0")
    allocations.place(row_id, "pod")
    allocations.confirm(row_id, "server", "pod")
    allocations.give_back(row_id)  # too late: it is made
    row = allocations.get("server")
    assert row is not None
    assert (row.id, row.pod_id) == (row_id, "pod")
    allocations.gone(["server"])
    assert allocations.used("p")["instances"] == 0


@needs_db
def test_nothing_is_written_of_what_is_too_much() -> None:
    reserve(number=2)
    for more in (
        {"project": {"instances": 2}},
        {"project": {"cores": 5}},
        {"user": {"ram": 250}},
        {"project": {"instances": -1, "cores": 100}, "user": {"instances": 2}},
    ):
        with pytest.raises(OverLimit):
            reserve(**more)
    assert allocations.used("p")["instances"] == 2
    assert len(operations.stale(-1)) == 2
    assert len(reserve(number=5, least=1, project={"instances": 5})) == 3


@needs_db
def test_a_users_limit_is_not_anothers() -> None:
    reserve(user={"instances": 1})
    with pytest.raises(OverLimit):
        reserve(user={"instances": 1})
    reserve(Wish("p", "other", 1, 1), user={"instances": 1})
    reserve(Wish("q", "u", 1, 1), user={"instances": 1})


@needs_db
def test_a_server_learned_before_it_is_confirmed_counts_once() -> None:
    (row_id,) = reserve()
    values = {"project_id": "p", "user_id": "u", "vcpus": 2, "ram": 100, "instances": 1}
    allocations.learn("server", "pod", values)
    allocations.confirm(row_id, "server", "pod")
    assert allocations.used("p")["instances"] == 1


@needs_db
def test_what_is_begun_meanwhile_is_not_overwritten() -> None:
    (row_id,) = reserve()
    allocations.confirm(row_id, "server", "pod")
    old = {"project_id": "p", "user_id": "u", "vcpus": 2, "ram": 100, "instances": 1}
    allocations.grow("server", {"cores": 8}, Limits(), 60)
    allocations.learn("server", "pod", old)  # of a look before the resize
    assert allocations.used("p")["cores"] == 8
    row = allocations.get("server")
    assert row is not None
    allocations.learn("server", "pod", old, was=row.check_at)
    assert allocations.used("p")["cores"] == 2


@needs_db
def test_growing_is_held_to_the_limit_and_shrinking_waits() -> None:
    (row_id,) = reserve()
    allocations.confirm(row_id, "server", "pod")
    limits = Limits(project={"cores": 4, "ram": 500})
    with pytest.raises(OverLimit) as refused:
        allocations.grow("server", {"cores": 5, "ram": 50}, limits, 60)
    (excess,) = refused.value.excess
    assert excess == ("cores", "3", 2, 4)
    allocations.grow("server", {"cores": 4, "ram": 50}, limits, 60)
    assert allocations.used("p") == {"cores": 4, "instances": 1, "ram": 100}


@needs_db
def test_what_can_be_restored_uses_nothing_until_it_is() -> None:
    (row_id,) = reserve()
    allocations.confirm(row_id, "server", "pod")
    values = {"project_id": "p", "user_id": "u", "vcpus": 2, "ram": 100, "instances": 0}
    allocations.learn("server", "pod", values)
    assert allocations.used("p") == {"cores": 0, "instances": 0, "ram": 0}
    wanted = {"instances": 1, "cores": 2, "ram": 100}
    with pytest.raises(OverLimit):
        allocations.grow("server", wanted, Limits(project={"cores": 1}), 60)
    allocations.grow("server", wanted, Limits(project={"cores": 2}), 60)
    assert allocations.used("p") == {"cores": 2, "instances": 1, "ram": 100}


@needs_db
def test_a_group_is_kept_in_the_pod_of_its_first_server() -> None:
    group = server_groups.create("p", "u", "g", "affinity", {})
    one, two = reserve(Wish("p", "u", 1, 1, group.id), 2)
    allocations.place(one, "a", group.id)
    with pytest.raises(Elsewhere) as refused:
        allocations.place(two, "b", group.id)
    assert refused.value.pod_id == "a"
    allocations.place(one, "b", group.id)  # alone, it may go on to another
    allocations.place(two, "b", group.id)
    assert server_groups.spread(group.id) == {"b": 2}
    allocations.give_back(one)
    allocations.confirm(two, "server", "b")
    assert server_groups.members([group.id]) == {group.id: ["server"]}
    server_groups.delete(group.id)
    row = allocations.get("server")
    assert row is not None
    assert row.group_id is None
    with pytest.raises(NotFound):
        server_groups.want(group.id, "b")


@needs_db
def test_key_pairs_set_aside_are_counted_until_they_are_written() -> None:
    first = quotas.set_aside_keypair("u", 1, 60)
    with pytest.raises(OverLimit):
        quotas.set_aside_keypair("u", 1, 60)
    quotas.set_aside_keypair("v", 1, 60)
    quotas.release(first)
    quotas.set_aside_keypair("u", 1, 60)
    # Somebody died over it long ago.
    quotas.set_aside_keypair("u", 1, -1)


@needs_db
def test_limits_of_projects_users_and_classes() -> None:
    quotas.put(quotas.PROJECT, "p", {"cores": 1, "ram": 2})
    quotas.put(quotas.PROJECT, "p", {"cores": 3})
    for user, number in (("u", 1), ("v", 2)):
        quotas.put(quotas.PROJECT, "p", {"cores": number}, user)
    quotas.put(quotas.CLASS, "p", {"cores": 9})
    assert quotas.get(quotas.PROJECT, "p") == {"cores": 3, "ram": 2}
    assert quotas.get(quotas.PROJECT, "p", "v") == {"cores": 2}
    assert quotas.of_users("p") == {"cores": 3}
    quotas.delete(quotas.PROJECT, "p", "u", names=("cores", "ram"))
    assert quotas.of_users("p") == {"cores": 2}
    quotas.delete(quotas.PROJECT, "p", names=("cores", "ram"))
    assert (quotas.get(quotas.PROJECT, "p"), quotas.of_users("p")) == ({}, {})
    assert quotas.get(quotas.CLASS, "p") == {"cores": 9}


@needs_db
def test_what_is_known_to_be_elsewhere_is_not_learned() -> None:
    here, there = (
        pods.create({"region_name": region, "availability_zone": "az1"}).id
        for region in ("Pod1", "Pod2")
    )
    routings.put("server", "server", here, "p")
    values = {"project_id": "q", "user_id": "u", "instances": 1, "vcpus": 9, "ram": 9}
    allocations.learn("server", there, values)
    assert allocations.used("q")["instances"] == 0
    allocations.learn("server", here, values)
    assert allocations.used("q")["instances"] == 1
