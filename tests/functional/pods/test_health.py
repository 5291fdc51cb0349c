# SPDX-License-Identifier: Apache-2.0
"""The prober, against a real database and services that speak real HTTP."""

import asyncio
import datetime
from collections.abc import AsyncIterator, Iterator
from typing import Any

import aiohttp
import pytest

from tests.functional.pods.conftest import COMPUTE, NETWORK, Cloud
from tricircle.conf import CONF
from tricircle.db import models, pods
from tricircle.pods import availability, discovery
from tricircle.pods.availability import Availability
from tricircle.pods.breaker import Breakers
from tricircle.pods.health import Prober
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right

pytestmark = pytest.mark.usefixtures("db", "quick")


@pytest.fixture
def quick() -> Iterator[None]:
    CONF.set_override("probe_interval", 0.2, group="pods")
    yield
    CONF.clear_override("probe_interval", group="pods")


@pytest.fixture
def impatient() -> Iterator[None]:
    CONF.set_override("probe_deadline", 0.3, group="pods")
    yield
    CONF.clear_override("probe_deadline", group="pods")


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with discovery.client() as made:
        yield made


class Keystone:
    """The catalogue a prober sees; an exception in it is raised."""

    def __init__(self, catalogue: dict[str, Any] | Exception) -> None:
        self.catalogue = catalogue
        self.fresh: list[bool] = []

    def below(self, pod: Pod, service: str) -> str:
        return ""

    def token(self, right: Right, method: str, path: str) -> str:
        right.check(method, path)
        return "a token"

    def pod_endpoints(self, pod: Pod, fresh: bool) -> dict[str, str]:
        self.fresh.append(fresh)
        if isinstance(self.catalogue, Exception):
            raise self.catalogue
        return self.catalogue.get(pod.region_name, {})


def make_pod(cloud: Cloud, region: str = "Pod1", **elsewhere: str) -> str:
    endpoints = discovery.endpoints({**cloud.catalogue, **elsewhere})
    values = {"region_name": region, "availability_zone": "az1", "endpoints": endpoints}
    return pods.create(values).id


def read(pod_id: str) -> models.Pod:
    row = pods.get(pod_id)
    assert row is not None
    return row


async def probe(http, pod_id: str, prober: Prober | None = None) -> models.Pod:
    prober = prober or Prober(Keystone({}))
    await prober.probe(http, Pod.from_row(read(pod_id)))
    return read(pod_id)


async def test_a_healthy_pod(cloud, http) -> None:
    pod_id = make_pod(cloud)
    changed = read(pod_id).updated_at
    row = await probe(http, pod_id)
    assert (row.health, row.last_error) == ("up", "")
    assert row.latency_ms > 0
    assert row.versions["compute"] == {"min": "2.1", "max": "2.104"}
    assert row.updated_at == changed, "updated_at tells of the operator's changes only"


async def test_a_pod_that_dies_and_comes_back(cloud, http) -> None:
    pod_id = make_pod(cloud)
    await probe(http, pod_id)
    cloud.answers["/compute/v2.1/"] = (503, {})
    row = await probe(http, pod_id)
    assert row.health == "down"
    assert "its compute API at" in row.last_error
    assert "HTTP 503" in row.last_error
    assert row.latency_ms is None
    assert row.versions["compute"]["max"] == "2.104", "what it offered is not forgotten"
    cloud.answers["/compute/v2.1/"] = COMPUTE
    row = await probe(http, pod_id)
    assert (row.health, row.last_error) == ("up", "")


def states(row: models.Pod) -> dict[str, str]:
    return {name: health["state"] for name, health in row.services.items()}


@pytest.mark.parametrize("answer", [5.0, (500, {}), (503, {})])
async def test_a_pod_that_answers_probes_and_does_no_work(cloud, http, impatient, answer) -> None:
    """It counts as one that does not answer: only several in a row, and by service."""
    pod_id = make_pod(cloud)
    assert (await probe(http, pod_id)).health == "up"
    assert sorted(cloud.looks) == ["/compute/v2.1/servers", "/network/v2.0/networks",
                                   "/volume/v3/volumes"]  # fmt: skip
    cloud.answers["/network/v2.0/networks"] = answer
    for _ in range(2):
        assert states(await probe(http, pod_id)) == dict.fromkeys(
            ("compute", "network", "volume"), "up"
        )
    row = await probe(http, pod_id)
    assert states(row) == {"compute": "up", "network": "down", "volume": "up"}
    assert "its network API gives its versions, but" in row.last_error
    del cloud.answers["/network/v2.0/networks"]
    assert states(await probe(http, pod_id))["network"] == "up"


