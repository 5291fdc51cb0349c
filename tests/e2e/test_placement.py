# SPDX-License-Identifier: Apache-2.0
"""The Placement of the region has what the pods' Placements have."""

from typing import Any

from tests.e2e.site import Site


def test_providers_of_all_pods(admin: Any, pods: dict[str, Any], site: Site) -> None:
    """Also at a microversion of before providers had parents."""
    there = {
        provider.id: (region, provider)
        for region, pod in pods.items()
        for provider in pod.placement.resource_providers()
    }
    found = {provider.id: provider for provider in admin.placement.resource_providers()}
    assert set(found) == set(there)
    assert {region for region, _ in there.values()} == set(pods)
    for uuid, (region, _) in there.items():
        path = f"/resource_providers/{uuid}"
        for what in ("", "/inventories", "/usages", "/traits", "/aggregates"):
            answers = [
                one.placement.get(path + what, microversion=version).json()
                for one in (admin, pods[region])
                for version in ("1.13", "1.36")
            ]
            assert answers[:2] == answers[2:], (path, what)


def test_a_servers_allocations_and_what_its_project_uses(
    admin: Any, pods: dict[str, Any], site: Site
) -> None:
    server = site.server("az2", "none")
    found = admin.placement.get(f"/allocations/{server.id}", microversion="1.12").json()
    here = pods["Pod2"].placement.get(f"/allocations/{server.id}", microversion="1.12").json()
    assert found == here
    (allocation,) = found["allocations"].values()
    assert allocation["resources"]["VCPU"] == 1
    query = {"project_id": found["project_id"]}
    used = admin.placement.get("/usages", params=query, microversion="1.9").json()["usages"]
    assert used["VCPU"] >= 1
