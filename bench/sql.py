# SPDX-License-Identifier: Apache-2.0
"""How the databases do what they are asked for again and again, when they are full.

``make bench-sql``. Prints each hot look with how many statements it takes, and every statement that
looks through a whole table of more than 1,000 rows: there should be none.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import l3 as l3_models
from neutron_lib.db import api as db_api

from bench.plans import Plans
from tricircle.db import allocations, definitions, session, storage
from tricircle.db.work_queue import own_queue
from tricircle.network.central import models, segments
from tricircle.network.central.models import Realization
from tricircle.network.routers import bridges, floating_ip_reach, reach
from tricircle.network.wanted import (
    floating_ip_status,
    group_members,
    outbox,
    tunnel_endpoints,
    virtual_ports,
)
from tricircle.network.wanted.outbox import SessionOnly

MOST = 1000

Look = Callable[[Any], object]


class Sample(NamedTuple):
    """One port that is in a pod, and what is around it."""

    pod_id: str
    port_id: str
    network_id: str
    group_id: str
    router_id: str

    @classmethod
    def choose(cls, tx: Any) -> Sample:
        port, row = models_v2.Port, Realization
        query = (
            sa.select(port.id, port.network_id, port.project_id, row.pod_id)
            .join(row, sa.and_(row.resource_type == "port", row.resource_id == port.id))
            .limit(1)
        )
        port_id, network_id, project_id, pod_id = tx.execute(query).one()
        group = sa.select(row.resource_id).where(
            row.project_id == project_id, row.resource_type == "security_group"
        )
        router = sa.select(l3_models.Router.id).where(l3_models.Router.project_id == project_id)
        return cls(pod_id, port_id, network_id, tx.scalar(group.limit(1)), tx.scalar(router))


def of_neutron(one: Sample) -> dict[str, Look]:
    """What is asked of central Neutron's database again and again, each in a transaction."""
    queue, pod = models.work_queue(), one.pod_id
    port = {
        "id": one.port_id,
        "network_id": one.network_id,
        "project_id": "",
        "security_groups": [one.group_id],
    }
    return {
        "what is due in a pod": lambda tx: queue.due(pod, 16, ("port", "network")),
        "pods with work": lambda tx: queue.pods_due([pod, "another"]),
        "a port is bound": lambda tx: outbox.wanted_for_port(SessionOnly(tx), port, pod),
        "a port goes": lambda tx: outbox.unwanted(SessionOnly(tx), _port(one)),
        "addresses moved": lambda tx: outbox.addresses_moved(SessionOnly(tx), one.network_id),
        "routers of a network": lambda tx: outbox.refresh_routers(
            SessionOnly(tx), outbox.routers_of(tx, one.network_id)
        ),
        "reach of a router": lambda tx: reach.of_router(tx, one.router_id),
        "reach of a floating IP": lambda tx: floating_ip_reach.pods_of(tx, ["no such"]),
        "members elsewhere": lambda tx: group_members.addresses(tx, one.group_id, pod),
        "statuses of floating IPs": lambda tx: floating_ip_status.look(tx, pod),
        "endpoints": lambda tx: tunnel_endpoints.known(tx, pod),
        "virtual ports": lambda tx: virtual_ports.in_pod(tx, pod),
        "bridge networks": lambda tx: bridges.sweep(queue),
        "segments": lambda tx: segments.running_out(tx, 100),
    }


def of_our_own(one: Sample) -> dict[str, Look]:
    """What is asked of the Tricircle database again and again."""
    queue = own_queue()
    return {
        "what is due in a pod": lambda _: queue.due(one.pod_id, 16, ("flavor", "keypair")),
        "pods with work": lambda _: queue.pods_due([one.pod_id, "another"]),
        "servers to be looked at": lambda _: allocations.pods_due(),
        "storage to be looked at": lambda _: storage.pods_due(),
        "pods without a definition": lambda _: definitions.pods_lacking("keypair"),
    }


def _port(one: Sample) -> Any:
    return outbox.Key("port", one.port_id)


class _Undone(Exception):
    """What was looked at is not to be changed."""


def scans(rows: int = MOST) -> Iterator[tuple[str, int, list[str]]]:
    """(look, how many statements it took, those that look through more rows of a table)."""
    with models.transaction() as tx:
        one = Sample.choose(tx)
    for looks, engine in (
        (of_neutron(one), db_api.CONTEXT_WRITER.get_engine()),
        (of_our_own(one), session.engine()),
    ):
        for name, look in looks.items():
            plans = Plans(engine)
            try:
                with plans.noted(), models.transaction() as tx:
                    look(tx)
                    raise _Undone
            except _Undone:
                yield name, plans.number, plans.scans(rows)


def main() -> None:
    from bench.central import arguments, central

    options = arguments(str(__doc__)).parse_args()
    with central(options):
        found = 0
        for name, number, whole in scans():
            print(f"{name:30} {number:4} statements  {len(whole) or ''}", flush=True)
            for line in whole:
                print(f"    {line}")
            found += len(whole)
        print(f"{found} statements look through more than {MOST} rows of a table")
        if found:
            raise SystemExit(1)


if __name__ == "__main__":
    main()
