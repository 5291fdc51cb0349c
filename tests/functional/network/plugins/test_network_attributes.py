# SPDX-License-Identifier: Apache-2.0
"""Packet sizes and tags of networks: what pods can have of them, and what they are told."""

from neutron_lib.api.definitions import qinq, vlantransparent

from tests.functional.network.audits import settled
from tests.functional.network.stage import Object, Stage


def mtus(stage: Stage, network: Object) -> dict[str, int]:
    """{pod: the MTU of the network's copy} where there is one."""
    found = {region: stage.copies(region, "networks", network["id"]) for region in stage.cloud.pods}
    return {region: copies[0]["mtu"] for region, copies in found.items() if copies}


def test_a_smaller_mtu_and_a_larger_one_again(stage: Stage) -> None:
    network, _ = stage.network()
    stage.bound(network, "pod1")
    stage.neutron("pod2").max_mtu = 1442  # its own kind of network
    stage.bound(network, "pod2")
    assert mtus(stage, network) == {"pod1": 1500, "pod2": 1442}
    stage.change("network", network["id"], mtu=1400)
    stage.reconcile()
    assert mtus(stage, network) == {"pod1": 1400, "pod2": 1400}
    stage.change("network", network["id"], mtu=1500)
    stage.reconcile()
    assert mtus(stage, network) == {"pod1": 1500, "pod2": 1442}
    assert stage.pending() == []


def test_a_stretched_network_is_not_where_its_packets_do_not_fit(stage: Stage) -> None:
    network, _ = stage.network(
        **{"provider:network_type": "vlan", "provider:physical_network": "physnet1"}
    )
    stage.bound(network, "pod1")
    stage.neutron("pod2").max_mtu = 1400
    port = stage.bind(stage.port(network), "pod2")
    reason = str(port["binding:vif_details"])
    assert "set it to 1400 or less" in reason
    assert "pod2" in reason
    stage.change("network", network["id"], mtu=1400)
    stage.forget_claims()
    stage.bound(network, "pod2")
    stage.reconcile()
    assert mtus(stage, network) == {"pod1": 1400, "pod2": 1400}


def test_guests_may_tag_where_the_pod_lets_them(stage: Stage) -> None:
    network, _ = stage.network(**{vlantransparent.VLANTRANSPARENT: True})
    stage.bound(network, "pod1")
    assert stage.copy("pod1", "networks", network["id"])["vlan_transparent"] is True
    stage.neutron("pod2").aliases.discard("vlan-transparent")
    reason = str(stage.bind(stage.port(network), "pod2")["binding:vif_details"])
    assert "pod2: its Neutron lacks the extension vlan-transparent" in reason
    twice, _ = stage.network(cidr="10.0.1.0/24", **{qinq.QINQ_FIELD: True})
    reason = str(stage.bind(stage.port(twice), "pod1")["binding:vif_details"])
    assert "lacks the extension qinq" in reason


def test_addresses_that_a_dns_service_is_told(stage: Stage) -> None:
    network = stage.make("network", name="net")
    subnet = stage.subnet(network, "10.0.0.0/24", dns_publish_fixed_ip=True)
    assert subnet["dns_publish_fixed_ip"] is True
    stage.bound(network, "pod1")
    assert stage.copy("pod1", "subnets", subnet["id"])["dns_publish_fixed_ip"] is True
    stage.change("subnet", subnet["id"], dns_publish_fixed_ip=False)
    stage.reconcile()
    copy = stage.copy("pod1", "subnets", subnet["id"])
    assert copy["dns_publish_fixed_ip"] is False
    # ML2/OVN lists the extension, and tells of no such attribute without the driver for it.
    del copy["dns_publish_fixed_ip"]
    settled(stage, "pod1")

    stage.change("subnet", subnet["id"], dns_publish_fixed_ip=True)
    stage.neutron("pod2").aliases.discard("subnet-dns-publish-fixed-ip")
    refused = stage.bind(stage.port(network), "pod2")
    assert "subnet-dns-publish-fixed-ip" in refused["binding:vif_details"]["reason"]
