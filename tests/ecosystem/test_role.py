# SPDX-License-Identifier: Apache-2.0
"""The Ansible role installs a gateway that serves, and changes nothing the second time."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.http import LoopThread
from tests.functional.processes import free_ports
from tests.wheel import ROOT, built

PLAYBOOK = ROOT / "etc" / "ansible" / "tricircle.yaml"
PATIENCE = 60.0


@pytest.fixture
def cloud() -> Iterator[Cloud]:
    thread = LoopThread()
    made = Cloud(thread)
    yield made
    made.close()
    thread.close()


def play(ansible: Path, folder: Path, given: dict[str, Any]) -> tuple[dict[str, int], str]:
    """How it ended by its own count, and what was changed."""
    inventory = folder / "hosts.ini"
    inventory.write_text(
        "[tricircle_gateway]\nlocalhost ansible_connection=local\n[tricircle_xjob]\n"
    )
    env = {
        **os.environ, "ANSIBLE_HOME": str(folder / "ansible"), "LC_ALL": "C.UTF-8",
        "ANSIBLE_PYTHON_INTERPRETER": str(ansible / "python"), "ANSIBLE_NOCOLOR": "1",
    }  # fmt: skip
    env["PATH"] = f"{ansible}:{env['PATH']}"
    done = subprocess.run(
        [ansible / "ansible-playbook", "-i", inventory, PLAYBOOK, "-e", json.dumps(given)],
        env=env, cwd=folder, capture_output=True, text=True, timeout=600,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    told = re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])
    changed = re.findall(r"TASK \[(.*?)\] \*+\nchanged", done.stdout)
    return {name: int(count) for name, count in told}, ", ".join(changed)


def test_a_host_with_a_gateway(ansible: Path, cloud: Cloud, tmp_path: Path) -> None:
    compute, volume, admin = free_ports(3)
    home, etc = tmp_path / "opt", tmp_path / "etc"
    identity = {
        "auth_type": "password", "auth_url": f"{cloud.keystone.url}/v3", "username": "tricircle",
        "www_authenticate_uri": f"{cloud.keystone.url}/v3", "password": "secret",
        "project_name": "service", "user_domain_id": "default", "project_domain_id": "default",
    }  # fmt: skip
    given: dict[str, Any] = {
        "tricircle_package": str(built(tmp_path)),
        "tricircle_home": str(home),
        "tricircle_config": str(etc),
        "tricircle_units": str(tmp_path / "units"),
        "tricircle_python": getattr(sys, "_base_executable", sys.executable),
        "tricircle_user": os.environ.get("USER") or "root",
        "tricircle_make_user": False,
        "tricircle_start": False,
        "tricircle_options": {
            "tricircle_database": {"connection": f"sqlite:///{tmp_path}/tricircle.sqlite"},
            "tricircle_identity": identity,
            "markers": {"secrets": "0" * 64},
            "gateway": {
                "listen": "127.0.0.1",
                "compute_port": compute,
                "volume_port": volume,
                "admin_port": admin,
            },
        },
    }
    first, _ = play(ansible, tmp_path, given)
    assert first["changed"] >= 6
    second, what = play(ansible, tmp_path, given)
    assert second["changed"] == 0, what

    config = etc / "tricircle.conf"
    assert config.stat().st_mode & 0o777 == 0o400
    unit = (tmp_path / "units" / "tricircle-gateway.service").read_text()
    (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.M)
    assert command == f"{home}/bin/tricircle-gateway --config-file {config}"
    with (tmp_path / "log").open("wb") as log:
        gateway = subprocess.Popen(command.split(), stdout=log, stderr=log, cwd=tmp_path)
    try:
        token = cloud.keystone.issue("admin").id
        asked = urllib.request.Request(
            f"http://127.0.0.1:{admin}/tricircle/v1.0/pods", headers={"X-Auth-Token": token}
        )
        assert _answer(asked, gateway, tmp_path / "log") == {"pods": []}
    finally:
        gateway.terminate()
        gateway.wait(60)

    # What is set otherwise is changed, and nothing else.
    given["tricircle_options"]["gateway"]["workers"] = 2
    third, what = play(ansible, tmp_path, given)
    assert what == "tricircle : Configuration"
    assert third["changed"] == 1


def _answer(asked: urllib.request.Request, process: "subprocess.Popen[bytes]", log: Path) -> Any:
    until = time.monotonic() + PATIENCE
    while True:
        try:
            with urllib.request.urlopen(asked, timeout=10) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            raise AssertionError(error.read()) from error
        except OSError:
            assert process.poll() is None, log.read_text()[-3000:]
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.2)
