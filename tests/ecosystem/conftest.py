# SPDX-License-Identifier: Apache-2.0
"""A lab with Tricircle, of servers without packets: what clients say and hear is what counts."""

import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import packages
from lab.settings import Lab
from tests.e2e.labs import standing
from tests.wheel import ROOT

#: The bundle that has the collection: the index of collections is no package index.
RELEASE = "12.3.0"
#: It asks for `openstack.version`, which later ones do not load by themselves.
SDK = "openstacksdk==4.14.0"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing("eco", profile="fake")


@pytest.fixture(scope="session")
def ansible() -> Path:
    """Its programs, in an environment of its own that is kept."""
    place = packages.cache() / f"ansible-{RELEASE}-{SDK}"
    place.parent.mkdir(parents=True, exist_ok=True)
    with (place.parent / "ansible.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (place / ".complete").exists():
            uv = os.environ.get("UV") or shutil.which("uv") or ROOT / ".uv" / "bin" / "uv"
            subprocess.run([uv, "venv", "-q", "--clear", "-p", sys.executable, place], check=True)
            wanted = [f"ansible=={RELEASE}", SDK]
            python = place / "bin" / "python"
            subprocess.run([uv, "pip", "install", "-q", "-p", python, *wanted], check=True)
            (place / ".complete").touch()
    return place / "bin"
