# SPDX-License-Identifier: Apache-2.0
"""What a project had in a pod before the region was there, and the work that takes it over."""

from typing import Any

from tests.functional.network.audits import audit
from tests.functional.network.routed_networks import EXTERN
from tests.functional.network.stage import PROJECT, Object, Stage
from tricircle.network.adoption import work
from tricircle.network.pod_api.pod_session import PodSession
from tricircle.network.reconcile import runtime
from tricircle.pods.deadline import Deadline


class Before:
    """A network with DHCP, a security group that is open for SSH, and the port of a server."""

    def __init__(self, stage: Stage, region: str, **network: Any) -> None:
        self.neutron = neutron = stage.neutron(region)
        own = {"provider:network_type": "geneve", "provider:segmentation_id": 77, "mtu": 1442}
        self.network = neutron.network(PROJECT, "old", "10.5.0.0/24", **{**own, **network})
        (subnet_id,) = self.network["subnets"]
        self.subnet = neutron.tables["subnets"][subnet_id]
        self.subnet["description"] = "of old"
        self.dhcp = neutron.make(
            "ports", PROJECT, network_id=self.network["id"], device_owner="network:dhcp",
            device_id="dhcp of the pod", **{"binding:host_id": "host-1"},
        )  # fmt: skip
        self.default = neutron._default_group(PROJECT)
        self.group = neutron.make("security-groups", PROJECT, name="ssh", description="for us")
        neutron.make(
            "security-group-rules", PROJECT, security_group_id=self.group["id"],
            direction="ingress", protocol="tcp", port_range_min=22, port_range_max=22,
        )  # fmt: skip
        neutron.make(
            "security-group-rules", PROJECT, security_group_id=self.group["id"],
            direction="ingress", remote_group_id=self.group["id"],
        )  # fmt: skip
        self.port = self.server("a server")

    def routed(self, public: Object | None = None) -> Object:
        """A router on the network, open to an external network if there is one."""
        info = None
        if public is not None:
            (subnet_id,) = public["subnets"]
            outside = [{"subnet_id": subnet_id, "ip_address": "203.0.113.77"}]
            info = {"network_id": public["id"], "external_fixed_ips": outside}
        made = self.neutron.make("routers", PROJECT, name="out", external_gateway_info=info)
        self.interface = self.neutron.make(
            "ports", PROJECT, network_id=self.network["id"], device_id=made["id"],
            device_owner="network:router_interface", security_groups=[],
            fixed_ips=[{"subnet_id": self.subnet["id"], "ip_address": "10.5.0.1"}],
        )  # fmt: skip
        return made

    def public(self) -> Object:
        """The pod's external network, on the segment of the region's."""
        return self.neutron.network(
            "a" * 32, "public here", "203.0.113.0/24", **EXTERN, **{"router:external": True}
        )

    def floating(self, public: Object, address: str, port: Object | None) -> Object:
        return self.neutron.make(
            "floatingips", PROJECT, floating_network_id=public["id"],
            floating_ip_address=address, port_id=port and port["id"], description="mine",
        )  # fmt: skip

    def server(self, name: str, **more: Any) -> Object:
        """The port of a server, as the pod's Nova makes it."""
        made = self.neutron.make(
            "ports", PROJECT, network_id=self.network["id"], device_owner="compute:nova",
            device_id=name, **{"security_groups": [self.group["id"]], "dns_name": "a-server",
            "binding:host_id": "host-1", **more},
        )  # fmt: skip
        made["status"], made["binding:vif_type"] = "ACTIVE", "ovs"
        return made


def session(stage: Stage, region: str) -> PodSession:
    running = runtime.get()
    pod = running.registry.fresh().by_region(region)
    assert pod is not None
    return running.engine.session(pod, Deadline(40))


def adopt(stage: Stage, region: str, dry_run: bool = False) -> list[dict[str, Any]]:
    return work.adopt(session(stage, region), PROJECT, dry_run)


def release(stage: Stage, region: str, dry_run: bool = False) -> list[dict[str, Any]]:
    return work.release_all(session(stage, region), PROJECT, dry_run)


def by_id(told: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {one["id"]: one for one in told}


def plain(before: Before) -> Any:
    """What the pod has, without what any change changes."""
    return _steady(
        {
            name: {key: one for key, one in table.items() if one["project_id"] == PROJECT}
            for name, table in before.neutron.tables.items()
            if name != "agents"
        }
    )


def changed(then: Any, now: Any) -> list[tuple[Any, ...]]:
    """What is otherwise: (collection, id, what, as it was, as it is)."""
    found: list[tuple[Any, ...]] = []
    for name in then:
        for one in then[name].keys() | now[name].keys():
            a, b = then[name].get(one, {}), now[name].get(one, {})
            found += [
                (name, one, key, a.get(key), b.get(key))
                for key in a.keys() | b.keys()
                if a.get(key) != b.get(key)
            ]
    return found


def _steady(value: Any) -> Any:
    if isinstance(value, dict):
        always = ("updated_at", "revision_number", "port_forwardings")
        return {name: _steady(one) for name, one in value.items() if name not in always}
    return [_steady(one) for one in value] if isinstance(value, list) else value


def audited(stage: Stage, region: str) -> None:
    """An audit, and what follows."""
    audit(stage, region)
