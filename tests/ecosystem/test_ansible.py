# SPDX-License-Identifier: Apache-2.0
"""Ansible's own collection ``openstack.cloud`` over the region."""

import os
import re
import subprocess
from pathlib import Path

from lab import client, process, tricircle
from lab.settings import Lab

PLAYBOOK = Path(__file__).parent / "playbook.yaml"
_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl nobody's"


def play(lab: Lab, ansible: Path, state: str, folder: Path) -> dict[str, int]:
    """How the playbook ended, by its own count: ok, changed, failed and so on."""
    given = {
        **client.environment(lab, "admin"),
        "ANSIBLE_LOCALHOST_WARNING": "false",
        "ANSIBLE_PYTHON_INTERPRETER": str(ansible / "python"),
        "ANSIBLE_HOME": str(folder),
        "PYTHONWARNINGS": "ignore",
        "LC_ALL": "C.UTF-8",
    }
    # Each task names the cloud it is for.
    del given["OS_CLOUD"]
    env = process.environment(lab, given)
    env["PATH"] = f"{ansible}:{os.environ['PATH']}"
    done = subprocess.run(
        [ansible / "ansible-playbook", PLAYBOOK, "-e", f"state={state}", "-e",
         f'{{"public_key": "{_KEY}"}}'],
        env=env, cwd=folder, capture_output=True, text=True, timeout=900,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    told = re.findall(r"(\w+)=(\d+)", done.stdout.rpartition("PLAY RECAP")[2])
    # What it changed is said of each task, for whoever reads why.
    print("\n".join(line for line in done.stdout.splitlines() if line.startswith("changed")))
    return {name: int(count) for name, count in told}


def test_a_playbook_run_twice_changes_nothing_the_second_time(
    lab: Lab, ansible: Path, tmp_path: Path
) -> None:
    demo = tricircle.connect(lab, "demo")
    try:
        first = play(lab, ansible, "present", tmp_path)
        assert first["changed"] == 13
        servers = {server.name: server for server in demo.compute.servers()}
        for zone in ("az1", "az2"):
            server = servers[f"eco-{zone}"]
            assert (server.status, server.availability_zone) == ("ACTIVE", zone)
            kinds = [one["OS-EXT-IPS:type"] for one in server.addresses["eco"]]
            assert sorted(kinds) == ["fixed", "floating"]
            assert len(server.attached_volumes) == 1
        second = play(lab, ansible, "present", tmp_path)
        assert second["changed"] == 0
    finally:
        gone = play(lab, ansible, "absent", tmp_path)
    assert gone["changed"] > 0
    assert play(lab, ansible, "absent", tmp_path)["changed"] == 0
    left = [server.name for server in demo.compute.servers()] + [
        volume.name for volume in demo.block_storage.volumes()
    ]
    assert not [name for name in left if name.startswith("eco")]
    assert not list(demo.network.ips())
