# SPDX-License-Identifier: Apache-2.0
"""The Placement of the region has what the pods' Placements have."""

from typing import Any

from tests.e2e.site import Site

# They change with each server that anybody makes meanwhile.
PASSING = ("generation", "resource_provider_generation", "usages")


def lasting(document: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in document.items() if name not in PASSING}


def test_providers_of_all_pods(admin: Any, pods: dict[str, Any]) -> None:
    """Also at a microversion of before providers had parents."""
    there = {
        provider.id: region
        for region, pod in pods.items()
        for provider in pod.placement.resource_providers()
    }
    assert set(there.values()) == set(pods)
    assert {provider.id for provider in admin.placement.resource_providers()} == set(there)
    for uuid, region in there.items():
        for what in ("", "/inventories", "/usages", "/traits", "/aggregates"):
            path = f"/resource_providers/{uuid}{what}"
            for version in ("1.13", "1.36"):
                ours, its = (
                    one.placement.get(path, microversion=version).json()
                    for one in (admin, pods[region])
                )
                assert set(ours) == set(its), (path, version)
                assert lasting(ours) == lasting(its), (path, version)


def test_a_servers_allocations_and_what_its_project_uses(
    admin: Any, pods: dict[str, Any], site: Site
) -> None:
    server = site.server("az2", "none")
    path = f"/allocations/{server.id}"
    ours, its = (
        one.placement.get(path, microversion="1.12").json() for one in (admin, pods["Pod2"])
    )
    assert ours["project_id"] == its["project_id"]
    assert list(ours["allocations"]) == list(its["allocations"])
    (allocation,) = ours["allocations"].values()
    assert allocation["resources"]["VCPU"] == 1
    query = {"project_id": ours["project_id"]}
    used = admin.placement.get("/usages", params=query, microversion="1.9").json()["usages"]
    assert used["VCPU"] >= 1
