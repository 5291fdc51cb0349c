# SPDX-License-Identifier: Apache-2.0
"""The sample rules for Prometheus, on the numbers that our processes tell."""

import asyncio
import subprocess
from pathlib import Path

from tests.debian import program
from tests.functional.fakes.cloud import Cloud
from tests.functional.processes import Process, caller, free_ports
from tests.functional.telemetry.alerts import RULES, Alert, check, rules, series
from tests.functional.telemetry.numbers import Numbers
from tests.waiting import eventually
from tricircle.telemetry.metrics import (
    CAPACITY,
    OLDEST_JOB,
    POD_CALL_SECONDS,
    POD_STATE,
    POD_UP,
    REPAIRS,
    SEGMENTS,
    TOKENS,
    USAGE,
    Metric,
)

HOUR = 60


def told(metric: Metric, labels: str, values: str, suffix: str = "") -> dict[str, str]:
    """What a metric tells minute by minute; its labels are given by value, in its own order."""
    named = dict(zip((*metric.labels, "le"), labels.split(), strict=False))
    series = ",".join(f'{name}="{value}"' for name, value in named.items())
    return {"series": f"{metric.name}{suffix}{{{series}}}", "values": values}


#: What makes each of the others fire within an hour, and the labels it has then.
OTHERS = {
    Alert("TricirclePodSlow", {"pod": "pod1", "service": "volume"}): [
        told(POD_CALL_SECONDS, "pod1 volume 10.0", "0+5x60", "_bucket"),
        told(POD_CALL_SECONDS, "pod1 volume 30.0", "0+10x60", "_bucket"),
        told(POD_CALL_SECONDS, "pod1 volume +Inf", "0+10x60", "_bucket"),
    ],
    Alert("TricircleJobsStuck", {"pod": "pod1"}): [told(OLDEST_JOB, "pod1", "0+60x60")],
    Alert("TricircleRepairs", {"pod": "pod1"}): [told(REPAIRS, "pod1 port", "0+1x60")],
    Alert("TricirclePodFull", {"pod": "pod1", "resource": "vcpus"}): [
        told(CAPACITY, "pod1 az1 vcpus", "100x60"),
        told(USAGE, "pod1 az1 vcpus", "95x60"),
    ],
    Alert("TricircleKeystoneAway", {"outcome": "unanswered"}): [
        told(TOKENS, "unanswered", "0+1x60")
    ],
    Alert("TricircleSegmentsRunOut", {"pool": "vlan physnet1"}): [
        {"series": f'{SEGMENTS.name}{{pool="vlan physnet1"}}', "values": "100-1x60"}
    ],
}


def test_promtool_reads_them() -> None:
    promtool = program("promtool", "prometheus")
    done = subprocess.run([promtool, "check", "rules", RULES], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert f"{len(rules())} rules found" in done.stdout


async def test_a_pod_dies(cloud: Cloud, tmp_path: Path, prepared: str) -> None:
    """Nothing is told while all is well; then the pod is named, and those who fail for it."""
    (port,) = free_ports(1)
    sections = f"[telemetry]\ngateway_port = {port}\n"
    process = Process(cloud, tmp_path, prepared, sections=sections)
    await process.start()
    try:
        async with caller(process) as gateway:

            async def look() -> Numbers:
                return await asyncio.to_thread(Numbers, port)

            body = {"server": {"name": "one", "flavorRef": "1", "imageRef": cloud.image_id,
                               "networks": "none", "availability_zone": "az2"}}  # fmt: skip
            made = await gateway.post("/servers", body, version="2.90")
            server = made.ok(202)["server"]["id"]

            async def known() -> bool:
                return (await look()).of(POD_UP, "pod2", "compute") == 1

            await eventually("the pod is known to be up", known)
            first = await look()
            for _ in range(10):
                (await gateway.get(f"/servers/{server}")).ok(200)
            well = await look()
            check(tmp_path, series(first.text, well.text, HOUR), HOUR, [])
            await asyncio.to_thread(cloud.pods["pod2"].stop)
            for _ in range(10):
                assert (await gateway.get(f"/servers/{server}")).status == 503

            async def dead() -> bool:
                numbers = await look()
                return all(numbers.of(POD_UP, "pod2", kind) == 0 for kind in ("compute", "network"))

            await eventually("the pod is known to be down", dead)
            after = await look()
    finally:
        await process.kill()
    lost = {
        labels["service"]
        for labels in map(dict, after.all(POD_UP))
        if labels["pod"] == "pod2" and after.of(POD_UP, "pod2", labels["service"]) == 0
    }
    assert lost >= {"compute", "network"}
    down = [Alert("TricirclePodServiceDown", {"pod": "pod2", "service": kind}) for kind in lost]
    failing = [
        Alert("TricirclePodLeftAlone", {"pod": "pod2", "service": "compute"}),
        Alert("TricircleErrors", {"service": "compute"}),
    ]
    given = series(well.text, after.text, HOUR)
    check(tmp_path, given, 1, down)
    check(tmp_path, given, 15, [*down, *failing])


def test_the_others_fire(tmp_path: Path) -> None:
    here = {"TricirclePodServiceDown", "TricirclePodLeftAlone", "TricircleErrors"}
    assert {alert.name for alert in OTHERS} | here == set(rules())
    given = [one for told in OTHERS.values() for one in told]
    check(tmp_path, given, HOUR, OTHERS)
    check(tmp_path, given, 1, [])


def test_a_pod_in_maintenance_may_be_down(tmp_path: Path) -> None:
    down = told(POD_UP, "pod1 compute", "0x60")
    state = told(POD_STATE, "pod1 az1 maintenance", "1x60")
    check(tmp_path, [down, state], HOUR, [])
    check(tmp_path, [down], HOUR, [
        Alert("TricirclePodServiceDown", {"pod": "pod1", "service": "compute"})
    ])  # fmt: skip
