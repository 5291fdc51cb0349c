# SPDX-License-Identifier: Apache-2.0
"""A port is called what its server is, as the pod's Nova calls it, also in other pods."""

from tests.functional.network.stage import Object, Stage
from tests.functional.network.tunnels import VXLAN, Tunnels
from tricircle.conf import CONF
from tricircle.network.observe import status
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline


def look(stage: Stage, region: str) -> int:
    running = runtime.get()
    pod = running.registry.fresh().by_region(region)
    assert pod is not None
    return status.bring_back(running.engine.session(pod, Deadline(CONF.reconciler.call_deadline)))


def boot(stage: Stage, network: Object, region: str, name: str) -> Object:
    """A server's port, as the gateway and the pod's Nova leave it."""
    port = stage.port(network)
    owner = {"device_id": "server", "device_owner": "compute:az1"}
    stage.core.update_port(stage.admin, port["id"], {"port": owner})
    bound = stage.bind(port, region)
    stage.copy(region, "ports", port["id"])["dns_name"] = name
    return bound


def named(stage: Stage, port: Object) -> Object:
    found: Object = stage.core.get_port(stage.admin, port["id"])
    return found


def test_a_port_takes_its_servers_name(stage: Stage) -> None:
    network, _ = stage.network()
    port = boot(stage, network, "pod1", "web1")
    assert named(stage, port)["dns_name"] == ""
    assert look(stage, "pod1") == 1
    assert named(stage, port)["dns_name"] == "web1"
    (told,) = named(stage, port)["dns_assignment"]
    assert (told["hostname"], told["fqdn"]) == ("web1", "web1.example.org.")
    stage.cloud.journal.clear()
    assert look(stage, "pod1") == 0
    stage.reconcile()
    assert stage.copy("pod1", "ports", port["id"])["dns_name"] == "web1"


def test_a_name_of_the_users_stays(stage: Stage) -> None:
    network, _ = stage.network()
    port = boot(stage, network, "pod1", "web1")
    stage.change("port", port["id"], dns_name="mine")
    assert look(stage, "pod1") == 0
    assert named(stage, port)["dns_name"] == "mine"


def test_a_port_without_a_server_has_no_name(stage: Stage) -> None:
    network, _ = stage.network()
    port = boot(stage, network, "pod1", "web1")
    stage.core.update_port(stage.admin, port["id"], {"port": {"device_id": ""}})
    assert look(stage, "pod1") == 0
    assert named(stage, port)["dns_name"] == ""


def test_other_pods_know_the_name(tunnels: Tunnels) -> None:
    stage = tunnels.stage
    network, _ = stage.network(**VXLAN)
    ports = {region: tunnels.boot(network, region) for region in ("pod1", "pod2")}
    tunnels.settle()
    assert tunnels.shadow("pod2", ports["pod1"])["dns_name"] == ""
    stage.change("port", ports["pod1"]["id"], dns_name="web1")
    tunnels.settle()
    assert tunnels.shadow("pod2", ports["pod1"])["dns_name"] == "web1"
    assert tunnels.shadow("pod1", ports["pod2"])["dns_name"] == ""
