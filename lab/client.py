# SPDX-License-Identifier: Apache-2.0
"""The stock ``openstack`` client, as a user of the one region runs it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from lab import process
from lab.settings import REGION, Lab

_SECONDS = 180


def openstack(lab: Lab, *arguments: str, cloud: str = "demo") -> subprocess.CompletedProcess[str]:
    """Run it as one of the users of the lab's clouds.yaml.

    Raises subprocess.TimeoutExpired after three minutes.
    """
    return subprocess.run(
        [str(Path(sys.executable).parent / "openstack"), *arguments],
        env=process.environment(lab, environment(lab, cloud) | {"PYTHONWARNINGS": "ignore"}),
        capture_output=True,
        text=True,
        timeout=_SECONDS,
    )


def environment(lab: Lab, cloud: str) -> dict[str, str]:
    """What the client must be told to speak to the one region."""
    return {
        "OS_CLIENT_CONFIG_FILE": str(lab.clouds_yaml),
        "OS_CLOUD": cloud,
        "OS_REGION_NAME": REGION,
    }
