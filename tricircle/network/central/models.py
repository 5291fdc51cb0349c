# SPDX-License-Identifier: Apache-2.0
"""Our tables in central Neutron's database, and how they are reached."""

import contextlib
import datetime
import functools
from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from neutron_lib import context as n_context
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base
from sqlalchemy.orm import Mapped, Session, mapped_column

from tricircle.db.models import RealizationColumns, Timestamp, now
from tricircle.db.work_queue import WorkQueue


class Realization(RealizationColumns, model_base.BASEV2):  # type: ignore[misc]
    """Realizations of Neutron's resources."""

    __tablename__ = "tricircle_realizations"


class Change(model_base.BASEV2):  # type: ignore[misc]
    """Something by which other things may be needed otherwise; see ``wanted/change_log.py``."""

    __tablename__ = "tricircle_changes"

    id: Mapped[int] = mapped_column(
        sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True
    )
    #: What has changed, and in which pod; None: in all.
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    resource_id: Mapped[str] = mapped_column(sa.String(255))
    pod_id: Mapped[str | None] = mapped_column(sa.String(36))
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class Endpoint(model_base.BASEV2):  # type: ignore[misc]
    """A port of a pod on a tunnelled network, as last seen there; see ``tunnel_endpoints``."""

    __tablename__ = "tricircle_endpoints"

    #: The port's id in its pod.
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    pod_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    #: The network, and the subnets of the addresses, by their central ids.
    network_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    mac_address: Mapped[str] = mapped_column(sa.String(32))
    #: JSON: [{"subnet_id": ..., "ip_address": ...}]
    fixed_ips: Mapped[str] = mapped_column(sa.Text)
    #: Where it is, and where tunnels to it end.
    host: Mapped[str] = mapped_column(sa.String(255))
    tunnel_ip: Mapped[str] = mapped_column(sa.String(64))


class VirtualPort(model_base.BASEV2):  # type: ignore[misc]
    """A port that no server owns and that servers answer for in turn; see ``virtual_ports``."""

    __tablename__ = "tricircle_virtual_ports"

    port_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    network_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    #: The pod where it is answered for.
    pod_id: Mapped[str] = mapped_column(sa.String(36))
    #: JSON: {pod: host there that was the last to answer for it}
    hosts: Mapped[str] = mapped_column(sa.Text)


class RouterHome(model_base.BASEV2):  # type: ignore[misc]
    """In which pod a router is at home; see ``routers/homes.py``."""

    __tablename__ = "tricircle_router_homes"

    router_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    pod_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    #: The pod that stands in for it.
    exit_pod_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    #: Since when, without a break, the home is well again for which another stands in.
    well_since: Mapped[datetime.datetime | None] = mapped_column(Timestamp)


class Adopted(model_base.BASEV2):  # type: ignore[misc]
    """A resource that a pod had before the region did; see ``adopted``."""

    __tablename__ = "tricircle_adopted"

    pod_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    resource_type: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    resource_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, index=True)
    pod_resource_id: Mapped[str] = mapped_column(sa.String(36))
    project_id: Mapped[str] = mapped_column(sa.String(255))
    state: Mapped[str] = mapped_column(sa.String(16))
    #: Whether the region's resource was made for it; else the region had it.
    made: Mapped[bool] = mapped_column(default=True)
    #: JSON: what the pod's object had before our marks.
    before: Mapped[str] = mapped_column(sa.Text)


@contextlib.contextmanager
def transaction() -> Iterator[Session]:
    """A transaction of its own on central Neutron's database."""
    with db_api.CONTEXT_WRITER.using(_administrator().elevated()) as session:
        yield session


@functools.cache
def _administrator() -> Any:
    """Whom ``elevated`` copies: of each that it makes anew Neutron asks its policy who it is."""
    return n_context.get_admin_context()


@functools.cache
def work_queue() -> WorkQueue:
    """The realizations of Neutron's resources as work; one in each process."""
    return WorkQueue(Realization, transaction)
