# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion …``: every command, against the real Admin API."""

import asyncio
import datetime
import importlib.metadata
import io
import time
from typing import Any

import pytest

from tests.functional.client.shell import as_json, openstack
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tricircle.client.osc import work
from tricircle.db import adoptions, image_copies, models, repairs, session
from tricircle.db.models import now
from tricircle.db.realizations import Key

pytestmark = pytest.mark.filterwarnings("ignore")
COMMANDS = importlib.metadata.entry_points(group="openstack.multiregion.v1")


async def serve(gateway: Gateway, zone: str = "az1") -> str:
    """A server of the project demo."""
    body = {"server": {"name": "one", "flavorRef": "1", "imageRef": gateway.cloud.image_id,
                       "networks": "none", "availability_zone": zone}}  # fmt: skip
    return str((await gateway.post("/servers", body, version="2.90")).ok(202)["server"]["id"])


def fail_job(pod_id: str) -> str:
    """A job of a flavor that failed once; its id."""
    with session.write() as tx:
        row = models.Realization(
            resource_type="flavor", resource_id="9", pod_id=pod_id, wanted_revision=1,
            next_try_at=now() + datetime.timedelta(hours=1), failing_since=now(), attempts=3,
            last_error="Pod pod1: No.",
        )  # fmt: skip
        tx.add(row)
        tx.flush()
        return str(row.id)


async def test_help_explains(gateway: Gateway) -> None:
    for command in COMMANDS:
        printed = await openstack(gateway, command.name.replace("_", " "), "--help")
        assert printed.status == 0, printed.err
        words = " ".join(command.load().__doc__.split())
        assert words in " ".join(printed.out.split())


async def test_pods_in_one_look(gateway: Gateway) -> None:
    await serve(gateway)
    await asyncio.to_thread(fail_job, gateway.pod_ids["pod2"])
    short = await as_json(gateway, "multiregion pod list")
    assert [row["Region"] for row in short] == ["pod1", "pod2", "pod3"]
    assert short[1] == {
        "Region": "pod2", "Zone": "az2", "State": "enabled", "Health": "up",
        "ID": gateway.pod_ids["pod2"],
    }  # fmt: skip
    long = await as_json(gateway, "multiregion pod list --long --zone az1")
    assert [row["Region"] for row in long] == ["pod1", "pod3"]
    assert sum(row["Servers"] for row in long) == 1
    assert {row["Jobs Failing"] for row in long} == {0}
    used, room = long[0]["vCPUs Used"].split("/")
    assert 0 <= int(used) <= int(room)
    (second,) = await as_json(gateway, "multiregion pod list --long --pod pod2")
    assert (second["Jobs"], second["Jobs Failing"], second["Servers"]) == (1, 1, 0)


async def test_a_pod_that_does_not_tell_its_capacity(gateway: Gateway, cloud: Cloud) -> None:
    cloud.pods["pod1"].nova.fail(Kind.CUT, "GET", "/os-hypervisors/statistics")
    (row,) = await as_json(gateway, "multiregion pod list --long --pod pod1")
    assert row["vCPUs Used"] is None
    shown = await as_json(gateway, "multiregion pod show pod1")
    assert shown["capacity"] is None
    assert "broke" in shown["capacity_error"]


async def test_filters_and_formats(gateway: Gateway) -> None:
    csv = await openstack(gateway, "multiregion pod list -f csv -c Region --quote none")
    assert csv.out.split() == ["Region", "pod1", "pod2", "pod3"]
    value = await openstack(gateway, "multiregion zone list -f value -c Zone -c Pods")
    assert value.out.splitlines() == ["az1 ['pod1', 'pod3']", "az2 ['pod2']"]
    table = await openstack(gateway, "multiregion zone list")
    assert "| az1  | pod1, pod3 |" in table.out
    await gateway.set_pod("pod1", state="draining")
    assert [r["Region"] for r in await as_json(gateway, "multiregion pod list --state draining")] \
        == ["pod1"]  # fmt: skip
    zones = await as_json(gateway, "multiregion zone list")
    assert [(zone["Zone"], zone["Taking New"], zone["Up"]) for zone in zones] == [
        ("az1", 1, 2), ("az2", 1, 1),
    ]  # fmt: skip


