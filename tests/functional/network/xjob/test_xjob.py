# SPDX-License-Identifier: Apache-2.0
"""xjob as a whole: its threads over stock Neutron's plugins and fake pods."""

from collections.abc import Iterator

import pytest

from tests.functional.fakes.server_groups_api import ServerGroup
from tests.functional.network.stage import Object, Stage, wait
from tricircle.db import allocations, definitions, hosts, jobs, server_groups
from tricircle.network.observe import pod_agents
from tricircle.network.reconcile import runtime
from tricircle.pods import server_groups as pod_groups
from tricircle.pods.discovery import SERVICES
from tricircle.xjob.service import Service


@pytest.fixture
def service(stage: Stage, one_writer: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    monkeypatch.setattr("tricircle.xjob.service._AGENT_INTERVAL", 0.5)
    service = Service(runtime.get())
    service.start()
    yield service
    assert service.stop(20)


def status(stage: Stage, port: Object) -> str:
    return str(stage.core.get_port(stage.admin, port["id"])["status"])


def alive(stage: Stage) -> dict[str, bool]:
    found = stage.core.get_agents(stage.admin, {"agent_type": [pod_agents.AGENT_TYPE]})
    return {agent["host"]: agent["alive"] for agent in found}


def test_changes_statuses_and_agents(stage: Stage, service: Service) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    stage.copy("pod1", "ports", port["id"])["status"] = "ACTIVE"
    wait(lambda: status(stage, port) == "ACTIVE")
    stage.copy("pod1", "ports", port["id"])["status"] = "DOWN"
    wait(lambda: status(stage, port) == "DOWN")

    stage.change("network", network["id"], name="new")
    wait(lambda: stage.copy("pod1", "networks", network["id"])["name"] == "new")
    wait(lambda: alive(stage) == {"pod1": True, "pod2": True, "pod3": True})

    stage.delete("port", port["id"])
    wait(lambda: stage.empty("pod1") and not stage.rows())


def test_a_pod_is_away(stage: Stage, service: Service) -> None:
    network, _ = stage.network()
    for region in ("pod1", "pod2"):
        stage.bound(network, region)
    stage.cloud.pods["pod1"].stop()
    wait(lambda: alive(stage).get("pod1") is False)

    refused = stage.bind(stage.port(network), "pod1")
    assert refused["binding:vif_type"] == "binding_failed"
    assert "pod1" in refused["binding:vif_details"]["reason"]
    stage.change("network", network["id"], name="meanwhile")
    wait(lambda: stage.copy("pod2", "networks", network["id"])["name"] == "meanwhile")
    assert stage.copy("pod1", "networks", network["id"])["name"] == "net"

    stage.cloud.pods["pod1"].start()
    wait(lambda: stage.copy("pod1", "networks", network["id"])["name"] == "meanwhile")
    wait(lambda: alive(stage)["pod1"])
    wait(lambda: not [row for row in stage.rows() if row.next_try_at])


def found_down(stage: Stage, region: str) -> set[str]:
    """The services of a pod that are known to be down."""
    running = runtime.get()
    pod = running.registry.fresh().get(stage.pod_ids[region])
    assert pod is not None
    return {name for name in SERVICES if running.availability.is_down(pod, name)}


def test_each_service_of_a_pod_is_worked_on_whatever_becomes_of_the_others(
    stage: Stage, service: Service
) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    pod = stage.cloud.pods["pod1"]
    pod.neutron.stop()
    wait(lambda: found_down(stage, "pod1") == {"network"})
    sizes = dict.fromkeys(("disk", "swap", "OS-FLV-EXT-DATA:ephemeral"), 0)
    flavor = {"name": "new", "ram": 64, "vcpus": 1, "rxtx_factor": 1.0, "description": None}
    more = {"os-flavor-access:is_public": True, "extra_specs": {}, "access": []}
    definitions.put("flavor", "new", {**flavor, **sizes, **more})
    wait(lambda: stage.pod_ids["pod1"] not in definitions.pods_lacking("flavor"))
    refused = stage.bind(stage.port(network), "pod1")
    assert "its network service is down" in refused["binding:vif_details"]["reason"]

    pod.neutron.start()
    pod.nova.stop()
    wait(lambda: found_down(stage, "pod1") == {"compute"})
    stage.change("network", network["id"], name="meanwhile")
    wait(lambda: stage.copy("pod1", "networks", network["id"])["name"] == "meanwhile")
    wait(lambda: alive(stage)["pod1"])


def test_usage_and_server_groups(stage: Stage, one_writer: None) -> None:
    nova = stage.cloud.pods["pod1"].nova
    old = nova.add_server("old")
    old.created = old.created.replace(year=2020)
    pod_id = {pod.region_name: pod.id for pod in runtime.get().registry.fresh().all()}["pod1"]
    made = server_groups.create(old.project_id, old.user_id, "g", "affinity", {})
    row = server_groups.want(made.id, pod_id)
    name = pod_groups.name("pod1", made.id, old.project_id)
    inside = ServerGroup(name, old.project_id, old.user_id, "affinity")
    inside.members.append(old.id)
    nova.server_groups[inside.id] = inside
    service = Service(runtime.get())
    service.start()
    try:
        # What was there before us, or nobody lived to write down, is learned.
        wait(lambda: allocations.used(old.project_id)["instances"] == 1)
        wait(lambda: hosts.names(pod_id) == ["host1", "pod1-host2"])
        wait(lambda: server_groups.members([made.id]) == {made.id: [old.id]})
        wait(lambda: server_groups.want(made.id, pod_id).pod_resource_id == inside.id)
        nova.remove_server(old)
        allocations.look(old.id, -1)
        wait(lambda: allocations.used(old.project_id)["instances"] == 0)
        # What goes while a pod is away goes there when it is back.
        stage.cloud.pods["pod1"].stop()
        wait(lambda: alive(stage).get("pod1") is False)
        server_groups.delete(made.id)
        assert inside.id in nova.server_groups
        # What it made and nobody was told of is counted when it is back.
        unheard = nova.add_server("unheard")
        unheard.created = unheard.created.replace(year=2020)
        stage.cloud.pods["pod1"].start()
        wait(lambda: allocations.used(unheard.project_id)["instances"] == 1)
        wait(lambda: not nova.server_groups)
        wait(lambda: not jobs.page({"resource_id": row.resource_id}))
    finally:
        assert service.stop(20)
