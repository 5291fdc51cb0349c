# SPDX-License-Identifier: Apache-2.0
"""Programs of other people that a few tests run, from Debian."""

import fcntl
import os
import shutil

import pytest

from lab import packages

# Where Debian has programs that are no user's.
_PATH = f"{os.environ['PATH']}:/usr/sbin"


def program(name: str, package: str) -> str:
    """Where a program is. It is installed first where it is missing and we may; else the test is
    skipped, as CONTRIBUTING says."""
    found = shutil.which(name, path=_PATH)
    if found is None and os.geteuid() == 0 and shutil.which("apt-get"):
        # Of tests side by side one installs: apt's lists have a lock for which nobody waits.
        packages.cache().mkdir(parents=True, exist_ok=True)
        with (packages.cache() / "debian.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            packages.install_debian([package])
        found = shutil.which(name, path=_PATH)
    if found is None:
        pytest.skip(f"{name} is not here: apt-get install {package}")
    return found