async def test_a_service_that_answers_users_is_not_asked_for_more(cloud, http) -> None:
    breakers = Breakers()
    pod_id = make_pod(cloud)
    breakers[pod_id, "compute"].answered(200)
    breakers[pod_id, "volume"].answered(500)
    await probe(http, pod_id, Prober(Keystone({}), breakers))
    assert sorted(cloud.looks) == ["/network/v2.0/networks", "/volume/v3/volumes"]


async def test_a_pod_in_maintenance_is_shown_no_token(cloud, http) -> None:
    pod_id = make_pod(cloud)
    pods.update(pod_id, {"state": "maintenance"})
    await probe(http, pod_id)
    assert cloud.looks == []


async def test_slow_is_not_gone(cloud, http, impatient) -> None:
    """Late answers count only several in a row."""
    pod_id = make_pod(cloud)
    assert (await probe(http, pod_id)).health == "up"
    for _ in range(2):
        cloud.answers["/network/"] = 2
        for _ in range(2):
            row = await probe(http, pod_id)
            assert (row.health, row.services["network"]["state"]) == ("up", "up")
            assert "did not answer within 0.3 s" in row.last_error
        cloud.answers["/network/"] = NETWORK
        row = await probe(http, pod_id)
        assert (row.health, row.last_error) == ("up", "")
    cloud.answers["/network/"] = 2
    found = [(await probe(http, pod_id)).health for _ in range(4)]
    assert found == ["up", "up", "down", "down"]


async def test_each_service_is_found_by_itself(cloud, http) -> None:
    pod_id = make_pod(cloud)
    cloud.answers["/network/"] = (503, {})
    row = await probe(http, pod_id)
    assert states(row) == {"compute": "up", "network": "down", "volume": "up"}
    assert row.health == "down"
    cloud.answers |= {"/network/": NETWORK, "/volume/": (503, {})}
    row = await probe(http, pod_id)
    assert states(row) == {"compute": "up", "network": "up", "volume": "down"}
    assert row.health == "up", "a pod need not have volumes"


async def test_what_a_user_was_answered_proves_life(cloud, http, impatient) -> None:
    """In the process that probes, and in the others, which are told."""
    pod_id = make_pod(cloud)
    here, there = Breakers(), Breakers()
    own, other = Prober(Keystone({}), here), Prober(Keystone({}), there)
    await probe(http, pod_id, own)
    cloud.answers["/compute/v2.1/"] = 2
    for _ in range(4):
        one = asyncio.create_task(probe(http, pod_id, own))
        await asyncio.sleep(0.1)
        here[pod_id, "compute"].answered(200)
        assert (await one).services["compute"]["state"] == "up"
    for breakers, prober in ((here, own), (there, other)):
        found = [(await probe(http, pod_id, own)).health for _ in range(3)]
        assert found[-1] == "down"
        breakers[pod_id, "compute"].answered(200)
        await prober.start_probes(http)
        await asyncio.gather(*prober._probes.values())
        assert read(pod_id).services["compute"]["state"] == "up"


async def test_a_restart_begins_with_nothing_down(cloud, http, impatient) -> None:
    pod_id = make_pod(cloud)
    cloud.answers["/compute/v2.1/"] = 2
    assert [(await probe(http, pod_id)).health for _ in range(3)] == ["unknown", "unknown", "down"]
    pod = Pod.from_row(read(pod_id))
    later = models.now() + datetime.timedelta(seconds=60)
    assert Availability(Breakers()).is_down(pod, "compute")
    assert not Availability(Breakers(), lambda: later).is_down(pod, "compute")

    def long_ago(row: models.Pod) -> dict[str, Any]:
        old = (models.now() - datetime.timedelta(seconds=60)).isoformat()
        return {
            "services": {**row.services, "compute": {**row.services["compute"], "found_at": old}}
        }

    pods.write_probe(pod_id, long_ago)
    assert (await probe(http, pod_id)).services["compute"]["state"] == "unknown"


