# SPDX-License-Identifier: Apache-2.0
"""Horizon over the region, in a real browser: no page tells of an error."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from lab.settings import Lab
from tests.e2e.site import eventually
from tests.e2e_dashboard.visitor import Visitor

Visit = Callable[[str], Visitor]
#: What the menu has that is no page but a file.
FILES = ("/openrc/", "/clouds.yaml/")


@pytest.fixture
def network(demo: Any, external: Any, name: str) -> Iterator[Any]:
    """A user's network with a router to the external one; what is on it goes with it."""
    outside = external("Pod1", "Pod2")
    made = demo.network.create_network(name=name)
    subnet = demo.network.create_subnet(
        network_id=made.id, name=name, ip_version=4, cidr="10.77.0.0/24"
    )
    router = demo.network.create_router(name=name, external_gateway_info={"network_id": outside.id})
    demo.network.add_interface_to_router(router, subnet_id=subnet.id)
    yield made
    for server in demo.compute.servers(name=name):
        demo.compute.delete_server(server)
        demo.compute.wait_for_delete(server)
    for address in demo.network.ips(floating_network_id=outside.id):
        demo.network.delete_ip(address)
    for volume in demo.block_storage.volumes(name=name):
        eventually("the volume is free", lambda one=volume: _is(demo, one, "available"))
        demo.block_storage.delete_volume(volume)
        demo.block_storage.wait_for_delete(volume)
    demo.network.remove_interface_from_router(router, subnet_id=subnet.id)
    demo.network.delete_router(router)
    demo.network.delete_network(made)


@pytest.fixture
def server(demo: Any, network: Any, image: Any, flavor: Any, name: str) -> Any:
    """A server in the second zone with a volume."""
    made = demo.compute.create_server(
        name=name,
        image_id=image.id,
        flavor_id=flavor.id,
        networks=[{"uuid": network.id}],
        availability_zone="az2",
    )
    volume = demo.block_storage.create_volume(name=name, size=1, availability_zone="az2")
    made = demo.compute.wait_for_server(made)
    demo.block_storage.wait_for_status(volume, "available")
    demo.compute.create_volume_attachment(made, volume_id=volume.id)
    eventually("it is attached", lambda: _is(demo, volume, "in-use"))
    return made


def _is(demo: Any, volume: Any, status: str) -> bool:
    return str(demo.block_storage.get_volume(volume).status) == status


def test_no_page_tells_of_an_error(demo: Any, server: Any, network: Any, visit: Visit) -> None:
    """Of a member, then of an administrator: all that the menu has, and pages of single things."""
    (attached,) = demo.compute.volume_attachments(server)
    more = {
        "demo": [
            f"/project/instances/{server.id}/",
            f"/project/volumes/{attached.volume_id}/",
            f"/project/networks/{network.id}/detail",
        ],
        "admin": [
            f"/admin/instances/{server.id}/detail",
            f"/admin/networks/{network.id}/detail",
        ],
    }
    for user, least in (("demo", 15), ("admin", 45)):
        visitor = visit(user)
        pages = [page for page in visitor.pages() if not page.endswith(FILES)]
        assert len(pages) > least
        assert list(visitor.complaints(pages + more[user])) == []


def test_a_console_and_the_topology(
    lab: Lab, server: Any, visit: Visit, picture: Callable[[str], Any]
) -> None:
    visitor = visit("demo")
    window = visitor.open(f"/project/instances/{server.id}/?tab=instance_details__console")
    assert window.errors() == []
    source = window.run("document.querySelector('#console_embed').src")
    assert source.startswith(lab.url("console")), source
    visitor.open("/project/network_topology/")
    window.until(
        f"document.querySelector('#topologyCanvasContainer').innerHTML.includes({server.name!r})",
        "server in the picture",
    )
    picture("topology")


def test_administrators_see_the_pods(
    server: Any, visit: Visit, picture: Callable[[str], Any]
) -> None:
    visitor = visit("admin")
    window = visitor.open("/admin/pods/")
    tiles = window.run(
        "[...document.querySelectorAll('#pods-map .panel')]"
        ".map(one => [one.dataset.pod, one.className.includes('panel-success')])"
    )
    assert tiles == [["Pod1", True], ["Pod2", True]]
    picture("pods")
    window.click("#pods-map .panel a", "Pod2")
    window.until("document.querySelector('#services')", "page of the pod")
    assert "2.1 - 2." in window.text()
    picture("pod")
    page = window.run("location.pathname")
    tabs = [f"{page}?tab=pod__{tab}" for tab in ("jobs", "repairs", "moves", "images", "changes")]
    assert list(visitor.complaints(tabs)) == []
    for state in ("draining", "enabled"):
        visitor.open(f"{page}state/")
        window.fill("#id_state", state.capitalize())
        window.submit("#pod_state_form [type=submit]")
        assert f"Pod Pod2 is in state {state} now." in window.text()
    visitor.open(f"/admin/placements/{server.id}/")
    assert "is in availability zone az1, not az2" in window.text()
    picture("placement")


def test_a_user_makes_what_they_need(
    demo: Any, network: Any, flavor: Any, name: str, visit: Visit
) -> None:
    visitor = visit("demo")
    window = visitor.window
    visitor.launch(name, "az2", "tiny", flavor.name, name)
    (server,) = demo.compute.servers(name=name)
    server = demo.compute.wait_for_server(server)
    assert server.availability_zone == "az2"

    visitor.open("/project/volumes/create/")
    window.fill("#id_name", name)
    window.fill("#id_size", "1")
    window.fill("#id_availability_zone", "az2")
    window.submit("form[action*=create] [type=submit]")
    assert window.errors() == []
    (volume,) = demo.block_storage.volumes(name=name)
    demo.block_storage.wait_for_status(volume, "available")

    visitor.open("/project/floating_ips/allocate/")
    window.submit("form[action*=allocate] [type=submit]")
    assert window.errors() == []
    (port,) = demo.network.ports(device_id=server.id)
    visitor.open(f"/project/floating_ips/associate/?port_id={port.id}")
    address = next(ip for ip in demo.network.ips() if not ip.port_id).floating_ip_address
    window.fill("#id_ip_id", address)
    window.submit("form[action*=associate] [type=submit]")
    assert window.errors() == []
    visitor.open("/project/instances/")
    window.until(f"document.body.innerText.includes({address!r})", "floating IP")
