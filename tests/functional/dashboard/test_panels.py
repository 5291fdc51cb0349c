# SPDX-License-Identifier: Apache-2.0
"""Horizon's panels of the pods, against the real Admin API."""

import asyncio
import datetime
import re

import pytest

from tests.functional.client.test_commands import fail_job, serve
from tests.functional.dashboard.conftest import Enter, words
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.db import image_copies, models, moves, session
from tricircle.db.models import now

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    # Django takes seconds to set up: once.
    pytest.mark.xdist_group("dashboard"),
]


def lights(html: str) -> dict[str, str]:
    """By pod, the colour of its tile and the word in it."""
    tile = r'<div class="panel panel-(\w+)" data-pod="(\w+)">.*?<span class="label[^>]*>([^<]*)<'
    found = re.findall(tile, html, re.S)
    return {pod: f"{colour}: {said}" for colour, pod, said in found}


async def test_a_map_of_pods_with_their_lights(gateway: Gateway, enter: Enter) -> None:
    await serve(gateway, "az2")
    await asyncio.to_thread(fail_job, gateway.pod_ids["pod3"])
    await gateway.set_pod("pod1", state="draining", dc_name="ams")
    cloud = gateway.cloud
    cloud.pods["pod1"].nova.fail(Kind.CUT, "GET", "/os-hypervisors/statistics")
    visitor = await enter()
    page = await visitor("/admin/pods/")
    assert lights(page.content.decode()) == {
        "pod1": "warning: draining",
        "pod2": "success: well",
        "pod3": "warning: 1 failing",
    }
    text = words(page)
    assert "Zone az1 pod1 ams draining" in text
    assert "broke" in text  # why pod1 does not tell its capacity
    assert "Zone az2 pod2 well 1 servers, 0 volumes, 0 jobs vCPUs: 1 / 16" in text
    # And in the table: region, zone, state, health, seen, servers, volumes, vCPUs, RAM, jobs.
    assert "pod2 az2 enabled up Never 1 0 1 / 16" in text
    await gateway.set_health("pod3", "down")
    page = await visitor("/admin/pods/")
    assert lights(page.content.decode())["pod3"] == "danger: down, 1 failing"


async def test_a_pods_page(gateway: Gateway, enter: Enter) -> None:
    pod_id = gateway.pod_ids["pod2"]
    await serve(gateway, "az2")
    await asyncio.to_thread(fail_job, pod_id)
    maintained = {"pod": {"state": "maintenance", "state_reason": "new disks"}}
    (await gateway.manage("PATCH", f"/pods/{pod_id}", maintained)).ok(200)
    visitor = await enter()
    path = f"/admin/pods/{pod_id}/"
    text = await visitor.text(path)
    assert "State maintenance Health maintenance, 1 failing" in text
    assert re.search(r"compute \w+ 2\.1 - 2\.\d+ http://", text)
    assert "server 1 Jobs 1 Jobs failing 1" in text
    assert "flavor 9 3" in await visitor.text(f"{path}?tab=pod__jobs")
    assert "No items to display" in await visitor.text(f"{path}?tab=pod__repairs")
    changes = await visitor.text(f"{path}?tab=pod__changes")
    assert "state enabled maintenance" in changes
    assert "new disks" in changes


async def test_what_is_on_its_way_from_and_to_a_pod(gateway: Gateway, enter: Enter) -> None:
    source, target = gateway.pod_ids["pod1"], gateway.pod_ids["pod2"]
    moves.begin("7c1d", gateway.cloud.project_id, source, target)
    facts = {"name": "debian", "size": 2048, "is_open": True}
    image_copies.want("one", target, None, image_copies.USE, facts)
    visitor = await enter()
    path = f"/admin/pods/{target}/"
    assert re.search(r"one debian wanted 0 2\.0.KB", await visitor.text(f"{path}?tab=pod__images"))
    there = f"/admin/pods/{source}/?tab=pod__moves"
    assert "7c1d pod1 pod2 preparing 0" in await visitor.text(there)
    done = await visitor(there, {"action": "moves__cancel__7c1d"})
    assert done.status_code == 302
    text = await visitor.text(f"{path}?tab=pod__moves")
    assert "Move is called off: 7c1d" in text
    assert "7c1d pod1 pod2 undoing" in text
    assert "It was called off." in text


