# SPDX-License-Identifier: Apache-2.0
"""Fills central Neutron's database, and the Tricircle database's pods, with what a large cloud has.

Every project is in two pods and has a ``default`` group, ten networks with a subnet each, twenty
ports and a router that joins two of the networks and is open to the one external network, by which
a floating IP leads to one of the ports. All rows are at rest: what is wanted is there. Rows are
inserted in bulk, by nobody's leave: Neutron itself would take days.
"""

from __future__ import annotations

import datetime
import ipaddress
import random
import uuid
from collections.abc import Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa

PORTS_OF_A_PROJECT = 20
NETWORKS_OF_A_PROJECT = 10
_CHUNK = 5000
_MOMENT = datetime.datetime(2026, 1, 1)
_COMPUTE = "compute:az1"

Row = dict[str, Any]


class Pod(NamedTuple):
    id: str
    region_name: str


def pod_rows(number: int) -> Iterator[Row]:
    """Rows of the table of pods; they answer at no address."""
    url = "http://127.0.0.1:1"
    for one in range(number):
        yield {
            "region_name": f"Pod{one:03d}",
            "availability_zone": f"az{one // 4:02d}",
            "pod_availability_zone": "nova",
            "health": "up",
            "versions": {"compute": {"min": "2.1", "max": "2.104"}},
            "endpoints": {"compute": url, "network": url, "volume": url},
        }


