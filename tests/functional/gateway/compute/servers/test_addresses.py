# SPDX-License-Identifier: Apache-2.0
"""Every document of a server shows its addresses as its users know them."""

import asyncio
import functools
import uuid
from typing import Any

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Gateway
from tests.functional.servers import make, plugged
from tests.waiting import eventually

OUTSIDE, BRIDGE = "203.0.113.7", "100.64.0.9"
Entries = dict[str, list[tuple[str, str | None]]]


async def server_on(gateway: Gateway, cloud: Cloud, name: str = "mine") -> tuple[str, Any, Any]:
    """(a server's id, its central port, the pod's) on a network of a name."""
    network = cloud.central.network(cloud.project_id, name)
    made = (await make(gateway, networks=[{"uuid": network["id"]}])).ok(202)["server"]
    _, (port,), (inside,) = plugged(cloud)
    return made["id"], port, inside


def floating(neutron: Any, port: Any, address: str) -> Any:
    """A floating IP that leads to a port; routers are of no matter here."""
    made = {
        "id": str(uuid.uuid4()), "project_id": port["project_id"], "port_id": port["id"],
        "floating_ip_address": address, "fixed_ip_address": port["fixed_ips"][0]["ip_address"],
    }  # fmt: skip
    neutron.tables["floatingips"][made["id"]] = made
    return made


def in_its_pod(cloud: Cloud, server_id: str) -> Any:
    return next(pod for pod in cloud.pods.values() if server_id in pod.nova.servers).neutron


async def everywhere(gateway: Gateway, server_id: str) -> Entries:
    """{network: [(address, type)]}, which all documents tell alike."""
    path = f"/servers/{server_id}"
    (listed,) = (await gateway.get("/servers/detail")).ok()["servers"]
    rebuild = {"rebuild": {"imageRef": gateway.cloud.image_id}}
    told = [
        (await gateway.get(path)).ok()["server"],
        (await gateway.put(path, {"server": {"description": "d"}}, version="2.90")).ok()["server"],
        (await gateway.post(f"{path}/action", rebuild)).ok(202)["server"],
        listed,
    ]
    found: list[Entries] = [
        {
            name: [(entry["addr"], entry["OS-EXT-IPS:type"]) for entry in entries]
            for name, entries in document["addresses"].items()
        }
        for document in told
    ]
    assert all(one == found[0] for one in found)
    plain = {
        name: [{"version": 4, "addr": address} for address, _ in entries]
        for name, entries in found[0].items()
    }
    assert (await gateway.get(f"{path}/ips")).ok() == {"addresses": plain}
    for name in plain:
        assert (await gateway.get(f"{path}/ips/{name}")).ok() == {name: plain[name]}
    return found[0]


async def test_a_floating_ip_is_the_users_own(gateway: Gateway, cloud: Cloud) -> None:
    """The pod translates to an address on a bridge to the pod with the external network."""
    server_id, port, inside = await server_on(gateway, cloud)
    fixed = port["fixed_ips"][0]["ip_address"]
    assert await everywhere(gateway, server_id) == {"mine": [(fixed, "fixed")]}
    mine = floating(cloud.central, port, OUTSIDE)
    # At once, whether the pod has it yet or not.
    wanted = {"mine": [(fixed, "fixed"), (OUTSIDE, "floating")]}
    assert await everywhere(gateway, server_id) == wanted
    floating(in_its_pod(cloud, server_id), inside, BRIDGE)
    assert await everywhere(gateway, server_id) == wanted
    mine["port_id"] = None
    assert await everywhere(gateway, server_id) == {"mine": [(fixed, "fixed")]}


async def test_a_network_has_its_new_name(gateway: Gateway, cloud: Cloud) -> None:
    server_id, port, _ = await server_on(gateway, cloud)
    cloud.central.tables["networks"][port["network_id"]]["name"] = "new"
    assert list(await everywhere(gateway, server_id)) == ["new"]
    gone = await gateway.get(f"/servers/{server_id}/ips/mine")
    assert (gone.status, gone.message) == (404, "Instance is not a member of specified network")


async def test_a_pods_word_stands_while_nobody_else_answers(gateway: Gateway, cloud: Cloud) -> None:
    server_id, port, inside = await server_on(gateway, cloud)
    floating(in_its_pod(cloud, server_id), inside, BRIDGE)
    await asyncio.to_thread(cloud.central.stop)
    fixed = port["fixed_ips"][0]["ip_address"]
    wanted = {"mine": [(fixed, "fixed"), (BRIDGE, "floating")]}
    assert await everywhere(gateway, server_id) == wanted


