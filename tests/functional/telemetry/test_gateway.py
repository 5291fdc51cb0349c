# SPDX-License-Identifier: Apache-2.0
"""What a gateway tells Prometheus."""

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.processes import Process, caller, free_ports
from tests.functional.telemetry.numbers import Numbers, grown
from tests.waiting import eventually
from tricircle.gateway import process as gateway_process
from tricircle.pods.pod import DOWN
from tricircle.telemetry.metrics import (
    BREAKER_OPEN,
    CONNECTIONS,
    POD_CALL_SECONDS,
    POD_CALLS,
    POD_STATE,
    POD_UP,
    REFUSALS,
    REQUEST_SECONDS,
    REQUESTS,
    TOKENS,
)


async def made(gateway: Gateway, cloud: Cloud) -> str:
    body = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": "none",
            "availability_zone": "az2",
        }
    }
    return str((await gateway.post("/servers", body, version="2.90")).ok(202)["server"]["id"])


async def test_requests_by_way_and_status(gateway: Gateway, cloud: Cloud) -> None:
    server = await made(gateway, cloud)
    before = Numbers()
    await gateway.get(f"/servers/{server}")
    await gateway.get("/servers")
    await gateway.get("/os-server-groups")
    await gateway.get("/servers/nobody's")
    await gateway.get("/no-such-thing")
    await gateway.get("/servers", user=None)
    await gateway.manage("GET", "/pods")
    await gateway.volumes.get("/volumes")
    after = Numbers()
    for labels, count in {
        ("compute", "routed", "200"): 1,
        ("compute", "routed", "404"): 1,
        ("compute", "scattered", "200"): 1,
        ("compute", "local", "200"): 1,
        ("compute", "none", "404"): 1,
        ("compute", "none", "401"): 1,
        ("admin", "local", "200"): 1,
        ("volume", "scattered", "200"): 1,
    }.items():
        assert grown(before, after, REQUESTS, *labels) == count, labels
    timed = grown(before, after, REQUEST_SECONDS, "compute", "routed", suffix="_count")
    assert timed == 2
    assert grown(before, after, REQUEST_SECONDS, "compute", "routed", suffix="_sum") > 0


async def test_calls_to_pods_by_outcome(gateway: Gateway, cloud: Cloud) -> None:
    server = await made(gateway, cloud)
    before = Numbers()
    await gateway.get(f"/servers/{server}")
    await gateway.get(f"/servers/{server}/os-interface/nobody's")
    cloud.pods["pod2"].nova.fail(Kind.ERROR)
    await gateway.get(f"/servers/{server}")
    cloud.heal()
    await asyncio.to_thread(cloud.pods["pod2"].stop)
    for _ in range(4):
        await gateway.get(f"/servers/{server}")
    after = Numbers()
    outcomes = {
        outcome: grown(before, after, POD_CALLS, "pod2", "compute", outcome)
        for outcome in ("2xx", "4xx", "5xx", "unreachable", "left_alone")
    }
    assert outcomes["2xx"] == 2  # the server is looked at for its interface, too
    assert outcomes["4xx"] == 1
    assert outcomes["5xx"] == 1
    assert outcomes["unreachable"] >= 1
    assert outcomes["left_alone"] >= 1
    sent = sum(outcomes.values()) - outcomes["left_alone"]
    assert grown(before, after, POD_CALL_SECONDS, "pod2", "compute", suffix="_count") == sent


async def test_pods_as_the_gateway_sees_them(gateway: Gateway) -> None:
    gateway_process.observe(gateway.services)
    await gateway.set_health("pod1", DOWN, "network")
    await gateway.set_health("pod1", "up", "compute")
    await gateway.set_pod("pod3", state="maintenance")
    for _ in range(3):
        gateway.services.breakers[gateway.pod_ids["pod2"], "volume"].failure()
    numbers = Numbers()
    assert numbers.of(POD_UP, "pod1", "network") == 0
    assert numbers.of(POD_UP, "pod1", "compute") == 1
    assert numbers.of(POD_STATE, "pod3", gateway.cloud.zones["pod3"], "maintenance") == 1
    assert numbers.of(POD_STATE, "pod3", gateway.cloud.zones["pod3"], "enabled") is None
    assert numbers.of(BREAKER_OPEN, "pod2", "volume") == 1
    assert (numbers.of(CONNECTIONS, "tricircle", "limit") or 0) > 0