class Filling:
    """Rows for so many ports, by tables; a seed makes them the same each time."""

    def __init__(self, pods: list[Pod], ports: int, seed: int = 1) -> None:
        self._pods, self._ports = pods, ports
        self._random = random.Random(seed)
        self._attributes = 1_000_000
        self._rows: dict[str, list[Row]] = {}
        self._outside = self._network("", 0, "100.64.0.0/10")
        self._add("externalnetworks", network_id=self._outside[0], is_default=False)
        for pod in pods:
            self._realized("network", self._outside[0], pod, "")
            self._realized("subnet", self._outside[1], pod, "")

    def rows(self) -> Iterator[dict[str, list[Row]]]:
        """{table: rows} of some projects after the other."""
        for number in range(max(1, self._ports // PORTS_OF_A_PROJECT)):
            self._project(number)
            if len(self._rows["tricircle_realizations"]) >= _CHUNK:
                yield self._rows
                self._rows = {}
        if self._rows:
            yield self._rows

    def _add(self, table: str, **values: Any) -> None:
        self._rows.setdefault(table, []).append(values)

    def _id(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))

    def _attribute(self, kind: str) -> int:
        """The id of a new row of what all resources of Neutron have."""
        self._attributes += 1
        self._add(
            "standardattributes",
            id=self._attributes,
            resource_type=kind,
            description="",
            revision_number=1,
            created_at=_MOMENT,
            updated_at=_MOMENT,
        )
        return self._attributes

    def _realized(self, kind: str, resource_id: str, pod: Pod, project: str) -> None:
        self._add(
            "tricircle_realizations",
            id=self._id(),
            resource_type=kind,
            resource_id=resource_id,
            pod_id=pod.id,
            project_id=project,
            pod_resource_id=self._id(),
            wanted_revision=1,
            realized_revision=1,
            absent=False,
            attempts=0,
            created_at=_MOMENT,
            updated_at=_MOMENT,
        )

    def _project(self, number: int) -> None:
        project = uuid.UUID(int=self._random.getrandbits(128)).hex
        pods = self._random.sample(self._pods, min(2, len(self._pods)))
        group = self._group(project)
        networks = [
            self._network(project, number * NETWORKS_OF_A_PROJECT + one + 1, f"10.{one}.0.0/16")
            for one in range(NETWORKS_OF_A_PROJECT)
        ]
        router = self._router(project, networks[:2], number)
        for one in range(PORTS_OF_A_PROJECT):
            network, subnet = networks[one % NETWORKS_OF_A_PROJECT]
            # Of each network one port in each of the pods.
            pod = pods[one // NETWORKS_OF_A_PROJECT % len(pods)]
            mac = self._mac(number * PORTS_OF_A_PROJECT + one)
            address = f"10.{one % NETWORKS_OF_A_PROJECT}.7.{one + 1}"
            port = self._port(project, network, subnet, mac, address, pod, _COMPUTE)
            self._add("securitygroupportbindings", port_id=port, security_group_id=group)
            self._realized("port", port, pod, project)
            if not one:
                self._floating_ip(project, port, address, router, pod, number)
        self._add("tricircle_router_homes", router_id=router, pod_id=pods[0].id)
        for pod in pods:
            for network, subnet in networks:
                self._realized("network", network, pod, project)
                self._realized("subnet", subnet, pod, project)
            self._realized("router", router, pod, project)
            self._realized("security_group", group, pod, project)
            self._realized("group_members", group, pod, project)

    def _group(self, project: str) -> str:
        group, kind = self._id(), "securitygroups"
        attribute = self._attribute(kind)
        self._add(
            kind,
            id=group,
            project_id=project,
            name="default",
            stateful=True,
            standard_attr_id=attribute,
        )
        self._add("default_security_group", project_id=project, security_group_id=group)
        for direction, remote in (("egress", None), ("ingress", group)):
            for ethertype in ("IPv4", "IPv6"):
                self._add(
                    "securitygrouprules",
                    id=self._id(),
                    project_id=project,
                    security_group_id=group,
                    direction=direction,
                    ethertype=ethertype,
                    remote_group_id=remote,
                    standard_attr_id=self._attribute("securitygrouprules"),
                )
        return group

    def _network(self, project: str, number: int, cidr: str) -> tuple[str, str]:
        network, subnet = self._id(), self._id()
        self._add(
            "networks",
            id=network,
            project_id=project,
            name="net",
            status="ACTIVE",
            admin_state_up=True,
            availability_zone_hints="[]",
            mtu=1450,
            standard_attr_id=self._attribute("networks"),
        )
        self._add(
            "networksegments",
            id=self._id(),
            network_id=network,
            network_type="vxlan",
            segmentation_id=number,
            is_dynamic=False,
            segment_index=0,
            standard_attr_id=self._attribute("networksegments"),
        )
        self._add(
            "subnets",
            id=subnet,
            project_id=project,
            name="sub",
            network_id=network,
            ip_version=4,
            cidr=cidr,
            gateway_ip=cidr.rpartition(".")[0] + ".1",
            enable_dhcp=True,
            standard_attr_id=self._attribute("subnets"),
        )
        return network, subnet

    def _port(
        self,
        project: str,
        network: str,
        subnet: str,
        mac: str,
        address: str,
        pod: Pod | None,
        owner: str,
        device: str = "",
    ) -> str:
        port = self._id()
        self._add(
            "ports",
            id=port,
            project_id=project,
            name="",
            network_id=network,
            mac_address=mac,
            admin_state_up=True,
            status="ACTIVE",
            device_id=device or self._id(),
            device_owner=owner,
            ip_allocation="immediate",
            standard_attr_id=self._attribute("ports"),
        )
        self._add(
            "ml2_port_bindings",
            port_id=port,
            host=pod.region_name if pod else "",
            vnic_type="normal",
            profile="",
            vif_type="other" if pod else "unbound",
            vif_details="",
            status="ACTIVE",
        )
        self._add(
            "ipallocations",
            port_id=port,
            ip_address=address,
            subnet_id=subnet,
            network_id=network,
        )
        return port

    def _router(self, project: str, networks: list[tuple[str, str]], number: int) -> str:
        router, kind = self._id(), "network:router_gateway"
        mac, outside = self._mac(2 << 32 | number), self._outside
        gateway = self._port("", *outside, mac, _outside(2 * number), None, kind, router)
        self._add(
            "routers",
            id=router,
            project_id=project,
            name="r",
            status="ACTIVE",
            admin_state_up=True,
            enable_snat=True,
            gw_port_id=gateway,
            standard_attr_id=self._attribute("routers"),
        )
        self._add("router_extra_attributes", router_id=router, availability_zone_hints="[]")
        self._add("routerports", router_id=router, port_id=gateway, port_type=kind)
        for octet, (network, subnet) in enumerate(networks):
            mac = self._mac(1 << 32 | number * 2 + octet)
            address, kind = f"10.{octet}.0.1", "network:router_interface"
            port = self._port(project, network, subnet, mac, address, None, kind, router)
            self._add("routerports", router_id=router, port_id=port, port_type=kind)
        return router

    def _floating_ip(
        self, project: str, port: str, address: str, router: str, pod: Pod, number: int
    ) -> None:
        floating_ip, outside = self._id(), _outside(2 * number + 1)
        mac, kind = self._mac(3 << 32 | number), "network:floatingip"
        its_own = self._port("", *self._outside, mac, outside, None, kind, floating_ip)
        self._add(
            "floatingips",
            id=floating_ip,
            project_id=project,
            floating_ip_address=outside,
            floating_network_id=self._outside[0],
            floating_port_id=its_own,
            fixed_port_id=port,
            fixed_ip_address=address,
            router_id=router,
            status="ACTIVE",
            standard_attr_id=self._attribute("floatingips"),
        )
        self._realized("floating_ip", floating_ip, pod, project)

    @staticmethod
    def _mac(number: int) -> str:
        return ":".join(("fa", *(f"{number >> shift & 255:02x}" for shift in (32, 24, 16, 8, 0))))


def _outside(number: int) -> str:
    """An address of the external network."""
    return str(ipaddress.IPv4Address("100.64.1.0") + number)


def fill(engine: sa.Engine, metadata: sa.MetaData, pods: list[Pod], ports: int) -> int:
    """Insert all of it into an empty database of central Neutron's; how many realizations."""
    count = 0
    for rows in Filling(pods, ports).rows():
        # What others refer to comes first.
        tables = [table for table in metadata.sorted_tables if table.name in rows]
        with engine.begin() as tx:
            for table in tables:
                tx.execute(table.insert(), rows[table.name])
        count += len(rows["tricircle_realizations"])
    with engine.begin() as tx:
        names = ", ".join(table.name for table in tables)
        is_sqlite = engine.dialect.name == "sqlite"
        tx.exec_driver_sql("ANALYZE" if is_sqlite else f"ANALYZE TABLE {names}").close()
    return count