async def test_odd_addresses_harm_nobody_else(gateway: Gateway, cloud: Cloud) -> None:
    server_id, port, _ = await server_on(gateway, cloud)
    nova = next(pod.nova for pod in cloud.pods.values() if server_id not in pod.nova.servers)
    other = nova.add_server("odd")
    for odd in ([], {"n": 3}, {"n": [3]}, {"n": [{}]}, {"n": [{"addr": []}]}, 7):
        nova.addresses = lambda _, odd=odd: odd  # type: ignore[method-assign]
        listed = (await gateway.get("/servers/detail")).ok()["servers"]
        shown = {server["id"]: server["addresses"] for server in listed}
        assert shown[server_id]["mine"][0]["addr"] == port["fixed_ips"][0]["ip_address"]
        assert shown[other.id] == odd


async def test_what_is_known_is_asked_for_at_once(gateway: Gateway, cloud: Cloud) -> None:
    """One call for a list, or for a hundred servers of a longer one."""
    network = cloud.central.network(cloud.project_id, "mine")
    nics = [{"uuid": network["id"]}]
    (await make(gateway, networks=nics, min_count=3, availability_zone="az2")).ok(202)
    ports = cloud.central.ports()
    mine = floating(cloud.central, ports[0], OUTSIDE)

    async def asked(user: str) -> tuple[Any, list[str]]:
        cloud.journal.clear()
        listed = (await gateway.get("/servers/detail", user=user)).ok()["servers"]
        calls = [call.path for call in cloud.journal.find("central/network", "GET")]
        return listed, calls

    listed, calls = await asked("member")
    assert calls == ["/v2.0/server-addresses"]
    told = {
        server["id"]: [entry["addr"] for entry in server["addresses"]["mine"]] for server in listed
    }
    assert told == {
        port["device_id"]: [
            port["fixed_ips"][0]["ip_address"], *([OUTSIDE] if port is ports[0] else [])
        ]
        for port in ports
    }  # fmt: skip
    # Of a network that is left another's name is told.
    mine["port_id"] = None
    cloud.central.tables["networks"][network["id"]]["name"] = "new"
    assert {name for server in (await asked("member"))[0] for name in server["addresses"]} == {
        "new"
    }


async def test_addresses_of_many_projects_are_told_apart(gateway: Gateway, cloud: Cloud) -> None:
    server_id, port, _ = await server_on(gateway, cloud)
    floating(cloud.central, port, OUTSIDE)
    other = {**port, "id": str(uuid.uuid4()), "project_id": "other"}
    floating(cloud.central, other, "203.0.113.9")
    for user in ("member", "admin"):
        shown = (await gateway.get(f"/servers/{server_id}", user=user)).ok()["server"]
        assert [entry["addr"] for entry in shown["addresses"]["mine"]][1:] == [OUTSIDE]


async def test_central_neutron_is_asked_while_the_pod_is(gateway: Gateway, cloud: Cloud) -> None:
    server_id, port, _ = await server_on(gateway, cloud)
    path = f"/servers/{server_id}"
    floating(cloud.central, port, OUTSIDE)
    shown = (await gateway.get(path)).ok()
    assert shown["server"]["addresses"]["mine"][1]["addr"] == OUTSIDE
    pod = next(pod for pod in cloud.pods.values() if server_id in pod.nova.servers)
    cloud.journal.clear()
    held = pod.nova.fail(Kind.HELD, "GET", f"/servers/{server_id}$")
    asking = asyncio.ensure_future(gateway.get(path))
    asked = functools.partial(cloud.journal.find, "central/network", "GET")
    await eventually("both are asked", lambda: held.hit.is_set() and asked())
    held.go.set()
    assert (await asking).ok() == shown
    assert [call.path for call in asked()] == ["/v2.0/server-addresses"]


async def test_a_port_that_came_while_the_pod_was_asked(gateway: Gateway, cloud: Cloud) -> None:
    server_id, port, _ = await server_on(gateway, cloud)
    floating(cloud.central, port, OUTSIDE)
    early = cloud.central.fail(
        Kind.ALTERED, "GET", "/server-addresses$", times=1,
        alter=lambda *_: {"server_addresses": [{"id": server_id, "ports": []}]},
    )  # fmt: skip
    told = (await gateway.get(f"/servers/{server_id}")).ok()["server"]["addresses"]["mine"]
    assert early.hit.is_set()
    assert [entry["addr"] for entry in told][1:] == [OUTSIDE]
