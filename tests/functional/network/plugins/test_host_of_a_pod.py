# SPDX-License-Identifier: Apache-2.0
"""A port whose host is one of a pod's: bound there, to that host, or refused with words."""

from tests.functional.network.audits import audit
from tests.functional.network.stage import Object, Stage
from tricircle.db import hosts


def reason(stage: Stage, host: str) -> str:
    network, _ = stage.network()
    port = stage.bind(stage.port(network), host)
    assert port["binding:vif_type"] == "binding_failed"
    return str(port["binding:vif_details"]["reason"])


def there(stage: Stage, region: str, port: Object) -> tuple[str, str]:
    copy = stage.copy(region, "ports", port["id"])
    return copy["binding:host_id"], copy["binding:vif_type"]


def test_a_compute_host_by_its_name_alone(stage: Stage) -> None:
    hosts.write(stage.pod_ids["pod2"], ["compute-7"])
    network, _ = stage.network()
    port = stage.bound(network, "compute-7", device_owner="Octavia:health-mgr")
    assert port["binding:host_id"] == "compute-7"
    details = port["binding:vif_details"]
    assert details["pod"] == "pod2"
    assert details["pod_port_id"] == stage.copy("pod2", "ports", port["id"])["id"]
    assert there(stage, "pod2", port) == ("compute-7", "ovs")
    assert stage.empty("pod1")
    stage.reconcile()
    stage.cloud.journal.clear()
    assert audit(stage, "pod2").changed == []

    # To a host of another pod, and to another host there.
    moved = stage.bind(port, "compute-7@pod1")
    assert moved["binding:vif_details"]["pod"] == "pod1"
    stage.reconcile()
    assert there(stage, "pod1", port) == ("compute-7", "ovs")
    assert stage.empty("pod2")
    stage.bind(port, "compute-8@pod1")
    stage.reconcile()
    assert there(stage, "pod1", port) == ("compute-8", "ovs")
    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod1")


def test_a_host_that_only_the_pods_neutron_knows(stage: Stage) -> None:
    stage.neutron("pod3").agent("network-1", "192.0.2.1")
    network, _ = stage.network()
    port = stage.bound(network, "network-1")
    assert there(stage, "pod3", port) == ("network-1", "ovs")
    # One that was elsewhere leaves it, though its new host alone tells no pod.
    other = stage.bound(network, "pod1")
    stage.reconcile()
    moved = stage.bind(other, "network-1")
    assert moved["binding:vif_details"].get("pod_port_id"), moved["binding:vif_details"]
    stage.reconcile()
    assert there(stage, "pod3", other) == ("network-1", "ovs")
    assert stage.empty("pod1")


def test_what_no_single_pod_has(stage: Stage) -> None:
    assert "none has a compute host or an agent of that name" in reason(stage, "nowhere")
    stage.cloud.pods["pod3"].stop()
    assert "pod3 did not answer" in reason(stage, "nowhere")
    for region in ("pod1", "pod2"):
        hosts.write(stage.pod_ids[region], ["twin"])
    assert "name it twin@pod1" in reason(stage, "twin")


def test_a_host_that_cannot_have_the_port(stage: Stage) -> None:
    stage.neutron("pod1").by_agents = True
    told = reason(stage, "gone@pod1")
    assert "pod1: its Neutron cannot bind port" in told
    assert "to its host gone" in told


def test_the_host_of_a_servers_port_is_its_novas_to_choose(stage: Stage) -> None:
    network, _ = stage.network()
    port = stage.bound(network, "pod1", device_owner="compute:az1")
    stage.copy("pod1", "ports", port["id"])["binding:host_id"] = "h1"
    stage.bind(port, "h2@pod1")
    stage.reconcile()
    assert there(stage, "pod1", port)[0] == "h1"
