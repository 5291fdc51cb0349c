# SPDX-License-Identifier: Apache-2.0
from collections.abc import Callable
from typing import Any

import pytest
from oslo_db import exception as db_exc

from tricircle.db import allocations, bindings, made, operations, pods, routings
from tricircle.db.allocations import Limits, Wish
from tricircle.db.operations import ServerCreate

pytestmark = pytest.mark.usefixtures("db")


@pytest.fixture
def pod() -> str:
    return pods.create({"region_name": "pod1", "availability_zone": "az1"}).id


def begun() -> str:
    (row_id,) = allocations.reserve(Wish("p", "u", 2, 512), Limits(), [ServerCreate("x")], 1)
    return row_id


def test_a_server_is_written_down_whole(pod: str) -> None:
    row_id = begun()
    made.server(row_id, "s1", pod, "p", ["port1"], {"zone": "az1"}, ends=True)
    row = routings.get("server", "s1")
    assert row is not None
    assert (row.pod_id, row.project_id, row.detail) == (pod, "p", {"ports": ["port1"]})
    counted = allocations.get("s1")
    assert counted is not None
    assert (counted.id, counted.pod_id, counted.placement) == (row_id, pod, {"zone": "az1"})
    assert bindings.pods_of("p") == {pod}
    assert operations.get(row_id) is None


def test_what_is_to_be_handed_over_yet_is_not_ended(pod: str) -> None:
    row_id = begun()
    made.server(row_id, "s1", pod, "p", [], {}, ends=False)
    assert operations.get(row_id) is not None


def test_a_server_seen_by_others_before_is_counted_once(pod: str) -> None:
    row_id = begun()
    allocations.learn("s1", pod, {"project_id": "p", "user_id": "u", "vcpus": 2, "ram": 512})
    routings.put("server", "s1", pod, "p")
    bindings.ensure("p", pod)
    made.server(row_id, "s1", pod, "p", ["port1"], {}, ends=True)
    assert allocations.used("p") == {"cores": 2, "instances": 1, "ram": 512}
    row = routings.get("server", "s1")
    assert row is not None
    assert row.detail == {"ports": ["port1"]}


def test_a_routing_that_comes_into_being_meanwhile_is_no_error(
    pod: str, blind: Callable[[str], Any]
) -> None:
    row_id = begun()
    routings.put("server", "s1", pod, "p")
    with blind("get"):
        made.server(row_id, "s1", pod, "p", [], {}, ends=True)
    assert operations.get(row_id) is None


def test_nothing_is_written_of_a_pod_that_is_gone() -> None:
    row_id = begun()
    with pytest.raises(db_exc.DBReferenceError):
        made.server(row_id, "s1", "gone", "p", [], {}, ends=True)
    assert operations.get(row_id) is not None
    assert routings.get("server", "s1") is None
