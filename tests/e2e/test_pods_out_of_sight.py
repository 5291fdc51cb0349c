# SPDX-License-Identifier: Apache-2.0
"""A project in whose catalogue there is RegionOne alone: users see no pod, and all works."""

from collections.abc import Iterator
from typing import Any

import openstack
import pytest
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from lab.settings import PASSWORD, REGION, Lab
from tests.e2e.site import Site, eventually

USERS_SEE = {"name": "users", "filters": {"region_id": REGION}}


@pytest.fixture
def apart(lab: Lab, admin: Any, name: str) -> Iterator[Any]:
    """A connection of a user whose project is associated with the endpoints of RegionOne."""
    identity = admin.identity
    project = identity.create_project(name=name, domain_id="default")
    made = identity.create_user(
        name=name, password=PASSWORD, domain_id="default", default_project_id=project.id
    )
    identity.assign_project_role_to_user(project, made, identity.find_role("member"))
    answer = identity.post(
        "/OS-EP-FILTER/endpoint_groups", json={"endpoint_group": USERS_SEE | {"name": name}}
    )
    group = f"/OS-EP-FILTER/endpoint_groups/{answer.json()['endpoint_group']['id']}"
    identity.put(f"{group}/projects/{project.id}")
    auth = v3.Password(
        auth_url=lab.identity_url, username=name, password=PASSWORD, project_name=name,
        user_domain_name="Default", project_domain_name="Default",
    )  # fmt: skip
    yield openstack.connection.Connection(session=Session(auth=auth), region_name=REGION)
    identity.delete(f"{group}/projects/{project.id}")
    identity.delete(group)
    identity.delete_user(made)
    identity.delete_project(project)


def test_users_see_one_region_alone(apart: Any, image: Any, flavor: Any, site: Site) -> None:
    catalogue = apart.session.auth.get_access(apart.session).service_catalog.catalog
    regions = {endpoint["region"] for service in catalogue for endpoint in service["endpoints"]}
    assert regions == {REGION}
    theirs = Site(apart, image, flavor, site.name)
    try:
        network = theirs.network("10.91.0.0/24")
        servers = [theirs.server(zone, [{"uuid": network.id}]) for zone in ("az1", "az2")]
        for zone, server in zip(("az1", "az2"), servers, strict=True):
            volume = apart.block_storage.create_volume(size=1, availability_zone=zone)
            apart.block_storage.wait_for_status(volume, "available", interval=1, wait=60)
            apart.compute.create_volume_attachment(server, volume_id=volume.id)
            apart.block_storage.wait_for_status(volume, "in-use", interval=1, wait=60)
            apart.compute.delete_volume_attachment(server, volume)
            apart.block_storage.wait_for_status(volume, "available", interval=1, wait=60)
            apart.block_storage.delete_volume(volume)
            assert apart.compute.get_server_console_output(server)
        eventually("volumes are gone", lambda: not list(apart.block_storage.volumes()))
    finally:
        theirs.clean()
    site.made += theirs.made


@pytest.mark.parametrize("words", [("pod", "list", "--long"), ("zone", "list")])
def test_operators_have_commands(openstack: Any, words: tuple[str, ...]) -> None:
    printed = openstack("multiregion", *words, cloud="admin")
    assert "az2" in printed
