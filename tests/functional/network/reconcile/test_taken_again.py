# SPDX-License-Identifier: Apache-2.0
"""Addresses and MACs that are given up, taken and swapped in one breath."""

import contextlib
import itertools
import threading
import time
from collections.abc import Iterator

import pytest

from tests.functional.network.audits import settled
from tests.functional.network.routed_networks import VLAN, join, leave, router
from tests.functional.network.stage import Object, Stage
from tests.functional.network.tunnels import VXLAN, Tunnels


def at(subnet: Object, number: int) -> list[Object]:
    prefix = subnet["cidr"].rpartition(".")[0]
    return [{"subnet_id": subnet["id"], "ip_address": f"{prefix}.{number}"}]


def move(stage: Stage, port: Object, subnet: Object, number: int) -> None:
    stage.change("port", port["id"], fixed_ips=at(subnet, number))


def there(stage: Stage, region: str, port: Object) -> list[str]:
    return [ip["ip_address"] for ip in stage.copy(region, "ports", port["id"])["fixed_ips"]]


def right(stage: Stage, region: str, *ports: Object) -> None:
    """The copies have what the ports have."""
    stage.reconcile()
    for port in ports:
        now = stage.core.get_port(stage.admin, port["id"])
        assert there(stage, region, port) == [ip["ip_address"] for ip in now["fixed_ips"]]
    settled(stage, region)


@pytest.mark.parametrize("again", ["pod1", "pod2"])
def test_a_freed_address_and_mac_are_taken_at_once(stage: Stage, again: str) -> None:
    network, subnet = stage.network(**VLAN)
    old = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    stage.bound(network, "pod2")
    stage.delete("port", old["id"])
    taken = {"mac_address": old["mac_address"], "fixed_ips": at(subnet, 10)}
    # No worker has come by in between.
    new = stage.bound(network, again, **taken)
    right(stage, again, new)
    if again == "pod2":
        assert stage.copies("pod1", "ports", old["id"]) == []


def test_an_address_is_given_up_and_taken_at_once(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    old = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    move(stage, old, subnet, 20)
    new = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    right(stage, "pod1", old, new)


def test_an_address_of_a_port_that_went_to_another_pod(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    old = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    stage.bind(old, "pod2")
    move(stage, old, subnet, 20)
    new = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    right(stage, "pod1", new)
    right(stage, "pod2", old)
    # And both go where the other is.
    stage.bind(new, "pod2")
    stage.bind(old, "pod1")
    right(stage, "pod1", old)
    right(stage, "pod2", new)


@pytest.mark.parametrize("order", list(itertools.permutations(range(3)))[::2])
def test_addresses_are_swapped(stage: Stage, order: tuple[int, ...]) -> None:
    """Whichever of the ports is looked at first."""
    network, subnet = stage.network(**VLAN)
    ports = [stage.bound(network, "pod1", fixed_ips=at(subnet, 10 + n)) for n in range(3)]
    other = stage.bound(network, "pod2", fixed_ips=at(subnet, 14))
    # A ring: .10 -> .11 -> .12 -> .10, by way of an address that is free, .13.
    for port, number in ((ports[0], 13), (ports[2], 10), (ports[1], 12), (ports[0], 11)):
        move(stage, port, subnet, number)
    for n in order:
        stage.touch("port", ports[n]["id"])
    stage.reconcile()
    right(stage, "pod1", *ports)
    right(stage, "pod2", other)


def test_who_is_worked_on_meanwhile_ends_right(stage: Stage, one_writer: None) -> None:
    """A worker makes the one port right at the moment at which another takes its old address."""
    network, subnet = stage.network(**VLAN)
    one = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    two = stage.bound(network, "pod1", fixed_ips=at(subnet, 11))
    move(stage, one, subnet, 13)
    move(stage, two, subnet, 10)
    move(stage, one, subnet, 11)
    threads = [threading.Thread(target=stage.reconcile, args=("pod1",)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    right(stage, "pod1", one, two)


@contextlib.contextmanager
def worker(stage: Stage, region: str) -> Iterator[None]:
    """xjob is at work in a pod meanwhile."""
    stop = threading.Event()

    def work() -> None:
        while not stop.is_set():
            stage.work(region)
            time.sleep(0.05)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_an_address_of_a_router_is_taken_at_once(stage: Stage, one_writer: None) -> None:
    network, subnet = stage.network(**VLAN, availability_zone_hints=["pod1"])
    stage.bound(network, "pod1")
    made = router(stage, availability_zone_hints=["pod1"])
    join(stage, made, subnet)
    stage.reconcile()
    leave(stage, made, subnet)
    with worker(stage, "pod1"):
        new = stage.bound(network, "pod1", fixed_ips=at(subnet, 1))
    right(stage, "pod1", new)


def test_the_range_of_a_deleted_subnet_is_taken_at_once(stage: Stage, one_writer: None) -> None:
    network, subnet = stage.network(**VLAN)
    kept = stage.subnet(network, "10.9.0.0/24")
    stage.bound(network, "pod1", fixed_ips=at(kept, 10))
    old = stage.bound(network, "pod1", fixed_ips=at(subnet, 10))
    stage.delete("port", old["id"])
    stage.delete("subnet", subnet["id"])
    again = stage.subnet(network, "10.0.0.0/23")
    with worker(stage, "pod1"):
        new = stage.bound(network, "pod1", fixed_ips=at(again, 10))
    right(stage, "pod1", new)


def test_what_somebody_else_has_is_told(stage: Stage) -> None:
    network, subnet = stage.network(**VLAN)
    stage.bound(network, "pod1")
    copies = (
        stage.copy("pod1", "networks", network["id"]),
        stage.copy("pod1", "subnets", subnet["id"]),
    )
    stage.neutron("pod1").make(
        "ports",
        "somebody",
        network_id=copies[0]["id"],
        fixed_ips=[{"subnet_id": copies[1]["id"], "ip_address": "10.0.0.77"}],
    )
    port = stage.bind(stage.port(network, fixed_ips=at(subnet, 77)), "pod1")
    assert "already allocated" in port["binding:vif_details"]["reason"]


def test_addresses_are_swapped_over_tunnels(stage: Stage, tunnels: Tunnels) -> None:
    network, subnet = stage.network(**VXLAN)
    ports = [tunnels.boot(network, "pod1", host) for host in ("host1", "host2")]
    stage.bound(network, "pod2")
    tunnels.settle()
    one, two = (int(there(stage, "pod1", port)[0].rpartition(".")[2]) for port in ports)
    for port, number in ((ports[0], 99), (ports[1], one), (ports[0], two)):
        move(stage, port, subnet, number)
    tunnels.settle()
    for port, number in zip(ports, (two, one), strict=True):
        shadow = tunnels.shadow("pod2", port)
        assert [ip["ip_address"] for ip in shadow["fixed_ips"]] == [f"10.0.0.{number}"]
    # A port that comes takes what a shadow still has, a shadow that comes what a port still has.
    stage.delete("port", ports[0]["id"])
    stage.bound(network, "pod2", fixed_ips=at(subnet, two), mac_address=ports[0]["mac_address"])
    stage.delete("port", ports[1]["id"])
    stage.reconcile("pod1")
    tunnels.look()
    tunnels.settle()
