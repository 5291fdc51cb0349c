# SPDX-License-Identifier: Apache-2.0
"""The pod by which a router's guests go out dies, while one of them pings: another stands in."""

import concurrent.futures
import itertools
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from lab import cli
from lab.dataplane import netns, topology
from lab.dataplane import servers as lab_servers
from tests.e2e.networks import Estate
from tests.e2e.site import eventually
from tests.e2e.test_a_pod_dies import known_up

pytestmark = pytest.mark.disturbs

SECONDS = 45
_REPLY = re.compile(r"^\[([0-9.]+)\] \d+ bytes from", re.MULTILINE)


def pinging(estate: Estate, server: Any) -> str:
    """What ping says of so many seconds, each reply with its time."""
    argv = ["ping", "-D", "-n", "-i", "0.2", "-w", str(SECONDS), topology.OUTSIDE_HOST]
    return lab_servers.server_exec(estate.lab, server.id, argv, timeout=SECONDS + 30).stdout


def gap(said: str) -> float:
    """The longest time without a reply; the last one came not long before the end."""
    moments = [float(one) for one in _REPLY.findall(said)]
    assert moments, said[-2000:]
    assert moments[-1] - moments[0] > SECONDS - 10, said[-2000:]
    return max(after - before for before, after in itertools.pairwise(moments))


@contextmanager
def cut_off(lab: Any, pod: Any) -> Iterator[None]:
    """A power cut: neither the pod's controllers nor its network are there."""
    physical = topology.physical_netns(lab)
    plugs = [host.plug(one) for host in topology.hosts(lab, pod) for one in host.switches]
    netns.ip(physical, [f"link set {plug} down" for plug in plugs])
    cli.pod_kill(lab, pod)
    try:
        yield
    finally:
        netns.ip(physical, [f"link set {plug} up" for plug in plugs])
        cli.pod_start(lab, pod)


def home_of(estate: Estate, router: Any) -> str:
    """The region of the pod with the external network that has a copy of the router."""

    def found() -> list[str]:
        return [
            region
            for region in ("Pod1", "Pod3")
            if any(hasattr(one, "routes") for one in estate.copies(region, router.id))
        ]

    (region,) = eventually("the router has one way out", lambda: len(found()) == 1 and found())
    return str(region)


def test_a_guest_goes_out_by_another_pod(estate: Estate, external: Any, tricircle_api: Any) -> None:
    if len(estate.lab.pods) < 3:
        pytest.skip("needs a lab of three pods: lab up --pods 3")
    outside = external("Pod1", "Pod3")
    network = estate.network("10.171.0.0/24")
    router = estate.router(network, external_gateway_info={"network_id": outside.id})
    known, plain = estate.servers(("az2", network), ("az2", network))
    floating = estate.demo.network.create_ip(floating_network_id=outside.id, port_id=known.port)
    for guest in (known, plain):
        estate.reaches(guest, topology.OUTSIDE_HOST)
    estate.reached_from_outside(floating.floating_ip_address)
    home = home_of(estate, router)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = [pool.submit(pinging, estate, guest) for guest in (known, plain)]
        time.sleep(2)
        with cut_off(estate.lab, estate.lab.pod(home.lower())):
            began = time.monotonic()
            estate.reached_from_outside(floating.floating_ip_address)
            again = time.monotonic() - began
            lost = [gap(one.result()) for one in said]
        print(
            f"\n{home} died: no pings for {lost[0]:.1f} s (with a floating IP), {lost[1]:.1f} s "
            f"(without); the floating IP answers after {again:.1f} s"
        )
    assert max(lost) < SECONDS - 10
    told = tricircle_api("GET", f"/repairs?resource_id={router.id}")["repairs"]
    assert any(f"not by pod {home}" in one["done"] for one in told)
    # It comes back, and nobody is moved to and fro meanwhile.
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        said = [pool.submit(pinging, estate, guest) for guest in (known, plain)]
        known_up(tricircle_api, home)
        eventually("the home has its router back", lambda: home_of(estate, router) == home, 120)
        lost = [gap(one.result()) for one in said]
        print(f"{home} is back: no pings for {lost[0]:.1f} s (with), {lost[1]:.1f} s (without)")
    estate.reached_from_outside(floating.floating_ip_address)
    estate.demo.network.delete_ip(floating)
    estate.remove_all()
