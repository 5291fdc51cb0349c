# SPDX-License-Identifier: Apache-2.0
"""A lab of one pod in which a tenant has things of their own before the region knows of them."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from lab import tricircle
from lab.settings import Lab
from tests.e2e.conftest import (  # noqa: F401  (fixtures)
    admin,
    demo,
    external,
    flavor,
    image,
    name,
    openstack,
)
from tests.e2e.labs import standing

LAB_NAME = os.environ.get("ADOPTED_LAB_NAME", "adopted")


@pytest.fixture(scope="session")
def user() -> str:
    return "demo"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing(LAB_NAME, profile="ovn", pods=1, external="pod1")


@pytest.fixture(scope="session")
def there(lab: Lab, user: str) -> Any:
    """The tenant's connection straight to the pod."""
    return tricircle.connect(lab, user, region=lab.pods[0].region)


@pytest.fixture(scope="session")
def operator(lab: Lab) -> Any:
    """The pod's administrator."""
    return tricircle.connect(lab, region=lab.pods[0].region)
