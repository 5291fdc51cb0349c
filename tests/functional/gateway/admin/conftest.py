# SPDX-License-Identifier: Apache-2.0
"""The Admin API over its real pipeline and a real database; Keystone is a table."""

import dataclasses
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp.test_utils import RawTestServer, TestClient

from tests import database
from tests.functional.pods import conftest as pods_conftest
from tricircle.conf import CONF
from tricircle.gateway import app, authorization, pipeline
from tricircle.gateway.http.context import Context
from tricircle.gateway.http.errors import Fault
from tricircle.pods.identity import KeystoneFailed
from tricircle.policies import Policies

db = database.db
cloud = pods_conftest.cloud
ROOT = "/tricircle/v1.0"
PROJECT = "d" * 32


def caller(*roles: str, project: str = PROJECT, system: bool = False) -> Context:
    """Who a token belongs to, as keystonemiddleware tells it."""
    return Context(
        request_id="",
        user_id="u",
        project_id="" if system else project,
        roles=roles,
        system_scope="all" if system else None,
    )


CALLERS = {
    "admin": caller("admin", "member", "reader"),
    "system-admin": caller("admin", "member", "reader", system=True),
    "system-reader": caller("reader", system=True),
    "member": caller("member", "reader"),
    "reader": caller("reader"),
    "nobody": caller("other"),
}


class Authenticator:
    async def authenticate(self, token: str, *_: Any) -> Context:
        if token not in CALLERS:
            raise Fault(401, "Who?")
        return CALLERS[token]


@dataclasses.dataclass
class Keystone:
    """``catalogue`` is {region: {service: URL}}; with ``away`` set nothing is answered."""

    catalogue: dict[str, dict[str, str]]
    projects: set[str]
    away: bool = False

    def _answer(self) -> None:
        if self.away:
            raise KeystoneFailed("Keystone did not answer /regions: connection refused")

    def regions(self) -> dict[str, str | None]:
        self._answer()
        return {"RegionOne": None} | dict.fromkeys(self.catalogue, "RegionOne")

    def endpoints(self, region: str, fresh: bool = False) -> dict[str, str]:
        self._answer()
        assert fresh, "a new region is not in a kept catalogue"
        return self.catalogue.get(region, {})

    def project_exists(self, project_id: str) -> bool:
        self._answer()
        return project_id in self.projects


@pytest.fixture
def policy_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Where an operator's own rules would be."""
    monkeypatch.setattr(authorization, "_POLICIES", Policies())
    # After a test that had a gateway the process cannot do without a URL of Keystone.
    settings = tmp_path / "tricircle.conf"
    settings.write_text(
        "[tricircle_identity]\nauth_url = http://keystone\n"
        # However busy the machine is, a pod that answers is up.
        "[pods]\nprobe_deadline = 30\n"
    )
    CONF(
        [],
        project="tricircle",
        default_config_files=[str(settings)],
        default_config_dirs=[],
    )
    path = tmp_path / "policy.yaml"
    CONF.set_override("policy_file", str(path), group="oslo_policy")
    yield path
    CONF.clear_override("policy_file", group="oslo_policy")
    CONF.reset()


class Api:
    """Calls to the Admin API; ``as_`` names one of CALLERS."""

    def __init__(self, client: TestClient[Any, Any], keystone: Keystone) -> None:
        self.client = client
        self.keystone = keystone

    async def __call__(
        self, method: str, path: str, json: Any = None, as_: str = "admin", **more: Any
    ) -> tuple[int, Any]:
        headers = {"X-Auth-Token": as_} if as_ else {}
        answer = await self.client.request(method, path, json=json, headers=headers, **more)
        content = await answer.read()
        return answer.status, (await answer.json() if content else None)

    async def pod(self, region: str = "Pod1", zone: str = "az1", **more: Any) -> dict[str, Any]:
        """A registered pod's document."""
        wanted = {"region_name": region, "availability_zone": zone, **more}
        status, document = await self("POST", f"{ROOT}/pods", {"pod": wanted})
        assert status == 201, document
        found: dict[str, Any] = document["pod"]
        return found


@pytest.fixture
async def api(db: None, policy_file: Path, cloud: Any) -> AsyncIterator[Api]:
    regions = {f"Pod{number}": cloud.catalogue for number in range(1, 6)}
    keystone = Keystone(regions, {PROJECT, "e" * 32})
    services = dataclasses.replace(app.make_services(), identity=keystone)
    services.authenticator = Authenticator()
    async with TestClient(
        RawTestServer(pipeline.Pipeline(app.admin_api(), services).respond)
    ) as client:
        yield Api(client, keystone)
