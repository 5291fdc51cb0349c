# SPDX-License-Identifier: Apache-2.0
"""A lab of two pods, of which the second has a Keystone and a Glance of its own."""

import os
from collections.abc import Iterator
from typing import Any

import openstack as sdk
import pytest

from lab import tricircle
from lab.settings import PASSWORD, Lab
from tests.e2e.conftest import admin, demo, flavor, image, name, openstack  # noqa: F401  (fixtures)
from tests.e2e.labs import standing

LAB_NAME = os.environ.get("FEDERATED_LAB_NAME", "fed")
FOREIGN = "pod2"
#: How it is entered.
KIND = os.environ.get("FEDERATED_KIND") or "managed"


@pytest.fixture(scope="session")
def user() -> str:
    return "demo"


@pytest.fixture(scope="session")
def lab() -> Iterator[Lab]:
    yield from standing(LAB_NAME, profile="ovn", pods=2, keystones={FOREIGN: KIND})


@pytest.fixture(scope="session")
def there(lab: Lab) -> Any:
    """The foreign pod as its own administrator sees it."""
    pod = lab.pod(FOREIGN)
    realm = lab.of(pod)
    return sdk.connect(
        auth_url=realm.identity_url,
        username="admin",
        password=PASSWORD,
        project_name="admin",
        user_domain_name="Default",
        project_domain_name="Default",
        region_name=pod.region,
        image_endpoint_override=realm.url("image"),
    )


@pytest.fixture(scope="session")
def reader(lab: Lab) -> Any:
    return tricircle.connect(lab, "reader")


@pytest.fixture(scope="session")
def stranger(lab: Lab) -> Any:
    """A member of another project."""
    return tricircle.connect(lab, "demo2")
