# SPDX-License-Identifier: Apache-2.0
"""The ports of servers as documents of servers show them: read by four statements, not by four
lists whose objects have all that Neutron knows.
"""

import collections
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models.l3 import FloatingIP
from neutron.db.models.securitygroup import SecurityGroup, SecurityGroupPortBinding
from neutron_lib import exceptions as n_exc
from neutron_lib.db import api as db_api
from neutron_lib.db import model_query
from sqlalchemy import orm

from tricircle.network.api_extensions import definitions

ALIAS, COLLECTION, RESOURCE = "tricircle-server-addresses", "server-addresses", "server_address"
#: Where Neutron finds the API of it.
PATH = str(Path(definitions.__file__).parent)
#: Servers that one call may name.
MOST = 100

Document = dict[str, Any]
Port, Fixed = models_v2.Port, models_v2.IPAllocation
# Under a name of its own: Neutron's rule for ports joins networks, too.
Network = orm.aliased(models_v2.Network)


def read(context: Any, servers: Collection[str]) -> list[Document]:
    """Of each server with ports that the caller sees {id, ports}. A port is {id, network_name,
    mac_address, fixed_ips: [{ip_address, floating_ips}], security_groups: names}; what leads to it,
    and whatever it is in, is told whosever it is, as Nova does.

    Raises InvalidInput for no server at all, or for more than MOST.
    """
    if not 0 < len(servers) <= MOST:
        raise n_exc.InvalidInput(error_message=f"Name 1 to {MOST} servers by id.")
    with db_api.CONTEXT_READER.using(context):
        ports = _ports(context, servers)
        by_id = {port["id"]: port for found in ports.values() for port in found}
        if by_id:
            _add_addresses(context.session, by_id)
            _add_groups(context.session, by_id)
    return [{"id": server, "ports": found} for server, found in ports.items()]


def _ports(context: Any, servers: Iterable[str]) -> dict[str, list[Document]]:
    """By server; those in the caller's reach, by Neutron's own rule for ports."""
    columns = (Port.id, Port.device_id, Port.mac_address, Network.name)
    found = (
        model_query.query_with_hooks(context, Port)
        .join(Network, Network.id == Port.network_id)
        .filter(Port.device_id.in_(list(servers)))
        .enable_eagerloads(False)
        .with_entities(*columns)
    )
    ports = collections.defaultdict(list)
    for port_id, server, mac, network in found:
        ports[server].append({
            "id": port_id, "network_name": network, "mac_address": mac,
            "fixed_ips": [], "security_groups": [],
        })  # fmt: skip
    return ports


def _add_addresses(session: Any, ports: dict[str, Document]) -> None:
    leading = collections.defaultdict(list)
    outside = sa.select(
        FloatingIP.fixed_port_id, FloatingIP.fixed_ip_address, FloatingIP.floating_ip_address
    ).where(FloatingIP.fixed_port_id.in_(ports))
    for port_id, address, floating in session.execute(outside):
        leading[port_id, str(address)].append(str(floating))
    inside = sa.select(Fixed.port_id, Fixed.ip_address).where(Fixed.port_id.in_(ports))
    for port_id, address in session.execute(inside):
        told = {"ip_address": str(address), "floating_ips": leading[port_id, str(address)]}
        ports[port_id]["fixed_ips"].append(told)


def _add_groups(session: Any, ports: dict[str, Document]) -> None:
    binding = SecurityGroupPortBinding
    groups = (
        sa.select(binding.port_id, SecurityGroup.name, SecurityGroup.id)
        .join(SecurityGroup, SecurityGroup.id == binding.security_group_id)
        .where(binding.port_id.in_(ports))
    )
    for port_id, name, group_id in session.execute(groups):
        ports[port_id]["security_groups"].append(name or group_id)
