# SPDX-License-Identifier: Apache-2.0
"""What operators ask of Nova, at every microversion: the region answers as a pod does."""

import concurrent.futures
import json
from typing import Any

import pytest

PATHS = (
    "/os-hypervisors",
    "/os-hypervisors/detail",
    "/os-hypervisors?limit=1",
    "/os-hypervisors?marker=9990000",
    "/os-hypervisors?nonsense=1",
    "/os-hypervisors?hypervisor_hostname_pattern=host&with_servers=true",
    "/os-hypervisors/statistics",
    "/os-hypervisors/nothing",
    "/os-hypervisors/nothing/uptime",
    "/os-hypervisors/nothing/search",
    "/os-hypervisors/host/servers",
    "/os-services",
    "/os-services?host=nothing",
    "/os-services?nonsense=1",
    "/os-hosts",
    "/os-hosts/nothing",
    "/os-aggregates",
    "/os-aggregates?nonsense=1",
    "/os-aggregates/nothing",
    "/os-aggregates/999",
    "/os-migrations",
    "/os-migrations?limit=1",
    "/os-migrations?marker=nothing",
    "/os-migrations?changes-since=nothing",
    "/os-simple-tenant-usage",
    "/os-simple-tenant-usage?detailed=1&limit=1",
    "/os-simple-tenant-usage?start=nothing",
    "/os-simple-tenant-usage/nothing",
    "/os-instance_usage_audit_log",
    "/os-instance_usage_audit_log/nothing",
    "/os-console-auth-tokens/nothing",
    "/os-networks/nothing",
    "/os-floating-ips/nothing",
    "/os-security-groups/nothing",
    "/os-volumes?limit=nothing",
    "/os-volumes/nothing",
    "/os-snapshots/nothing",
)
AT_ONCE = 4


def shape(value: Any) -> Any:
    """What a document is made of, whatever it says."""
    if isinstance(value, dict):
        return {name: shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return {json.dumps(shape(item), sort_keys=True, default=sorted) for item in value}
    return type(value).__name__


def is_like(theirs: Any, ours: Any) -> bool:
    """Whether a region's document is made as a pod's; its lists may hold more kinds of things."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        links = {name for name in ours.keys() ^ theirs.keys() if name.endswith("_links")}
        names = (ours.keys() | theirs.keys()) - links
        return all(
            name in ours and name in theirs and is_like(theirs[name], ours[name]) for name in names
        )
    return bool(theirs <= ours if isinstance(theirs, set) else theirs == ours)


def difference(pod: Any, region: Any, path: str, version: str) -> str | None:
    theirs, ours = (one.compute.get(path, microversion=version) for one in (pod, region))
    said = f"{version} {path}: {theirs.status_code} {ours.status_code}"
    if theirs.status_code != ours.status_code:
        return f"{said} {ours.text[:200]}"
    if theirs.status_code >= 400:
        return None if theirs.json() == ours.json() else f"{said} {theirs.text} {ours.text}"
    # A pod may have no migrations, say, and the region some: only its keys count then.
    alike = is_like(shape(theirs.json()), shape(ours.json()))
    return None if alike else f"{said} {theirs.text[:300]} {ours.text[:300]}"


def versions(region: Any) -> list[str]:
    newest = region.compute.get_endpoint_data().max_microversion
    return [f"2.{minor}" for minor in range(1, newest[1] + 1)]


@pytest.mark.parametrize("path", PATHS)
def test_at_every_microversion(admin: Any, pods: dict[str, Any], path: str) -> None:
    pod = pods["Pod1"]
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(lambda one: difference(pod, admin, path, one), versions(admin))
        assert [one for one in found if one] == []


def test_ids_lead_back_to_their_pods(admin: Any, pods: dict[str, Any]) -> None:
    for version in ("2.52", "2.53"):
        listed = admin.compute.get("/os-hypervisors", microversion=version).json()["hypervisors"]
        inside = [
            one["hypervisor_hostname"]
            for region in sorted(pods)
            for one in pods[region]
            .compute.get("/os-hypervisors", microversion=version)
            .json()["hypervisors"]
        ]
        assert [one["hypervisor_hostname"] for one in listed] == inside
        assert len({one["id"] for one in listed}) == len(inside)
        for one in listed:
            shown = admin.compute.get(f"/os-hypervisors/{one['id']}", microversion=version)
            assert shown.json()["hypervisor"]["hypervisor_hostname"] == one["hypervisor_hostname"]


def test_an_aggregate_has_hosts_of_several_pods(admin: Any, pods: dict[str, Any]) -> None:
    hosts = {
        region: next(iter(pods[region].compute.services(binary="nova-compute"))).host
        for region in ("Pod1", "Pod2")
    }
    made = admin.compute.create_aggregate(name="e2e-several")
    try:
        for host in hosts.values():
            admin.compute.add_host_to_aggregate(made, host)
        assert set(admin.compute.get_aggregate(made).hosts) == set(hosts.values())
        for region, host in hosts.items():
            (inside,) = (one for one in pods[region].compute.aggregates() if one.name == made.name)
            assert inside.hosts == [host]
    finally:
        for host in admin.compute.get_aggregate(made).hosts:
            admin.compute.remove_host_from_aggregate(made, host)
        admin.compute.delete_aggregate(made)
    for region in hosts:
        assert made.name not in {one.name for one in pods[region].compute.aggregates()}
