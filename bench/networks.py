# SPDX-License-Identifier: Apache-2.0
"""How long networks take on real pods, beside a pod's own Neutron doing the same directly.

``make bench-networks`` on a lab that is up, of three pods for the last figure. Prints a table; all
figures are of one run.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from typing import Any

from lab import cli, settings, tricircle
from lab.settings import Lab

PORTS = 10


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    begun = time.monotonic()
    done = work()
    return time.monotonic() - begun, done


def _network(cloud: Any, cidr: str, **more: Any) -> Any:
    network = cloud.network.create_network(name="bench", **more)
    network.subnet = cloud.network.create_subnet(
        network_id=network.id, name="bench", ip_version=4, cidr=cidr
    )
    return network


def ports(lab: Lab, region: str, kind: str) -> list[tuple[str, float, float]]:
    """(what, first port, median of the others), in seconds: through us, then by the pod."""
    admin, direct = tricircle.connect(lab), tricircle.connect(lab, region=region)
    network = _network(admin, "10.230.0.0/24", provider_network_type=kind)
    bound, made = [], []
    for _ in range(PORTS):
        port = admin.network.create_port(network_id=network.id)
        seconds, done = _timed(lambda p=port: admin.network.update_port(p, binding_host_id=region))
        if done.binding_vif_type != "other":
            raise SystemExit(f"the port was not bound: {done.binding_vif_details}")
        bound.append(seconds)
        made.append(port)
    for port in made:
        admin.network.delete_port(port)
    own, there = [], []

    def first() -> Any:
        copy = _network(direct, "10.231.0.0/24")
        return copy, direct.network.create_port(network_id=copy.id)

    seconds, (copy, port) = _timed(first)
    own.append(seconds)
    there.append(port)
    for _ in range(PORTS - 1):
        seconds, port = _timed(lambda: direct.network.create_port(network_id=copy.id))
        own.append(seconds)
        there.append(port)
    for port in there:
        direct.network.delete_port(port)
    direct.network.delete_network(copy)
    _delete(admin, network)
    return [
        (f"port bound through Tricircle ({kind})", bound[0], statistics.median(bound[1:])),
        (f"port created in {region} directly", own[0], statistics.median(own[1:])),
    ]


def router(lab: Lab) -> float:
    """Seconds from the last API call until servers of three pods reach each other by a router."""
    admin = tricircle.connect(lab)
    image = admin.image.find_image("tiny", ignore_missing=False)
    flavor = admin.compute.find_flavor("bench.nano") or admin.compute.create_flavor(
        name="bench.nano", ram=64, disk=1, vcpus=1
    )
    group = admin.network.create_security_group(name="bench")
    admin.network.create_security_group_rule(
        security_group_id=group.id, direction="ingress", protocol="icmp", ether_type="IPv4"
    )
    networks = [
        _network(admin, f"10.23{number}.0.0/24", provider_network_type="local")
        for number in range(2, 5)
    ]
    servers = [
        admin.compute.create_server(
            name="bench",
            image_id=image.id,
            flavor_id=flavor.id,
            networks=[{"uuid": network.id}],
            availability_zone=pod.az,
            security_groups=[{"name": group.id}],
        )
        for network, pod in zip(networks, lab.pods, strict=False)
    ]
    servers = [admin.compute.wait_for_server(server, wait=180) for server in servers]
    addresses = [next(iter(server.addresses.values()))[0]["addr"] for server in servers]
    made = admin.network.create_router(name="bench")
    for network in networks:
        admin.network.add_interface_to_router(made, subnet_id=network.subnet.id)
    begun = time.monotonic()
    for source in servers:
        for address in addresses:
            while not cli.ping(lab, source.id, address, count=1, tries=1):
                if time.monotonic() - begun > 300:
                    raise SystemExit(f"{source.id} does not reach {address}")
    seconds = time.monotonic() - begun
    for server in servers:
        admin.compute.delete_server(server)
    for server in servers:
        admin.compute.wait_for_delete(server)
    for network in networks:
        admin.network.remove_interface_from_router(made, subnet_id=network.subnet.id)
        _delete(admin, network)
    admin.network.delete_router(made)
    admin.network.delete_security_group(group)
    return seconds


def _delete(cloud: Any, network: Any) -> None:
    """A server's port may go a moment after the server."""
    for _ in range(60):
        try:
            cloud.network.delete_network(network)
        except Exception:
            time.sleep(0.5)
        else:
            return


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", default=os.environ.get("LAB_NAME", settings.DEFAULT_NAME))
    lab = settings.load(parser.parse_args().name)
    rows = [row for kind in ("local", "vlan") for row in ports(lab, lab.pods[0].region, kind)]
    with open("/proc/loadavg") as file:
        load = file.read().split()[0]
    print(f"\n{'seconds':45} {'first':>8} {'next 9':>8}   (load {load})")
    for what, first, others in rows:
        print(f"{what:45} {first:8.2f} {others:8.2f}")
    for through, directly in (rows[:2], rows[2:]):
        ratios = through[1] / directly[1], through[2] / directly[2]
        print(f"{'  ratio':45} {ratios[0]:8.2f} {ratios[1]:8.2f}")
    if len(lab.pods) >= 3:
        print(f"{'router over 3 pods: last call to last ping':45} {router(lab):8.1f}")


if __name__ == "__main__":
    main()