async def test_refusals_by_reason(gateway: Gateway, cloud: Cloud) -> None:
    before = Numbers()
    body = {
        "server": {
            "name": "one",
            "imageRef": cloud.image_id,
            "flavorRef": "1",
            "networks": "none",
            "availability_zone": "nowhere",
        }
    }
    await gateway.post("/servers", body, version="2.90")
    for region in gateway.pod_ids:
        await gateway.set_pod(region, state="draining")
    body["server"]["availability_zone"] = "az2"
    await gateway.post("/servers", body, version="2.90")
    after = Numbers()
    assert grown(before, after, REFUSALS, "server", "unknown_zone") == 1
    assert grown(before, after, REFUSALS, "server", "enabled") == 1


async def test_tokens(gateway: Gateway) -> None:
    before = Numbers()
    for _ in range(3):
        await gateway.get("/servers", user="admin")
    for _ in range(2):
        await gateway.get("/servers", user=None, headers={"X-Auth-Token": "unheard-of"})
    after = Numbers()
    assert grown(before, after, TOKENS, "validated") == 1
    assert grown(before, after, TOKENS, "known") == 2
    assert grown(before, after, TOKENS, "refused") == 2


async def test_no_project_id_or_path_is_told(gateway: Gateway, cloud: Cloud) -> None:
    server = await made(gateway, cloud)
    await gateway.get(f"/servers/{server}")
    text = Numbers().text
    for secret in (server, cloud.project_id, gateway.token("member"), "/servers"):
        assert secret not in text


async def test_workers_are_added_up(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    (port,) = free_ports(1)
    sections = f"[telemetry]\ngateway_port = {port}\n"
    process = Process(cloud, tmp_path, prepared, workers=2, sections=sections)
    await process.start()
    try:
        async with caller(process) as gateway:

            async def asked(count: int) -> float:
                for _ in range(count):
                    # Each of a connection of its own, so that both workers have some.
                    path, token = "/servers", gateway.token("member")
                    assert (
                        await gateway.get(
                            path, headers={"Connection": "close", "X-Auth-Token": token}
                        )
                    ).status == 200
                return (await told()).of(REQUESTS, "compute", "scattered", "200") or 0.0

            async def told() -> Numbers:
                return await asyncio.to_thread(Numbers, port)

            assert await asked(20) == 20
            first, _ = children(process.pid)
            os.kill(first, signal.SIGKILL)

            def another() -> bool:
                found = children(process.pid)
                return len(found) == 2 and first not in found

            await eventually("another worker runs", another)

            async def all_is_told() -> bool:
                return (await told()).of(POD_STATE, "pod1", "az1", "enabled") == 1

            await eventually("it tells its numbers", all_is_told)
            # What the dead one counted is not lost.
            assert await asked(5) == 25
        assert await process.stop() == 0
        assert "Traceback" not in process.log.read_text()
    finally:
        await process.kill()


def children(pid: int) -> list[int]:
    return [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


@pytest.mark.parametrize("workers", [1, 2])
async def test_sighup_changes_the_level_of_the_log(
    cloud: Cloud, tmp_path: Path, prepared: str, workers: int
) -> None:
    process = Process(cloud, tmp_path, prepared, workers=workers, debug=False)
    text = process.config.read_text()
    process.config.write_text(f"[DEFAULT]\ndebug = true\n{text}")
    await process.start()
    try:
        process.config.write_text(f"[DEFAULT]\ndebug = false\n{text}")
        os.kill(process.pid, signal.SIGHUP)

        def read_anew() -> bool:
            return process.log.read_text().count("changed: debug") == workers

        await eventually("the configuration is read anew", read_anew)
        assert await process.stop() == 0
    finally:
        await process.kill()