async def test_a_probe_that_took_long_does_not_undo_what_another_found(
    cloud, http, impatient
) -> None:
    pod_id = make_pod(cloud)
    cloud.answers["/network/"] = 2
    for _ in range(3):
        row = await probe(http, pod_id)
    assert row.health == "down"
    slow = asyncio.create_task(probe(http, pod_id))
    await asyncio.sleep(0.1)
    found = availability.answered(models.now(), 1.0).stored()
    pods.write_probe(pod_id, lambda row: {"services": {**row.services, "network": found}})
    row = await slow
    assert (row.health, row.last_error) == ("up", "")


async def test_an_upgrade_is_noticed(cloud, http) -> None:
    pod_id = make_pod(cloud)
    await probe(http, pod_id)
    cloud.answers["/compute/v2.1/"] = {"version": {**COMPUTE["version"], "version": "2.110"}}
    cloud.answers["/volume/"] = (500, {})
    row = await probe(http, pod_id)
    assert row.versions["compute"]["max"] == "2.110"
    assert row.versions["volume"]["max"] == "3.71"


@pytest.mark.parametrize("told", ["latest", "2.96 ", 2.96, {"a": 1}, "1.1", "2.0"])
async def test_odd_versions_are_the_pods_own_trouble(cloud, http, told) -> None:
    pod_id = make_pod(cloud)
    await probe(http, pod_id)
    cloud.answers["/compute/v2.1/"] = {"version": {**COMPUTE["version"], "version": told}}
    row = await probe(http, pod_id)
    assert row.health == "down"
    assert f"its compute API at {cloud.root}/compute/v2.1/" in row.last_error
    assert "version" in row.last_error
    assert row.versions["compute"] == {"min": "2.1", "max": "2.104"}


async def test_a_service_not_required_is_told_of(cloud, http) -> None:
    pod_id = make_pod(cloud)
    await probe(http, pod_id)
    version = cloud.answers["/volume/"][1]["versions"][-1]
    cloud.answers["/volume/"] = (300, {"versions": [{**version, "version": "latest"}]})
    row = await probe(http, pod_id)
    assert row.health == "up"
    assert "its volume API at" in row.last_error
    assert "'latest'" in row.last_error
    assert row.versions["volume"] == {"min": "3.0", "max": "3.71"}


async def test_versions_no_other_pod_has_are_refused(cloud, http) -> None:
    """Users would get what all have: nothing."""
    one, other = make_pod(cloud), make_pod(cloud, "Pod2")
    prober = Prober(Keystone({}))
    for pod_id in (one, other):
        assert (await probe(http, pod_id, prober)).health == "up"
    told = {**COMPUTE["version"], "min_version": "2.200", "version": "2.300"}
    cloud.answers["/compute/v2.1/"] = {"version": told}
    await prober.start_probes(http)
    await asyncio.gather(*prober._probes.values())
    row = await probe(http, one, prober)
    assert row.health == "down"
    assert "offers versions 2.200 to 2.300, the other pods 2.1 to 2.104" in row.last_error
    assert row.versions["compute"]["max"] == "2.104"
    # Alone it may have what it likes.
    pods.update(other, {"state": "maintenance"})
    await prober.start_probes(http)
    await asyncio.gather(*prober._probes.values())
    assert (await probe(http, one, prober)).versions["compute"]["max"] == "2.300"


async def test_an_endless_version_document_is_not_read(cloud, http) -> None:
    pod_id = make_pod(cloud)
    cloud.answers["/compute/v2.1/"] = {"version": COMPUTE["version"], "more": "x" * (1 << 20)}
    row = await probe(http, pod_id)
    assert row.health == "down"
    assert "more than 1048576 bytes" in row.last_error


