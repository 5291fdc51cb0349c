# SPDX-License-Identifier: Apache-2.0
"""Fake pods refuse the filters of lists that stock Neutron refuses, and no others."""

import pytest
from neutron.api import extensions
from neutron_lib.api import attributes

from tests.functional.fakes.neutron_filters import FILTERS
from tests.functional.network.stage import Stage
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import PodRefused


def test_the_table_is_that_of_stock_neutron(stage: Stage) -> None:
    manager = extensions.PluginAwareExtensionManager.get_instance()
    assert "filter-validation" in manager.extensions
    resources = {name: dict(known) for name, known in attributes.RESOURCES.items()}
    manager.extend_resources("2.0", resources)
    stock = {}
    for collection in FILTERS:
        known = resources[collection.replace("-", "_")]
        attributes.populate_project_info(known)
        stock[collection] = {name for name, about in known.items() if about.get("is_filter")}
    assert stock == FILTERS


@pytest.mark.parametrize("collection", ["ports", "networks", "routers"])
def test_a_filter_that_is_none_is_refused(stage: Stage, collection: str) -> None:
    running = runtime.get()
    pod = running.registry.fresh().by_region("pod1")
    assert pod is not None
    neutron = running.engine.session(pod, Deadline(20)).neutron
    assert neutron.list(collection, name=["none"], fields=["id"], limit=5) == []
    with pytest.raises(PodRefused, match=r"\['changed_since'\] is invalid attribute for filtering"):
        neutron.list(collection, changed_since="2026-01-01T00:00:00Z")
