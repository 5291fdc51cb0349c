# SPDX-License-Identifier: Apache-2.0
"""The steps of docs/federation.md, as they are written there, against a real Keystone."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import client, process, tricircle
from lab.settings import PASSWORD, Lab
from tests.e2e.site import eventually
from tests.e2e_federated.conftest import FOREIGN, KIND

# The kinds that need no module of a web server.
pytestmark = pytest.mark.skipif(KIND != "managed", reason="the guide is tried with that lab")
GUIDE = Path(__file__).parents[2] / "docs" / "federation.md"
BIN = Path(sys.executable).parent
#: The lab's pod is registered already, as another one.
NAME, ZONE = "Guide", "az8"


def _steps(kind: str) -> list[str]:
    """The commands of a kind's section, block by block."""
    text = GUIDE.read_text()
    (section,) = re.findall(rf"^## `{kind}` in ten steps$(.*?)^## ", text, re.M | re.S)
    return re.findall(r"```sh\n(.*?)```", section, re.S)


def _named(block: str) -> str:
    """The same for another pod and other names, and without the command to try it with."""
    block = re.sub(
        r"(?<![/-])\btricircle\b(?!-manage)",
        "guide",
        block.replace("tricircle-manager", "guide-manager"),
    )
    block = block.replace('"region_name": "Pod2"', f'"region_name": "{NAME}"')
    block = block.replace('"availability_zone": "az2"', f'"availability_zone": "{ZONE}"')
    block = block.replace('"auth_url":', '"insecure": true, "auth_url":')
    lines = [line for line in block.splitlines() if "server create" not in line]
    return "\n".join(lines)


class Shell:
    def __init__(self, lab: Lab) -> None:
        self.lab, realm = lab, lab.of(lab.pod(FOREIGN))
        plain = {"OS_PASSWORD": PASSWORD, "OS_USER_DOMAIN_NAME": "Default",
                 "OS_PROJECT_DOMAIN_NAME": "Default", "OS_IDENTITY_API_VERSION": "3"}  # fmt: skip
        self.there = {**plain, "OS_AUTH_URL": realm.identity_url, "OS_USERNAME": "admin",
                      "OS_PROJECT_NAME": "admin", "OS_REGION_NAME": "Pod2"}  # fmt: skip
        self.here = client.environment(lab, "admin")
        self.known = {
            "MANAGER": "S3cretManager",
            "SERVICE": "S3cretService",
            "POD_KEYSTONE": realm.identity_url,
            "TRICIRCLE": lab.url("admin"),
        }

    def run(self, script: str, **env: str) -> str:
        whole = process.environment(self.lab, {**self.known, **env, "PYTHONWARNINGS": "ignore"})
        whole["PATH"] = f"{BIN}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", script], env=whole, capture_output=True, text=True, timeout=300
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


@pytest.fixture
def shell(lab: Lab) -> Shell:
    return Shell(lab)


@pytest.fixture
def forgotten(lab: Lab) -> Iterator[None]:
    """The pod that the guide registers is forgotten at the end."""
    yield
    session = tricircle.connect(lab).session
    url = f"{lab.url('admin')}/tricircle/v1.0/pods"
    for pod in session.get(url, params={"region_name": NAME}).json()["pods"]:
        session.delete(f"{url}/{pod['id']}", params={"force": "true"})


def _boots(demo: Any, image: Any, flavor: Any, name: str) -> None:
    """The last step."""
    server = demo.compute.create_server(
        name=name, image_id=image.id, flavor_id=flavor.id, networks="none", availability_zone=ZONE
    )
    demo.compute.wait_for_server(server, wait=120)
    shown = demo.compute.get_server(server.id)
    assert shown.project_id == demo.current_project_id
    demo.compute.delete_server(server)
    demo.compute.wait_for_delete(server, wait=60)


def _registered(told: str) -> str:
    """The id of the pod that the last line of what a block printed tells."""
    document = json.loads(told[told.index("{") :])
    assert document["pod"]["health"]["state"] == "up", document
    assert "S3cret" not in told
    return str(document["pod"]["id"])


def test_managed(
    shell: Shell, forgotten: None, demo: Any, image: Any, flavor: Any, name: str
) -> None:
    there, here = _steps("managed")
    shell.run(_named(there), **shell.there)
    key, _, rest = _named(here).partition("\n")
    assert len(shell.run(key.partition("#")[0]).strip()) == 44
    _registered(shell.run(rest, **shell.here))
    eventually("the pod is known", lambda: _boots(demo, image, flavor, name) or True, 120)


def test_credentials(
    shell: Shell, forgotten: None, demo: Any, image: Any, flavor: Any, name: str
) -> None:
    there, here = _steps("managed")
    account = [line for line in _named(there).splitlines() if "project" in line]
    shell.run("\n".join(f"{line.partition('#')[0]} || true" for line in account), **shell.there)
    token = next(line for line in here.splitlines() if line.startswith("TOKEN"))
    (block,) = _steps("credentials")
    register, made, give, shown = re.split(r"\n(?=openstack app|curl)", _named(block).strip())
    pod = _registered(shell.run(f"{token}\n{register}", **shell.here))
    member = shell.there | {"OS_USERNAME": "demo2", "OS_PROJECT_NAME": "demo2"}
    told = json.loads(shell.run(f"{made.partition('#')[0]} -f json", **member))
    # Releases of the client write them in capitals or not.
    credential = {name.lower(): value for name, value in told.items()}
    give = give.replace('"id": "…"', f'"id": "{credential["id"]}"')
    give = give.replace('"secret": "…"', f'"secret": "{credential["secret"]}"')
    project = demo.current_project_id
    ids = {"POD": pod, "PROJECT": project}
    told = shell.run(f"{token}\n{give}", **shell.here, **ids)
    assert json.loads(told[told.index("{") :])["credential"]["project_id"] == project
    assert project in shell.run(f"{token}\n{shown}", **shell.here, **ids)
    eventually("the pod is known", lambda: _boots(demo, image, flavor, name) or True, 120)
