# SPDX-License-Identifier: Apache-2.0
"""A port is bound: pods get what it stands on."""

from typing import Any

import pytest

from tests.functional.fakes.http import Refusal
from tests.functional.fakes.neutron import Neutron
from tests.functional.network.audits import audit
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.conf import CONF
from tricircle.network.pod_api import neutron_client
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile.adapters.network import NetworkAdapter
from tricircle.network.reconcile.adapters.port import PortAdapter


def test_a_port_and_all_it_stands_on(stage: Stage) -> None:
    network, subnet = stage.network()
    port = stage.bound(network, "pod1")

    assert port["status"] == "DOWN"
    there = stage.copy("pod1", "ports", port["id"])
    assert port["binding:vif_details"]["pod"] == "pod1"
    assert port["binding:vif_details"]["pod_port_id"] == there["id"]
    assert port["binding:vif_details"]["pod_network_id"] == there["network_id"]
    assert there["mac_address"] == port["mac_address"]
    assert there["project_id"] == PROJECT
    assert there["device_owner"] == there["device_id"] == ""
    assert stage.copy("pod1", "networks", network["id"])["name"] == "net"
    subnet_there = stage.copy("pod1", "subnets", subnet["id"])
    assert there["fixed_ips"] == [
        {"subnet_id": subnet_there["id"], "ip_address": port["fixed_ips"][0]["ip_address"]}
    ]
    assert stage.empty("pod2")
    assert stage.pending() == []


def test_a_binding_profile_is_the_pods_too(stage: Stage) -> None:
    network, _ = stage.network()
    profile = {"foo": "bar", "old": 1}
    port = stage.bound(network, "pod1", **{"binding:profile": profile})
    assert stage.copy("pod1", "ports", port["id"])["binding:profile"] == profile
    # The pod's Nova adds where the port is plugged in.
    there = stage.copy("pod1", "ports", port["id"])
    there["binding:profile"] = {**profile, "pci_slot": "0000:04:10.1"}
    changed = {"foo": "other"}
    stage.core.update_port(stage.admin, port["id"], {"port": {"binding:profile": changed}})
    stage.reconcile()
    told = stage.copy("pod1", "ports", port["id"])["binding:profile"]
    assert told == {"foo": "other", "pci_slot": "0000:04:10.1"}
    stage.cloud.journal.clear()
    assert audit(stage, "pod1").changed == []


def test_a_ports_domain_reaches_the_pod_or_is_refused(stage: Stage) -> None:
    network, _ = stage.network()
    refused = stage.bind(stage.port(network, dns_domain="sub.example.org."), "pod1")
    assert "lacks the extension dns-domain-ports" in refused["binding:vif_details"]["reason"]
    stage.neutron("pod2").aliases |= {"dns-domain-ports"}
    port = stage.bound(network, "pod2", dns_domain="sub.example.org.")
    assert stage.copy("pod2", "ports", port["id"])["dns_domain"] == "sub.example.org."


def test_no_address_is_given_out_twice(stage: Stage) -> None:
    network, subnet = stage.network("10.0.0.0/28")
    ports = [stage.bound(network, region) for region in ("pod1", "pod2", "pod1")]

    pools = [
        pool
        for region in ("pod1", "pod2")
        for pool in stage.copy(region, "subnets", subnet["id"])["allocation_pools"]
    ]
    reserved = {pool["start"] for pool in pools}
    assert all(pool["start"] == pool["end"] for pool in pools)
    assert len(reserved) == 2
    assert not reserved & {port["fixed_ips"][0]["ip_address"] for port in ports}


def test_the_second_port_costs_one_call(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    stage.cloud.journal.clear()
    stage.bound(network, "pod1")

    calls = stage.cloud.journal.find("pod1/network")
    assert [(call.method, call.path) for call in calls] == [("POST", "/v2.0/ports")]


def test_an_unknown_host_is_not_ours(stage: Stage) -> None:
    """A hypervisor inside a pod, say: as in any Neutron whose drivers do not know the host."""
    network, _ = stage.network()
    bound = stage.bind(stage.port(network), "compute-1")
    made = stage.port(network, **{"binding:host_id": "compute-1"})
    for port in (bound, made):
        shown = stage.core.get_port(stage.admin, port["id"])
        assert shown["binding:host_id"] == "compute-1"
        assert shown["binding:vif_type"] == "binding_failed"
    assert stage.rows() == []


def test_a_bound_port_stays_in_its_pod_when_it_is_sent_to_an_unknown_host(stage: Stage) -> None:
    """A server may be using it there; the host's name may be of a hypervisor inside the pod."""
    network, _ = stage.network()
    port = stage.bound(network, "pod1")
    there = stage.copy("pod1", "ports", port["id"])["id"]
    assert stage.bind(port, "compute-1")["binding:vif_type"] == "binding_failed"
    stage.reconcile()
    assert stage.copy("pod1", "ports", port["id"])["id"] == there

    assert stage.bind(port, "pod1")["binding:vif_details"]["pod_port_id"] == there
    assert stage.bind(port, "compute-1")["binding:vif_type"] == "binding_failed"
    assert stage.bind(port, "pod2")["binding:vif_type"] == "other"
    stage.reconcile()
    assert stage.copy("pod2", "ports", port["id"])
    assert stage.copies("pod1", "ports", port["id"]) == []

    stage.bind(port, "compute-1")
    stage.delete("port", port["id"])
    stage.reconcile()
    assert stage.empty("pod2")


def test_a_pod_that_has_just_started_forbids_everything_once(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(neutron_client, "_POLICIES_READ", 0.01)
    network, _ = stage.network()
    create, refusals = Neutron._create, [True]

    def forbid(self: Neutron, collection: str, *rest: Any) -> Object:
        if collection == "networks" and refusals:
            refusals.pop()
            raise Refusal(403, "rule:create_network is disallowed by policy", "PolicyNotAuthorized")
        return create(self, collection, *rest)

    monkeypatch.setattr(Neutron, "_create", forbid)
    stage.bound(network, "pod1")
    assert refusals == []

    refusals.extend([True, True])
    other, _ = stage.network("10.1.0.0/24")
    refused = stage.bind(stage.port(other), "pod1")
    assert "disallowed by policy" in refused["binding:vif_details"]["reason"]


def test_what_a_port_depends_on_takes_no_time_from_the_port(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = {}
    for adapter in (NetworkAdapter, PortAdapter):

        def create(
            self: Any, session: PodSession, central: Object, made: Any = adapter.create
        ) -> Object:
            left[type(self)] = session.deadline.remaining("nothing")
            found: Object = made(self, session, central)
            return found

        monkeypatch.setattr(adapter, "create", create)
    CONF.set_override("port_deadline", 1000, group="reconciler")
    stage.bound(stage.network()[0], "pod1")
    CONF.clear_override("port_deadline", group="reconciler")
    assert left[NetworkAdapter] <= CONF.reconciler.bind_deadline < left[PortAdapter]
