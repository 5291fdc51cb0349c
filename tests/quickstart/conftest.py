# SPDX-License-Identifier: Apache-2.0
"""Two pods that know nothing of Tricircle: a lab of its own."""

from collections.abc import Iterator

import pytest

from lab import bringup, cli, identity, infra, settings
from lab.settings import Lab

NAME = "quick"


@pytest.fixture(scope="session")
def pods() -> Iterator[Lab]:
    bringup.down(settings.new(NAME))  # whatever an earlier run left
    lab = cli.ensure_up(NAME, profile="fake")
    try:
        # The lab has these for its own Tricircle.
        keystone = identity.connection(lab).identity
        keystone.delete_user(keystone.find_user("tricircle", ignore_missing=False))
        infra.sql(lab, "drop database tricircle; drop database central_neutron")
        yield lab
    finally:
        bringup.down(lab)
