# SPDX-License-Identifier: Apache-2.0
"""OpenStack's dashboard over the region that users see, in a virtual environment of its own."""

from __future__ import annotations

import fcntl
import hashlib
import json
import shutil
import urllib.request
from collections.abc import Callable
from pathlib import Path

from lab import packages, process
from lab.settings import PASSWORD, PROJECT_ROOT, REGION, Lab

NAME = RELEASE = "horizon"
STOCK = packages.STOCK / "horizon"


def up(lab: Lab, say: Callable[[str], None]) -> None:
    """Start it over a region that is up; harmless when it runs. Raises LabError."""
    place = packages.venv(RELEASE)
    if not (place / ".complete").exists():
        say("installing Horizon")
        packages.install_venv(RELEASE)
    _make_static(lab, say)
    process.start(
        lab,
        NAME,
        [
            place / "bin" / "python",
            packages.STOCK / "wsgi_api.py",
            "dashboard_wsgi",
            lab.port("dashboard"),
        ],
        env=_environment(lab),
    )
    process.wait_for("Horizon", lambda: _answers(lab), 90, lab, NAME)
    say(f"Horizon is up at {lab.url('dashboard')}, for admin or demo with the password {PASSWORD}")


def _answers(lab: Lab) -> bool:
    with urllib.request.urlopen(lab.url("dashboard") + "/auth/login/", timeout=30) as reply:
        return bool(reply.status == 200)


def _environment(lab: Lab) -> dict[str, str]:
    told = {
        "identity": lab.identity_url,
        # Without it the pages' parts that it would keep are left out of what is compressed.
        "memcached": lab.memcached,
        "region": REGION,
        "secret": PASSWORD * 8,
        "static": str(_static()),
    }
    environment = packages.environment(RELEASE)
    # Tricircle itself is there for its panels, as a checkout.
    paths = (STOCK, environment["PYTHONPATH"], PROJECT_ROOT)
    return environment | {
        "PYTHONPATH": ":".join(map(str, paths)),
        "DJANGO_SETTINGS_MODULE": "openstack_dashboard.settings",
        "LAB_HORIZON": json.dumps(told),
    }


def _static() -> Path:
    """Where the files are that pages are made with; other settings are another place."""
    found = hashlib.sha256()
    for path in sorted(STOCK.rglob("*.py")):
        found.update(path.read_bytes())
    return packages.venv(RELEASE) / f"static-{found.hexdigest()[:12]}"


def _make_static(lab: Lab, say: Callable[[str], None]) -> None:
    """Collect and compress them unless they are there. One at a time."""
    place = _static()
    done = place / ".complete"
    if done.exists():
        return
    with open(place.parent / "static.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if done.exists():
            return
        say("compressing what Horizon's pages are made with")
        shutil.rmtree(place, ignore_errors=True)
        environment = process.environment(lab, _environment(lab))
        django = [packages.venv(RELEASE) / "bin" / "python", "-m", "django"]
        process.run([*django, "collectstatic", "--noinput", "-v", 0], env=environment)
        process.run([*django, "compress", "--force", "-v", 0], env=environment)
        done.touch()
