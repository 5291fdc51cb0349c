# SPDX-License-Identifier: Apache-2.0
"""``conn.tricircle``: found by the catalogue, typed, and held to access rules."""

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import openstack
import pytest
from openstack.service_description import ServiceDescription

import tricircle.client
from tests.functional import gateway_harness
from tests.functional.client.shell import register
from tests.functional.fakes.cloud import REGION, Cloud
from tests.functional.gateway_harness import Gateway
from tricircle.client import resources

pytestmark = pytest.mark.filterwarnings("ignore")


def connect(cloud: Cloud, kind: Any = openstack.connection.Connection, **more: Any) -> Any:
    return kind(
        auth={
            "auth_url": f"{cloud.keystone.url}/v3",
            "username": "admin",
            "password": "secret",
            "project_name": "admin",
            "user_domain_id": "default",
            "project_domain_id": "default",
        },
        region_name=REGION,
        **more,
    )


async def test_resources_are_typed_and_pages_are_followed(gateway: Gateway, cloud: Cloud) -> None:
    register(gateway)

    def work() -> None:
        client = connect(cloud, vendor_hook="tricircle.client:extend").tricircle
        pods = list(client.pods(limit=1))
        assert {pod.region_name for pod in pods} == {"pod1", "pod2", "pod3"}
        assert all(isinstance(pod, resources.Pod) for pod in pods)
        pod = client.find_pod("pod2")
        assert pod.id == gateway.pod_ids["pod2"]
        changed = client.update_pod(pod, dc_name="nyc")
        assert (changed.dc_name, changed.availability_zone) == ("nyc", "az2")
        (usage,) = client.usages(region_name="pod2")
        assert usage.capacity["hosts"] == 2
        assert usage.jobs == {"pending": 0, "working": 0, "failing": 0}
        binding = client.create_binding(cloud.project_id, pod.id)
        assert [found.id for found in client.bindings(project_id=cloud.project_id)] == [binding.id]

    await asyncio.to_thread(work)


async def test_a_stock_sdk_finds_the_api(gateway: Gateway, cloud: Cloud) -> None:
    """Without any code of ours ``conn.tricircle`` speaks to the API."""
    register(gateway)

    class Stock(openstack.connection.Connection):  # type: ignore[misc]
        """Whatever other tests have extended."""

        tricircle = ServiceDescription("multi-region-network-automation")

    def work() -> None:
        client = connect(cloud, Stock).tricircle
        assert client.get_api_major_version() == (1, 0)
        pods = client.get("/pods").json()["pods"]
        assert {pod["region_name"] for pod in pods} == {"pod1", "pod2", "pod3"}

    await asyncio.to_thread(work)


async def test_links_are_those_users_reach(cloud: Cloud, tmp_path: Path, database: str) -> None:
    options = {"admin_public_endpoint": "https://cloud.example.org:19999",
               "public_endpoint": "https://cloud.example.org:8774"}  # fmt: skip
    async with gateway_harness.running(cloud, tmp_path, database, **options) as gateway:
        answer = await gateway.manage("GET", "/pods", query={"limit": "1"})
        (link,) = answer.ok(200)["pods_links"]
        assert link["href"].startswith("https://cloud.example.org:19999/tricircle/v1.0/pods?")


@pytest.mark.parametrize("name", ["multi-region-network-automation", "tricircle", "compute"])
async def test_access_rules_name_it_as_the_catalogue_does(
    gateway: Gateway, cloud: Cloud, name: str
) -> None:
    register(gateway)
    token = cloud.keystone.issue("admin")
    token.access_rules = [{"service": name, "method": "GET", "path": "/tricircle/v1.0/pods"}]
    headers = {"X-Auth-Token": token.id}
    status = 401 if name == "compute" else 200
    assert (await gateway.manage("GET", "/pods", headers=headers)).status == status
    assert (await gateway.manage("GET", "/jobs", headers=headers)).status == 401


def test_the_client_stands_alone(tmp_path: Path) -> None:
    """With its folder and nothing else of Tricircle."""
    package = tmp_path / "tricircle"
    package.mkdir()
    package.joinpath("__init__.py").touch()
    package.joinpath("client").symlink_to(Path(tricircle.client.__file__).parent)
    program = (
        "import sys, tricircle.client.osc.pods, tricircle.client.osc.places, "
        "tricircle.client.osc.plugin, tricircle.client.osc.work\n"
        "ours = {name for name in sys.modules if name.startswith('tricircle.')}\n"
        "assert all(name.startswith('tricircle.client') for name in ours), ours\n"
        "assert not {'aiohttp', 'sqlalchemy', 'oslo_db', 'neutron'} & set(sys.modules)\n"
        f"assert tricircle.__file__.startswith({str(tmp_path)!r})\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        capture_output=True, text=True, env=environment, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