async def test_a_pod_from_registration_to_its_end(gateway: Gateway, cloud: Cloud) -> None:
    await asyncio.to_thread(cloud.add_pod, "pod4")
    made = await as_json(
        gateway, "multiregion pod create pod4 --zone az4 --pod-zone nova --dc ams --state draining"
    )
    assert (made["region_name"], made["state"], made["dc_name"]) == ("pod4", "draining", "ams")
    assert made["versions"]["compute"] == {"min": "2.1", "max": "2.104"}
    assert (await openstack(gateway, "multiregion pod set pod4 --state enabled --dc nyc")).out == ""
    shown = await as_json(gateway, "multiregion pod show pod4")
    assert (shown["state"], shown["dc_name"]) == ("enabled", "nyc")
    assert shown["availability_zone"] == "az4", "what was not named stays"
    assert shown["resources"] == {}
    await serve(gateway, "az4")
    refused = await openstack(gateway, "multiregion pod delete pod1 pod4")
    assert refused.status == 1
    assert "still holds resources" in refused.err
    assert "force" in refused.err
    forced = await openstack(gateway, "multiregion pod delete --force", made["id"])
    assert forced.status == 0, forced.err
    assert "pod4" not in str(await as_json(gateway, "multiregion pod list"))


async def test_labels_and_endpoints(gateway: Gateway, cloud: Cloud) -> None:
    there = await asyncio.to_thread(cloud.add_pod, "pod4")
    cloud.keystone.endpoints = [e for e in cloud.keystone.endpoints if e["region"] != "pod4"]
    endpoints = [f"--endpoint=compute={there.nova.url}/v2.1",
                 f"--endpoint=network={there.neutron.url}"]  # fmt: skip
    line = "multiregion pod create pod4 --zone az4 --label country=nl --label gpu=yes"
    made = await as_json(gateway, line, *endpoints)
    assert made["labels"] == {"country": "nl", "gpu": "yes"}
    assert made["endpoints_given"] is True
    changed = await openstack(
        gateway, "multiregion pod set pod4 --no-label gpu --label country=de --no-endpoint"
    )
    assert "no internal endpoint of its compute service" in changed.err
    changed = await openstack(
        gateway, "multiregion pod set pod4 --no-label gpu --label country=de", endpoints[0],
        endpoints[1],
    )  # fmt: skip
    assert changed.status == 0, changed.err
    assert (await as_json(gateway, "multiregion pod show pod4"))["labels"] == {"country": "de"}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pod show nowhere", "There is no pod nowhere. 'openstack multiregion pod list' shows all"),
        ("pod create nowhere --zone az1", "Known regions"),
        ("pod create pod1", "--zone"),
        ("pod set pod1", "Say what to change"),
        ("pod set pod1 --state asleep", "invalid choice: 'asleep'"),
        ("pod set pod1 --zone a:b", "must not hold a colon"),
        ("pod delete nowhere", "There is no pod nowhere"),
        ("binding show nothing", "Binding nothing could not be found"),
        ("binding create nobody pod1", "nobody"),
        ("binding delete nothing", "Binding nothing could not be found"),
        ("routing show nothing", "Nothing with the ID nothing is known to be in a pod"),
        ("placement show nothing", "There is no server with the name or ID nothing"),
        ("job show nothing", "it is done, or there never was one"),
        ("job retry", "Name jobs, or a pod with --failing"),
        ("job retry nothing", "it is done, or there never was one"),
        ("volume move create nothing", "one of the arguments --pod --zone is required"),
        ("volume move create nothing --pod pod2", "There is no volume with the name or ID nothing"),
        ("volume move cancel nothing", "No move of volume nothing could be found"),
        ("image copy create nothing --pod pod2", "There is no image with the name or ID nothing"),
    ],
)
async def test_what_went_wrong_and_what_to_do(gateway: Gateway, line: str, words: str) -> None:
    printed = await openstack(gateway, f"multiregion {line}")
    assert printed.status != 0
    assert words in " ".join((printed.out + printed.err).split())
    assert "Traceback" not in printed.out + printed.err


