# SPDX-License-Identifier: Apache-2.0
"""What operators ask of Nova, at every microversion: the region answers as a pod does."""

from typing import Any

import pytest

from tests.e2e.sweep import Asked, differences

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


@pytest.mark.parametrize("path", PATHS)
def test_at_every_microversion(admin: Any, pods: dict[str, Any], path: str) -> None:
    assert differences(pods["Pod1"], admin, Asked("GET", path), exact=False) == []


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
