# SPDX-License-Identifier: Apache-2.0
"""The lab that tests run on: one that is up is reused, else it is brought up and taken down."""

from collections.abc import Iterator
from typing import Any

from lab import cli, dataplane, process, settings, tricircle
from lab.settings import Lab, LabError


def standing(name: str, **wanted: Any) -> Iterator[Lab]:
    """The lab of that name with Tricircle, for all tests; ``wanted`` as ``cli.ensure_up`` has it.

    One that is up keeps its shape, but must be of the profile. A switch that crashed meanwhile
    fails the run.
    """
    reused = _is_up(name)
    try:
        lab = cli.ensure_up(name, with_tricircle=True, **wanted)
        yield lab
        crashes = dataplane.check(lab)
        assert not crashes, "\n".join(crashes)
    finally:
        if not reused:
            cli.down(settings.load(name))


def _is_up(name: str) -> bool:
    try:
        return process.alive(settings.load(name), tricircle.GATEWAY) is not None
    except LabError:
        return False
