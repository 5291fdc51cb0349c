# SPDX-License-Identifier: Apache-2.0
"""The steps of docs/federation.md, as they are written there, against a real Keystone."""

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lab import client, process, tricircle
from lab.services import apache, keystone
from lab.settings import PASSWORD, Lab
from tests.e2e.site import eventually
from tests.e2e_federated.conftest import FOREIGN, KIND

# The kinds that need no module of a web server.
plain = pytest.mark.skipif(KIND != "managed", reason="the guide is tried with that lab")
behind_apache = pytest.mark.skipif(KIND not in ("k2k", "jwt"), reason="needs a pod behind Apache")
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

    def run(self, script: str, folder: Path | None = None, **env: str) -> str:
        """``folder`` is where it runs; programs of a folder ``bin`` there come first."""
        whole = process.environment(self.lab, {**self.known, **env, "PYTHONWARNINGS": "ignore"})
        first = f"{folder / 'bin'}:" if folder else ""
        whole["PATH"] = f"{first}{BIN}:{os.environ['PATH']}"
        done = subprocess.run(
            ["bash", "-ec", script], env=whole, capture_output=True, text=True, timeout=300,
            cwd=folder,
        )  # fmt: skip
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


def _boots(demo: Any, image: Any, flavor: Any, name: str, zone: str = ZONE) -> None:
    """The last step."""
    server = demo.compute.create_server(
        name=name, image_id=image.id, flavor_id=flavor.id, networks="none", availability_zone=zone
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


@plain
def test_managed(
    shell: Shell, forgotten: None, demo: Any, image: Any, flavor: Any, name: str
) -> None:
    there, here = _steps("managed")
    shell.run(_named(there), **shell.there)
    key, _, rest = _named(here).partition("\n")
    assert len(shell.run(key.partition("#")[0]).strip()) == 44
    _registered(shell.run(rest, **shell.here))
    eventually("the pod is known", lambda: _boots(demo, image, flavor, name) or True, 120)


@plain
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


# -- pods that believe what a web server's module says -------------------------------------------


class Distrust:
    """The pod is forgotten, and its Keystone believes in nobody from elsewhere: as it was before
    the lab did what the guide tells."""

    def __init__(self, lab: Lab, there: Any) -> None:
        session, url = tricircle.connect(lab).session, f"{lab.url('admin')}/tricircle/v1.0/pods"
        pod = lab.pod(FOREIGN)
        for known in session.get(url, params={"region_name": pod.region}).json()["pods"]:
            session.delete(f"{url}/{known['id']}", params={"force": "true"})
        federation = f"{lab.identity_url}/OS-FEDERATION"
        session.delete(f"{federation}/service_providers/{pod.region}", raise_exc=False)
        keystone, identity = f"{lab.of(pod).identity_url}/OS-FEDERATION", there.identity
        for what in ("identity_providers", "mappings"):
            there.session.delete(f"{keystone}/{what}/{apache.PROVIDER}", raise_exc=False)
        domain = identity.find_domain("tricircle", ignore_missing=False)
        identity.update_domain(domain, is_enabled=False)
        identity.delete_domain(domain)
        identity.delete_user(identity.find_user("tricircle", domain_id="default"))


def _programs(lab: Lab, folder: Path) -> None:
    """What the commands run: each with the lab's own configuration."""
    manage, environment = keystone.manage_command(lab)
    ours = [str(BIN / "tricircle-manage"), "--config-file", str(tricircle.config_file(lab))]
    (folder / "bin").mkdir()
    for name, command, more in (
        ("keystone-manage", manage, environment),
        ("tricircle-manage", ours, {}),
    ):
        lines = [f"export {key}={shlex.quote(value)}" for key, value in more.items()]
        lines.append(f'exec {shlex.join(command)} "$@"')
        path = folder / "bin" / name
        path.write_text("\n".join(["#!/bin/bash", *lines, ""]))
        path.chmod(0o755)


def _register(shell: Shell, block: str, folder: Path) -> None:
    _, managed = _steps("managed")
    token = next(line for line in managed.splitlines() if line.startswith("TOKEN"))
    block = block.replace('"auth_url":', '"insecure": true, "auth_url":')
    kept = "\n".join(line for line in block.splitlines() if "server create" not in line)
    _registered(shell.run(f"{token}\n{kept}", folder, **shell.here))


@behind_apache
def test_behind_a_web_server(
    shell: Shell, lab: Lab, there: Any, demo: Any, image: Any, flavor: Any, name: str,
    tmp_path: Path,
) -> None:  # fmt: skip
    """The last test of its lab: the pod is what the guide has made of it from then on."""
    realm = lab.of(lab.pod(FOREIGN))
    Distrust(lab, there)
    _programs(lab, tmp_path)
    shell.known |= {"POD_WEB": apache.root(realm), "ENTITY_ID": keystone.entity_id(lab)}
    here, pods, register = _steps(KIND)
    machines = ("apt-get",)  # done when the lab was set up
    here = "\n".join(line for line in here.splitlines() if not line.startswith(machines))
    here = here.replace("/etc/tricircle/signing.pem", "signing.pem")
    shell.run(here, tmp_path, **shell.here)
    shell.run(pods, tmp_path, **shell.there)
    if KIND == "k2k":
        assert (tmp_path / "metadata.xml").read_text() == keystone.metadata(lab).read_text()
    else:
        (key,) = json.loads((tmp_path / "jwks.json").read_text())["keys"]
        # What the guide tells Apache is what this pod's has been told, but for where the key is.
        config = apache.config_file(realm).read_text()
        assert f"{key['kid']}#" in config
        (block,) = re.findall(r"```apache\n(.*?)```", GUIDE.read_text(), re.S)
        for line in block.splitlines():
            if not line.startswith(("#", "OIDCOAuthVerify", "<Location")):
                assert line.strip() in config, line
    _register(shell, register, tmp_path)
    zone = lab.pod(FOREIGN).az
    eventually("the pod is known", lambda: _boots(demo, image, flavor, name, zone) or True, 120)