async def test_bindings(gateway: Gateway, cloud: Cloud) -> None:
    made = await as_json(gateway, "multiregion binding create demo pod2")
    assert made["project_id"] == cloud.project_id
    assert made["region_name"] == "pod2"
    (row,) = await as_json(gateway, "multiregion binding list --project demo --pod pod2")
    assert (row["ID"], row["By Operator"]) == (made["id"], True)
    assert await as_json(gateway, "multiregion binding show", made["id"]) == made
    again = await openstack(gateway, "multiregion binding create demo pod2")
    assert again.status == 1
    assert "already" in again.err
    assert (await openstack(gateway, "multiregion binding delete", made["id"])).status == 0
    assert await as_json(gateway, "multiregion binding list --project demo") == []


async def test_which_image_is_where(gateway: Gateway) -> None:
    facts = {"name": "debian", "size": 200, "is_open": True}
    pod_id = gateway.pod_ids["pod2"]
    await asyncio.to_thread(image_copies.want, "one", pod_id, None, image_copies.RULE, facts)
    (row,) = await as_json(gateway, "multiregion image list --pod pod2 --state wanted")
    assert (row["Image"], row["Name"], row["Pod"], row["Percent"]) == ("one", "debian", "pod2", 0)
    assert await as_json(gateway, "multiregion image list --image another") == []


async def test_quotas_over_pods(gateway: Gateway, cloud: Cloud) -> None:
    for zone in ("az1", "az2", "az2"):
        await serve(gateway, zone)
    body = {"volume": {"size": 3, "name": "v", "availability_zone": "az2"}}
    (await gateway.volumes.post("/volumes", body)).ok(202)
    await gateway.idle()
    told = await as_json(gateway, "multiregion quota show demo")
    shown = {row["Resource"]: row for row in told}
    assert shown["instances"]["In Use"] == 3
    assert shown["instances"]["Pods"]["pod2"] == 2
    assert sum(shown["cores"]["Pods"].values()) == shown["cores"]["In Use"] == 3
    assert (shown["gigabytes"]["In Use"], shown["gigabytes"]["Pods"]) == (3, {"pod2": 3})
    assert (shown["volumes"]["Limit"], shown["backups"]["In Use"]) == (10, 0)
    own = await as_json(gateway, "multiregion quota show", user="member", project="demo")
    assert own == told
    refused = await openstack(
        gateway, "multiregion quota show someone-elses", user="member", project="demo"
    )
    assert refused.status == 1


async def test_where_a_server_is_and_why(gateway: Gateway, cloud: Cloud) -> None:
    server = await serve(gateway)
    await gateway.idle()
    placed = await as_json(gateway, "multiregion placement show", server)
    routing = await as_json(gateway, "multiregion routing show", server)
    assert placed["region_name"] == routing["region_name"]
    assert server in cloud.pods[placed["region_name"]].nova.servers
    assert placed["left_out"] == {"pod2": ["is in availability zone az2, not az1"]}
    assert placed == await as_json(
        gateway, "multiregion placement show one", user="member", project="demo"
    )
    rows = await as_json(gateway, "multiregion routing list --type server --project demo")
    assert [(row["Resource"], row["Pod"]) for row in rows] == [(server, routing["region_name"])]


async def test_jobs_and_repairs(gateway: Gateway) -> None:
    def prepare() -> str:
        repairs.add(gateway.pod_ids["pod1"], Key("port", "p"), None, "PUT /ports/p (name)")
        return fail_job(gateway.pod_ids["pod1"])

    job = await asyncio.to_thread(prepare)
    (row,) = await as_json(gateway, "multiregion job list --state failing --pod pod1")
    assert (row["ID"], row["Last Error"], row["Attempts"]) == (job, "Pod pod1: No.", 3)
    before = await as_json(gateway, "multiregion job show", job)
    assert (await openstack(gateway, "multiregion job retry", job)).status == 0
    after = await as_json(gateway, "multiregion job show", job)
    assert after["next_try_at"] < before["next_try_at"]
    assert (await openstack(gateway, "multiregion job retry --failing pod1")).status == 0
    (repair,) = await as_json(gateway, "multiregion repair list --pod pod1 --type port")
    assert (repair["Resource"], repair["Done"]) == ("p", "PUT /ports/p (name)")