async def _until(condition, seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():  # noqa: ASYNC110 (what it waits for is in the database)
            await asyncio.sleep(0.02)


async def test_run_moves_a_pod_to_its_new_endpoint(cloud) -> None:
    pod_id = make_pod(cloud)
    pods.update(pod_id, {"endpoints": {"compute": "http://127.0.0.1:9", "network": "http://x"}})
    task = asyncio.create_task(Prober(Keystone({"Pod1": cloud.catalogue})).run())
    await _until(lambda: read(pod_id).health == "up")
    task.cancel()
    assert read(pod_id).endpoints == discovery.endpoints(cloud.catalogue)


async def test_run_follows_a_pod_that_moves(cloud, monkeypatch) -> None:
    monkeypatch.setattr("tricircle.pods.health._KEYSTONE_RETRY", 0.1)
    pod_id, other = make_pod(cloud), make_pod(cloud, "Pod2")
    keystone = Keystone({"Pod1": cloud.catalogue, "Pod2": cloud.catalogue})
    task = asyncio.create_task(Prober(keystone).run())
    await _until(lambda: {read(one).health for one in (pod_id, other)} == {"up"})
    assert keystone.fresh == [True, False], "one look at Keystone does for all, and for long"
    there = {**cloud.catalogue, "network": f"{cloud.root}/there"}
    cloud.answers |= {"/there/": NETWORK, "/network/": (503, {})}
    await _until(lambda: read(pod_id).health == "down")
    keystone.catalogue = {"Pod1": there, "Pod2": there}
    await _until(lambda: read(pod_id).health == "up")
    task.cancel()
    assert read(pod_id).endpoints == discovery.endpoints(there)


async def test_run_survives_keystone_being_away(cloud) -> None:
    pod_id = make_pod(cloud)
    task = asyncio.create_task(Prober(Keystone(KeystoneFailed("no answer"))).run())
    await _until(lambda: read(pod_id).health == "up")
    assert not task.done()
    task.cancel()


async def test_a_region_that_left_the_catalogue(cloud) -> None:
    pod_id = make_pod(cloud)
    task = asyncio.create_task(Prober(Keystone({})).run())
    await _until(
        lambda: "catalogue has no internal endpoint of its compute" in read(pod_id).last_error
    )
    task.cancel()


async def test_a_silent_pod_delays_no_other(cloud) -> None:
    # The first probe may come before the catalogue is read.
    away = {"network": f"{cloud.root}/silent"}
    silent, other = make_pod(cloud, "Silent", **away), make_pod(cloud, "Other")
    CONF.set_override("probe_deadline", 30, group="pods")
    cloud.answers["/silent/"] = 60
    catalogue = {
        "Silent": {**cloud.catalogue, **away},
        "Other": cloud.catalogue,
    }
    task = asyncio.create_task(Prober(Keystone(catalogue)).run())
    await _until(lambda: read(other).health == "up")
    first = read(other).probed_at
    await _until(lambda: read(other).probed_at > first)
    # Its probe began once and goes on.
    assert cloud.asked.count("/silent/") == 1
    assert read(silent).health == "unknown"
    task.cancel()


async def test_processes_share_the_work(cloud) -> None:
    pod_id = make_pod(cloud)
    keystone = Keystone({"Pod1": cloud.catalogue})
    tasks = [asyncio.create_task(Prober(keystone).run()) for _ in range(4)]
    await _until(lambda: read(pod_id).health == "up")
    cloud.asked.clear()
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(1.5)
    for task in tasks:
        task.cancel()
    took = asyncio.get_running_loop().time() - began
    # Four that do not share would ask 4 times an interval.
    assert 2 <= cloud.asked.count("/network/") <= took / (0.2 * 0.8) + 1


def test_a_probe_is_claimed_by_one(cloud) -> None:
    pod_id = make_pod(cloud)
    now = models.now()
    recent = now - datetime.timedelta(seconds=4)
    assert [pods.claim_probe(pod_id, now, recent) for _ in range(3)] == [True, False, False]
    later = now + datetime.timedelta(seconds=10)
    assert pods.claim_probe(pod_id, later, later - datetime.timedelta(seconds=4))
    assert not pods.claim_probe("no-such-pod", later, later)