async def test_a_pods_state_is_changed(gateway: Gateway, enter: Enter) -> None:
    pod_id = gateway.pod_ids["pod2"]
    visitor = await enter()
    path = f"/admin/pods/{pod_id}/state/"
    assert "Change State of Pod" in await visitor.text(path)
    done = await visitor(path, {"state": "draining", "reason": "new disks", "pod_id": pod_id})
    assert done.status_code == 302
    assert "Pod pod2 is in state draining now." in await visitor.text("/admin/pods/")
    changes = await visitor.text(f"/admin/pods/{pod_id}/?tab=pod__changes")
    assert "state enabled draining" in changes
    assert "new disks" in changes
    refused = await visitor(path, {"state": "gone"})
    assert refused.status_code == 200
    assert "gone is not one of the available choices" in words(refused)


async def test_a_job_is_tried_again(gateway: Gateway, enter: Enter) -> None:
    job = await asyncio.to_thread(fail_job, gateway.pod_ids["pod2"])
    visitor = await enter()
    path = "/admin/jobs/"
    assert "pod2 failing" in await visitor.text(path)
    looked_for = {"jobs__job_filter__q_field": "region_name", "jobs__job_filter__q": "pod1"}
    await visitor(path, looked_for)
    assert "No items to display" in await visitor.text(path)
    await visitor(path, looked_for | {"jobs__job_filter__q": "pod2"})
    done = await visitor(path, {"action": f"jobs__retry__{job}"})
    assert done.status_code == 302
    assert "Job is tried again: create flavor 9 (pod2)" in await visitor.text(path)

    def due() -> datetime.datetime:
        with session.read() as tx:
            row = tx.get(models.Realization, int(job) if job.isdigit() else job)
            assert row is not None
            return row.next_try_at

    assert await asyncio.to_thread(due) <= now()


async def test_why_a_server_is_where_it_is(gateway: Gateway, enter: Enter) -> None:
    server = await serve(gateway, "az2")
    visitor = await enter()
    assert f"{server} pod2" in await visitor.text("/admin/placements/")
    text = await visitor.text(f"/admin/placements/{server}/")
    assert "Zone Asked For az2" in text
    assert re.search(r"Pods That Fitted, the Best First Pod [a-z_ ]+ pod2( \d\.\d\d)+", text)
    assert re.search(r"Pods Left Out Pod Why pod1 .*is in availability zone az1", text)
    # One that is not there: back to the list, with words.
    gone = await visitor("/admin/placements/no-such-server/")
    assert gone.headers["Location"] == "/admin/placements/"
    said = "No placement of server no-such-server could be found."
    assert said in await visitor.text("/admin/placements/")


async def test_errors_are_words_and_nobody_is_logged_out(gateway: Gateway, enter: Enter) -> None:
    visitor = await enter()
    for pod in gateway.cloud.pods.values():
        pod.nova.fail(Kind.CUT, "GET", "/os-hypervisors/statistics")
    missing = await visitor("/admin/pods/no-such-pod/")
    assert missing.headers["Location"] == "/admin/pods/"
    text = await visitor.text("/admin/pods/")
    assert "Unable to show the pod. Pod no-such-pod could not be found." in text
    # The Admin API is away.
    for endpoint in gateway.cloud.keystone.endpoints:
        if endpoint["url"].startswith(gateway.admin):
            endpoint["url"] = "http://127.0.0.1:1/tricircle/v1.0"
    visitor = await enter()
    text = await visitor.text("/admin/jobs/")
    assert "Unable to list jobs. The Admin API does not answer." in text
    assert "127.0.0.1:1" not in text
    assert "Sign Out" in await visitor.text("/admin/pods/")


async def test_who_is_no_admin_has_no_panels(gateway: Gateway, enter: Enter) -> None:
    visitor = await enter("member", "demo")
    assert "Multi-Region" not in await visitor.text("/project/api_access/")
    for path in ("/admin/pods/", "/admin/jobs/", "/admin/placements/"):
        answer = await visitor(path)
        assert answer.status_code in (302, 403), path
        assert "pod1" not in words(answer).split("Regions:")[0]
