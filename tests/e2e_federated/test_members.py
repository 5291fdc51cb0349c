# SPDX-License-Identifier: Apache-2.0
"""A real cloud of which Tricircle is no administrator: what a member of it can make."""

from collections.abc import Iterator
from typing import Any

import pytest

from lab import tricircle
from lab.settings import PASSWORD, Lab
from tests.e2e.site import eventually
from tests.e2e_federated.conftest import FOREIGN, KIND

pytestmark = pytest.mark.skipif(KIND != "credentials", reason="needs credentials of projects")


@pytest.fixture
def demoted(lab: Lab) -> Iterator[None]:
    """Tricircle's own account there is a mere member of some project."""
    session, url = tricircle.connect(lab).session, f"{lab.url('admin')}/tricircle/v1.0/pods"
    pod = lab.pod(FOREIGN)
    (known,) = session.get(url, params={"region_name": pod.region}).json()["pods"]
    access = tricircle.access(lab, pod)
    member = {"username": "demo3", "password": PASSWORD, "project_name": "demo3"}
    less = {**access, "service": member, "privileged": False}
    session.patch(f"{url}/{known['id']}", json={"pod": {"access": less}})
    yield
    session.patch(f"{url}/{known['id']}", json={"pod": {"access": access}})


def test_a_server_on_a_network_of_a_member(
    lab: Lab, demoted: None, demo: Any, admin: Any, there: Any, image: Any, flavor: Any, name: str
) -> None:
    project, zone = demo.current_project_id, lab.pod(FOREIGN).az
    made = []
    for kind, cidr in (("local", "10.92.0.0/24"), ("vlan", "10.93.0.0/24")):
        network = admin.network.create_network(
            name=f"{name}-{kind}", project_id=project, provider_network_type=kind
        )
        demo.network.create_subnet(network_id=network.id, ip_version=4, cidr=cidr)
        made.append(network)
    wanted = {"image_id": image.id, "flavor_id": flavor.id, "availability_zone": zone}

    def boots() -> Any:
        return demo.compute.create_server(name=name, networks=[{"uuid": made[0].id}], **wanted)

    server = eventually("central Neutron knows that it is no administrator", boots, 30)
    server = demo.compute.wait_for_server(server, wait=120)
    assert server.addresses[f"{name}-local"][0]["addr"].startswith("10.92.0.")
    inside = there.compute.get_server(server.id)
    (copy,) = [one for one in there.network.networks() if one.name == f"{name}-local"]
    assert copy.project_id == inside.project_id

    # What only an administrator could make is refused in words.
    body = {
        "name": name,
        "imageRef": image.id,
        "flavorRef": flavor.id,
        "availability_zone": zone,
        "networks": [{"uuid": made[1].id}],
    }
    refused = demo.session.post(
        "/servers",
        json={"server": body},
        endpoint_filter={"service_type": "compute", "region_name": "RegionOne"},
        raise_exc=False,
    )
    assert refused.status_code >= 400
    assert f"cannot be in pod {lab.pod(FOREIGN).region}" in refused.text

    demo.compute.delete_server(server)
    demo.compute.wait_for_delete(server, wait=60)
    for network in made:
        eventually(
            "the network goes",
            lambda network=network: (
                demo.network.delete_network(network, ignore_missing=True) or True
            ),
            30,
        )
    eventually(
        "nothing is left in the pod",
        lambda: not [one for one in there.network.networks() if one.name.startswith(name)],
        60,
    )