async def test_a_volume_is_moved(gateway: Gateway) -> None:
    body = {"volume": {"size": 1, "name": "v", "availability_zone": "az1"}}
    volume = (await gateway.volumes.post("/volumes", body)).ok(202)["volume"]["id"]
    await gateway.idle()
    move = await as_json(gateway, "multiregion volume move create v --pod pod2")
    assert (move["volume_id"], move["target"], move["progress"]) == (volume, "pod2", 0)
    shown = await as_json(gateway, "multiregion volume move show v")
    assert shown["source"] == move["source"]
    for pod in ("pod2", move["source"]):
        (row,) = await as_json(gateway, f"multiregion volume move list --pod {pod}")
        assert (row["Volume"], row["To"], row["State"]) == (volume, "pod2", "preparing")
    assert await as_json(gateway, "multiregion volume move list --state done") == []
    again = await openstack(gateway, "multiregion volume move create v --zone az2")
    assert again.status == 1
    assert "is being moved already" in again.err
    assert (await openstack(gateway, "multiregion volume move cancel", volume)).status == 0
    shown = await as_json(gateway, "multiregion volume move show", volume)
    assert shown["state"] in ("undoing", "undone")
    assert shown["reason"] == "It was called off."


async def test_a_move_tells_how_far_it_is(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(work, "_LOOK_EVERY", 0.01)
    body = {"volume": {"size": 1, "name": "v", "availability_zone": "az1"}}
    volume = (await gateway.volumes.post("/volumes", body)).ok(202)["volume"]["id"]
    await gateway.idle()
    await as_json(gateway, "multiregion volume move create v --pod pod2")
    written: list[str] = []

    class Terminal(io.StringIO):
        """Once a state is told, the move goes on to the next."""

        def write(self, text: str) -> int:
            written.append(text.strip())
            steps = {"preparing, 0 %": "verifying", "verifying, 60 %": "done"}
            if text.strip() in steps:
                _now_in(volume, steps[text.strip()])
            return len(text)

    printed = await openstack(gateway, "multiregion volume move show v --wait", stderr=Terminal())
    assert printed.status == 0
    assert written == ["preparing, 0 %", "verifying, 60 %"]


def _now_in(volume_id: str, state: str) -> None:
    with session.write() as tx:
        tx.get_one(models.VolumeMove, volume_id).state = state


async def test_members_see_what_is_theirs(gateway: Gateway) -> None:
    member: Any = {"user": "member", "project": "demo"}
    shown = await as_json(gateway, "multiregion pod show pod1", **member)
    assert "resources" not in shown
    assert shown["health"] == {"state": "up"}
    refused = await openstack(gateway, "multiregion pod list --long", **member)
    assert refused.status == 1
    assert "Policy doesn't allow tricircle:pods:get_details" in refused.err
    refused = await openstack(gateway, "multiregion pod set pod1 --state draining", **member)
    assert refused.status == 1
    assert "tricircle:pods:update" in refused.err


def end_adoption() -> str:
    """What xjob does about the first adoption that is asked for; whose things it is about."""
    while not (rows := adoptions.page()):
        time.sleep(0.05)
    found = [{"resource_type": "network", "id": "n", "name": "old", "action": "leave",
              "region_id": None, "reason": "its segment is taken"}]  # fmt: skip
    adoptions.note(rows[0].id, adoptions.DONE, None, found)
    return str(rows[0].project_id)


async def test_what_a_pod_had_before_is_taken_over_and_told(gateway: Gateway) -> None:
    project = gateway.cloud.project_id
    working = asyncio.create_task(asyncio.to_thread(end_adoption))
    (row,) = await as_json(gateway, "multiregion pod adopt pod1 --dry-run --project demo")
    assert (row["Action"], row["Reason"]) == ("leave", "its segment is taken")
    assert await working == project
    late = await openstack(gateway, "multiregion pod release pod1 --project demo --wait 0")
    assert late.status != 0
    assert "is waiting" in late.err
