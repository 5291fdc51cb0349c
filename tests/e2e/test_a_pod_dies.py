# SPDX-License-Identifier: Apache-2.0
"""A pod is killed or frozen during a list, a create and a reconcile; then nothing is lost."""

import concurrent.futures
import time
from typing import Any

import pytest

from lab import cli, process, tricircle
from tests.e2e.site import Site, eventually, pod_objects

pytestmark = pytest.mark.disturbs


def health(tricircle_api: Any, region: str) -> str:
    """What is known of a pod: "up" or "down" when all its services are, else "mixed"."""
    (pod,) = tricircle_api("GET", f"/pods?region_name={region}")["pods"]
    found = tricircle_api("GET", f"/pods/{pod['id']}")["pod"]["health"]["services"]
    states = {service["state"] for service in found.values()}
    return states.pop() if len(states) == 1 else "mixed"


def known_down(tricircle_api: Any, region: str) -> None:
    """All of Tricircle knows that a pod is down: until then calls wait for the pod."""
    eventually("its state is told", lambda: health(tricircle_api, region) == "down")
    time.sleep(tricircle.PODS_BELIEVED + 0.5)


def known_up(tricircle_api: Any, region: str, seconds: float = 120) -> None:
    """All of Tricircle knows that a pod is well again: until then calls may be refused."""
    eventually(f"{region} is well again", lambda: health(tricircle_api, region) == "up", seconds)
    time.sleep(tricircle.PODS_BELIEVED + 0.5)


def test_a_list_goes_on_without_a_frozen_pod(
    demo: Any, site: Site, tricircle_api: Any, lab: Any
) -> None:
    here = site.server("az1", "none")
    there = site.server("az2", "none")
    assert {here.id, there.id} <= {server.id for server in demo.compute.servers()}
    cli.pod_freeze(lab, lab.pod("pod2"))
    try:
        started = time.monotonic()
        listed = {server.id for server in demo.compute.servers()}
        assert here.id in listed
        assert time.monotonic() - started < 15
        known_down(tricircle_api, "Pod2")
        # A thing of the dead pod is "not to be reached", never "not there".
        reply = demo.compute.get(f"/servers/{there.id}")
        assert reply.status_code == 503
        assert "Pod2" in reply.text
        # The other zone takes new servers meanwhile.
        site.server("az1", "none")
    finally:
        cli.pod_thaw(lab, lab.pod("pod2"))
    # A probe begun while it was frozen may find it silent once more.
    time.sleep(6)
    known_up(tricircle_api, "Pod2")
    eventually("it is listed again", lambda: there.id in {s.id for s in demo.compute.servers()})


def test_a_pod_killed_during_creates_leaves_nothing_behind(
    lab: Any, demo: Any, admin: Any, pods: Any, site: Site, tricircle_api: Any
) -> None:
    network = site.network("10.90.0.0/24")
    site.server("az2", [{"uuid": network.id}])

    def create(index: int) -> str | None:
        try:
            server = demo.compute.create_server(
                name=f"{site.name}-killed-{index}",
                image_id=site.image.id,
                flavor_id=site.flavor.id,
                networks=[{"uuid": network.id}],
                availability_zone="az2",
            )
        except Exception:
            return None
        return str(server.id)

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        asked = [pool.submit(create, index) for index in range(6)]
        time.sleep(0.7)
        cli.pod_kill(lab, lab.pod("pod2"))
        answers = [one.result() for one in asked]
    cli.pod_start(lab, lab.pod("pod2"))
    known_up(tricircle_api, "Pod2")

    def settled() -> bool:
        """Every server there is listed once; every central port belongs to one of them."""
        real = {
            server.id
            for server in pods["Pod2"].compute.servers(all_projects=True)
            if server.name.startswith(site.name)
        }
        listed = [s.id for s in demo.compute.servers() if s.name.startswith(site.name)]
        owners = {
            port.device_id
            for port in demo.network.ports(network_id=network.id)
            if port.device_owner.startswith("compute:")
        }
        return len(listed) == len(set(listed)) and set(listed) == real and owners <= real

    eventually("central and pod agree", settled, 120)
    listed = {s.id for s in demo.compute.servers() if s.name.startswith(site.name)}
    # What a user was told exists, exists.
    assert {answer for answer in answers if answer} <= listed
    for server in demo.compute.servers():
        if server.name.startswith(f"{site.name}-killed"):
            site.servers.append(server)


def test_a_change_made_while_a_pod_is_away_arrives(
    lab: Any, demo: Any, pods: Any, site: Site, tricircle_api: Any
) -> None:
    network, group = site.network("10.91.0.0/24"), site.group()
    server = site.server("az2", [{"uuid": network.id}], security_groups=[{"name": group.name}])
    cli.pod_kill(lab, lab.pod("pod2"))
    try:
        demo.network.update_network(network, name=f"{site.name}-renamed")
        demo.network.create_security_group_rule(
            security_group_id=group.id, direction="ingress", protocol="tcp", ether_type="IPv4",
            port_range_min=22, port_range_max=22,
        )  # fmt: skip
    finally:
        cli.pod_start(lab, lab.pod("pod2"))
    known_up(tricircle_api, "Pod2")

    def arrived() -> bool:
        names = [item.name for item in pod_objects(pods["Pod2"], network.id)]
        (there,) = pod_objects(pods["Pod2"], group.id)
        ports = {rule["port_range_min"] for rule in there.security_group_rules}
        return names == [f"{site.name}-renamed"] and 22 in ports

    eventually("the changes are in the pod", arrived)
    assert demo.compute.get_server(server.id).status == "ACTIVE"


def test_flavors_and_keypairs_reach_a_pod_that_was_away(
    lab: Any, admin: Any, demo: Any, pods: Any, name: str, tricircle_api: Any
) -> None:
    cli.pod_kill(lab, lab.pod("pod2"))
    try:
        eventually("its state is told", lambda: health(tricircle_api, "Pod2") == "down")
        flavor = admin.compute.create_flavor(name=name, ram=128, disk=1, vcpus=1)
        demo.compute.create_keypair(name=name)
    finally:
        cli.pod_start(lab, lab.pod("pod2"))
    there = pods["Pod2"].compute
    eventually("the flavor arrives", lambda: there.find_flavor(flavor.id), 120)
    user = demo.session.get_user_id()
    eventually("the keypair arrives", lambda: there.get_keypair(name, user_id=user))
    admin.compute.delete_flavor(flavor)
    demo.compute.delete_keypair(name)
    eventually("the flavor goes", lambda: there.find_flavor(flavor.id) is None)


def kill(lab: Any, daemon: str) -> None:
    """kill -9, and the process is gone: else it would be found alive and not started again."""
    process.send(lab, daemon, 9)
    eventually(f"{daemon} is dead", lambda: process.alive(lab, daemon) is None, 10)


def test_xjob_and_the_gateway_may_die_at_any_time(
    lab: Any, demo: Any, pods: Any, site: Site
) -> None:
    network = site.network("10.92.0.0/24")
    kill(lab, tricircle.XJOB)
    server = site.server("az1", [{"uuid": network.id}])
    demo.network.update_network(network, name=f"{site.name}-late")
    kill(lab, tricircle.GATEWAY)
    tricircle.start(lab, tricircle.XJOB)
    tricircle.start(lab, tricircle.GATEWAY)
    tricircle.wait(lab)
    assert demo.compute.get_server(server.id).status == "ACTIVE"
    eventually(
        "the change arrives",
        lambda: [n.name for n in pod_objects(pods["Pod1"], network.id)] == [f"{site.name}-late"],
    )
