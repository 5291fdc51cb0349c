# SPDX-License-Identifier: Apache-2.0
"""Tables of the Tricircle database. Times are UTC without a zone."""

import datetime
import uuid
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import mysql
from sqlalchemy.orm import DeclarativeBase, Mapped, declared_attr, mapped_column

from tricircle.db.clock import now as now

Timestamp = sa.DateTime().with_variant(mysql.DATETIME(fsp=6), "mysql", "mariadb")

# The binary collation tells names apart by case, as SQLite and PostgreSQL do.
_INNODB = {
    "mysql_engine": "InnoDB",
    "mysql_charset": "utf8mb4",
    "mysql_collate": "utf8mb4_bin",
}


def new_id() -> str:
    return str(uuid.uuid4())


class Base(DeclarativeBase):
    """Base of the tables in the Tricircle database."""

    # Names given here and not by each database, so that a migration can name what it changes.
    metadata = sa.MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_N_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_N_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    __table_args__: Any = _INNODB


class Pod(Base):
    """An OpenStack instance behind the gateway; ``region_name`` is its region in Keystone.

    ``availability_zone`` is the zone users see, ``pod_availability_zone`` the one named toward
    the pod (empty: none is named). ``state`` is the operator's word (enabled, draining,
    maintenance), ``health`` what was found of its services together (up, down, unknown),
    ``services`` of each: {service type: a ``pods.availability.Health``}; NULL before any probe.
    ``versions`` is {service type: {"min": "2.1", "max": "2.104"}}, ``endpoints`` is
    {service type: URL}, both as discovered last; ``given_endpoints`` are those that the operator
    named, NULL: they are in Keystone's catalogue. ``labels`` are the operator's, {name: value}.
    ``seen_at`` is when all of its services answered last. ``number`` is small and this pod's
    alone: it tells its integer ids from those of other pods. ``access`` is how users get in, a
    name of the entry points ``tricircle.pod_access``; ``access_config`` says where and as whom,
    and ``access_secrets`` holds the passwords for it, sealed. ``restored_at`` is when our databases
    were brought back from a backup last: what is older may be in the pod though no row says so.
    """

    __tablename__ = "pods"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    number: Mapped[int] = mapped_column(nullable=True, unique=True, index=True)
    region_name: Mapped[str] = mapped_column(sa.String(255), unique=True)
    availability_zone: Mapped[str] = mapped_column(sa.String(255), index=True)
    pod_availability_zone: Mapped[str] = mapped_column(sa.String(255), default="")
    access: Mapped[str] = mapped_column(sa.String(32), default="shared", server_default="shared")
    access_config: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    access_secrets: Mapped[str | None] = mapped_column(sa.Text)
    dc_name: Mapped[str] = mapped_column(sa.String(255), default="")
    state: Mapped[str] = mapped_column(sa.String(16), default="enabled")
    versions: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    endpoints: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    given_endpoints: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    labels: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    services: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON(none_as_null=True))
    health: Mapped[str] = mapped_column(sa.String(16), default="unknown")
    last_error: Mapped[str] = mapped_column(sa.Text, default="")
    latency_ms: Mapped[float | None] = mapped_column(sa.Float)
    probed_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    seen_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    restored_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)


class PodProject(Base):
    """The project that stands for one of ours in a pod with a Keystone of its own.

    Never changed: what is in the one belongs to the other for ever. ``there`` is the pod's id.
    """

    __tablename__ = "pod_projects"
    __table_args__ = (sa.UniqueConstraint("pod_id", "there"), Base.__table_args__)
    pod_id: Mapped[str] = mapped_column(sa.ForeignKey("pods.id"), primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    there: Mapped[str] = mapped_column(sa.String(64))
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class PodUser(Base):
    """A user of a pod with a Keystone of its own, and the user of ours it stands for.

    Never changed. ``level`` is the best role it has there; ``project_id`` is the project it is
    for where a pod has a user for each, and empty elsewhere.
    """

    __tablename__ = "pod_users"
    __table_args__ = (sa.Index(None, "pod_id", "user_id"), Base.__table_args__)
    pod_id: Mapped[str] = mapped_column(sa.ForeignKey("pods.id"), primary_key=True)
    there: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.String(64))
    level: Mapped[str] = mapped_column(sa.String(16))
    project_id: Mapped[str] = mapped_column(sa.String(64), default="")
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class PodCredential(Base):
    """How one project of ours gets into a pod that has a credential for each; sealed."""

    __tablename__ = "pod_credentials"
    pod_id: Mapped[str] = mapped_column(sa.ForeignKey("pods.id"), primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    secrets: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)


class PodChange(Base):
    """A pod's state, or whether one of its services is up, was another before.

    ``what`` is "state" or the service, ``changed_by`` a user's id or "probe".
    """

    __tablename__ = "pod_changes"
    __table_args__ = (sa.Index(None, "pod_id", "created_at"), Base.__table_args__)
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    pod_id: Mapped[str] = mapped_column(sa.String(36))
    what: Mapped[str] = mapped_column(sa.String(32))
    before: Mapped[str] = mapped_column(sa.String(16))
    after: Mapped[str] = mapped_column(sa.String(16))
    changed_by: Mapped[str] = mapped_column(sa.String(64))
    reason: Mapped[str] = mapped_column(sa.Text, default="")
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class Host(Base):
    """A compute host that a pod had when it was looked at last."""

    __tablename__ = "hosts"
    pod_id: Mapped[str] = mapped_column(sa.ForeignKey("pods.id"), primary_key=True)
    name: Mapped[str] = mapped_column(sa.String(255), primary_key=True)


class Binding(Base):
    """A project uses a pod: made by the scheduler at the first use, or ``by_operator``."""

    __tablename__ = "bindings"
    __table_args__ = (sa.UniqueConstraint("project_id", "pod_id"), Base.__table_args__)
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    pod_id: Mapped[str] = mapped_column(sa.ForeignKey("pods.id"), index=True)
    by_operator: Mapped[bool] = mapped_column(sa.Boolean, default=False, server_default="0")
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class Rule(Base):
    """Which pods may be used: by a project, by all of a domain, or (neither) by everybody.

    ``effect`` is "allow", "forbid", or "default": the zone of what names none. ``pods`` is
    {"region_name": [names], "availability_zone": [names], "labels": {name: value}}; a pod is meant
    if all that is there fits. With a ``property_of`` ("image", "flavor") the rule is for what is
    made of one whose property of that name has that value.
    """

    __tablename__ = "rules"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    name: Mapped[str] = mapped_column(sa.String(255), unique=True, index=True)
    effect: Mapped[str] = mapped_column(sa.String(16))
    project_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    domain_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    property_of: Mapped[str | None] = mapped_column(sa.String(16))
    property_name: Mapped[str | None] = mapped_column(sa.String(255))
    property_value: Mapped[str | None] = mapped_column(sa.String(255))
    pods: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class Routing(Base):
    """Where a resource lives. An index, not the truth: a miss asks the pods and heals it.

    ``detail`` of a server holds {"ports": [ids of the central ports the gateway made for it]}:
    those go with the server, a port the user brought stays. That of a volume made through us holds
    {"zone": the one that was named for it or None, "empty": whether nothing was written to it}.
    """

    __tablename__ = "routings"
    __table_args__ = (
        sa.Index(None, "project_id", "pod_id", "created_at"),
        Base.__table_args__,
    )
    resource_type: Mapped[str] = mapped_column(sa.String(32), primary_key=True)
    resource_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True, index=True)
    pod_id: Mapped[str] = mapped_column(sa.ForeignKey("pods.id"), index=True)
    project_id: Mapped[str | None] = mapped_column(sa.String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class Look(Base):
    """When all pods were asked last for what a project has of a service, for its lists."""

    __tablename__ = "looks"
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    service: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    looked_at: Mapped[datetime.datetime] = mapped_column(Timestamp)


class Operation(Base):
    """What a gateway has begun and is not known to have ended: see ``operations``.

    ``created_at`` is renewed for as long as a gateway works on it. ``ports`` is read by nobody; it
    is there for gateways of 0.1 and goes in the release after this one.
    """

    __tablename__ = "creations"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    project_id: Mapped[str] = mapped_column(sa.String(64))
    pod_id: Mapped[str | None] = mapped_column(sa.String(36))
    ports: Mapped[list[str] | None] = mapped_column(sa.JSON)
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, index=True)


class Definition(Base):
    """A definition that must be the same in every pod (flavor, keypair): the copy we keep.

    ``key`` names it inside its kind (a flavor's id; ``<user id>/<name>`` for a keypair), ``body``
    is what to send to a pod, ``revision`` grows by one with each change, ``deleted`` is kept
    until it is gone from every pod.
    """

    __tablename__ = "definitions"
    __table_args__ = (sa.UniqueConstraint("kind", "key"), Base.__table_args__)
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    kind: Mapped[str] = mapped_column(sa.String(32))
    key: Mapped[str] = mapped_column(sa.String(330))
    body: Mapped[dict[str, Any]] = mapped_column(sa.JSON)
    revision: Mapped[int] = mapped_column(default=1)
    deleted: Mapped[bool] = mapped_column(default=False)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)


class RealizationColumns:
    """One (central resource, pod): what is wanted there and what is there.

    The same columns stand in two databases: here for definitions, in central Neutron's for its
    resources, each written in the transaction of the change that makes it dirty. A row is dirty
    while ``next_try_at`` is set: there is work to do for it from then on. ``wanted_revision``
    counts the changes, ``realized_revision`` is the one the pod has, ``absent`` says that the
    resource is to be removed there. Until ``making_until`` the pod may still make what it was asked
    to make, though nobody has heard so.
    """

    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    resource_id: Mapped[str] = mapped_column(sa.String(330))
    pod_id: Mapped[str] = mapped_column(sa.String(36))
    project_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    pod_resource_id: Mapped[str | None] = mapped_column(sa.String(255), index=True)
    wanted_revision: Mapped[int] = mapped_column(default=1)
    realized_revision: Mapped[int | None]
    absent: Mapped[bool] = mapped_column(default=False)
    attempts: Mapped[int] = mapped_column(default=0)
    next_try_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp, index=True)
    failing_since: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    last_error: Mapped[str | None] = mapped_column(sa.Text)
    claimed_by: Mapped[str | None] = mapped_column(sa.String(255))
    claimed_until: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    making_until: Mapped[datetime.datetime | None] = mapped_column(Timestamp)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)

    @declared_attr.directive
    def __table_args__(cls) -> Any:
        name = f"ix_{cls.__tablename__}_pod_id"  # type: ignore[attr-defined]
        return (
            sa.UniqueConstraint("resource_type", "resource_id", "pod_id"),
            # What is due in a pod, whatever waits in others; what of one type is in it.
            sa.Index(f"{name}_next_try_at", "pod_id", "next_try_at"),
            sa.Index(f"{name}_resource_type", "pod_id", "resource_type"),
            _INNODB,
        )


class Realization(RealizationColumns, Base):
    """Realizations of definitions."""

    __tablename__ = "realizations"


class Repair(Base):
    """Something in a pod was not as it had been made, and was put right.

    ``done`` tells how: the calls that were made.
    """

    __tablename__ = "repairs"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    pod_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    resource_id: Mapped[str] = mapped_column(sa.String(330))
    project_id: Mapped[str | None] = mapped_column(sa.String(64), index=True)
    done: Mapped[str] = mapped_column(sa.Text)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, index=True)


class ServerGroup(Base):
    """A server group as users know it; pods get groups of their own for it as they need them.

    ``policy`` is the one of microversion 2.64 (affinity, anti-affinity, soft-…), ``rules`` is
    {"max_server_per_host": number} or empty.
    """

    __tablename__ = "server_groups"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(64))
    name: Mapped[str] = mapped_column(sa.String(255))
    policy: Mapped[str] = mapped_column(sa.String(32))
    rules: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class Allocation(Base):
    """What one server uses of its project's quota, from before it is made until it is gone.

    The row of a server that is being made has the id of its row in ``operations`` and no
    ``server_id`` yet. ``pod_id`` is where it is; of a group's server also where it is tried.
    ``instances`` is 0 for one that is deleted but can be restored. ``check_at`` is when xjob is
    to look at what the server really uses (None: when it next looks at all of them).
    ``placement`` tells why the pod was chosen.
    """

    __tablename__ = "allocations"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    server_id: Mapped[str | None] = mapped_column(sa.String(36), unique=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    user_id: Mapped[str] = mapped_column(sa.String(64))
    pod_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    group_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    instances: Mapped[int] = mapped_column(default=1)
    vcpus: Mapped[int] = mapped_column(default=0)
    ram: Mapped[int] = mapped_column(default=0)
    check_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp, index=True)
    placement: Mapped[dict[str, Any] | None] = mapped_column(sa.JSON)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class StorageAllocation(Base):
    """What one volume, snapshot, backup or group of volumes uses of its project's quota.

    ``resource_id`` is None while it is being made; ``volume_type`` is a name. ``changed_at`` is
    when it was last changed here: what was seen in a pod before is old. ``made_with`` is the
    allocation of the server that its pod makes it with, ``check_at`` when xjob is to look whether
    it is still there (None: when it next looks at all).
    """

    __tablename__ = "storage_allocations"
    __table_args__ = (sa.UniqueConstraint("resource_type", "resource_id"), Base.__table_args__)
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    resource_type: Mapped[str] = mapped_column(sa.String(32))
    resource_id: Mapped[str | None] = mapped_column(sa.String(36))
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    pod_id: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    gigabytes: Mapped[int] = mapped_column(default=0)
    volume_type: Mapped[str | None] = mapped_column(sa.String(255))
    made_with: Mapped[str | None] = mapped_column(sa.String(36), index=True)
    check_at: Mapped[datetime.datetime | None] = mapped_column(Timestamp, index=True)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, index=True)
    changed_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)


class VolumeMove(Base):
    """A volume on its way from one pod to another, or how its last move ended.

    ``detail`` is what the steps have made: {"image": id, "inside": id of the new volume in its pod,
    ``…``}. The job of it is the realization of the volume in the target pod; once that is realized
    it tells which id the volume has there.
    """

    __tablename__ = "volume_moves"
    volume_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    source_pod_id: Mapped[str] = mapped_column(sa.String(36))
    target_pod_id: Mapped[str] = mapped_column(sa.String(36))
    state: Mapped[str] = mapped_column(sa.String(16))
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    reason: Mapped[str | None] = mapped_column(sa.Text)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)


class Adoption(Base):
    """A project's things in a pod that are to become the region's, or the pod's own again.

    ``objects`` is what becomes of each: [{"resource_type": …, "id": …, "action": …, …}].
    """

    __tablename__ = "adoptions"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    pod_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), index=True)
    action: Mapped[str] = mapped_column(sa.String(16))
    dry_run: Mapped[bool] = mapped_column(default=False)
    state: Mapped[str] = mapped_column(sa.String(16))
    reason: Mapped[str | None] = mapped_column(sa.Text)
    objects: Mapped[list[Any]] = mapped_column(sa.JSON, default=list)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)


class ImageCopy(Base):
    """An image of the region in a pod that has a Glance of its own.

    What is done about it is a row of ``realizations``, whose ``pod_resource_id`` is its id there.
    ``state`` is wanted, copying, there or leaving, or, of an image that the pod made, coming: its
    data are on the way to the region. ``why`` is use, rule or snapshot; ``size`` and ``done`` are
    bytes, ``is_open`` says that every project may use it there, ``project_id`` whose it is where
    the pod made it. ``detail`` is what is remembered between the steps of the work.
    """

    __tablename__ = "image_copies"
    __table_args__ = (sa.UniqueConstraint("image_id", "pod_id"), Base.__table_args__)
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    image_id: Mapped[str] = mapped_column(sa.String(36))
    pod_id: Mapped[str] = mapped_column(sa.String(36), index=True)
    name: Mapped[str] = mapped_column(sa.String(255), default="")
    state: Mapped[str] = mapped_column(sa.String(16), default="wanted")
    why: Mapped[str] = mapped_column(sa.String(16))
    size: Mapped[int | None] = mapped_column(sa.BigInteger)
    done: Mapped[int] = mapped_column(sa.BigInteger, default=0)
    is_open: Mapped[bool] = mapped_column(default=False)
    project_id: Mapped[str | None] = mapped_column(sa.String(64))
    detail: Mapped[dict[str, Any]] = mapped_column(sa.JSON, default=dict)
    used_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
    updated_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now, onupdate=now)


class ImageMember(Base):
    """A project that uses an image in a pod, and whether the pod's Glance has been told."""

    __tablename__ = "image_members"
    pod_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    image_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    project_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True)
    granted: Mapped[bool] = mapped_column(default=False)


class ImageName(Base):
    """An id that stands, or once stood, for an image in a pod, where that is another id.

    Never changed: servers there tell it for as long as they live.
    """

    __tablename__ = "image_names"
    pod_id: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    there: Mapped[str] = mapped_column(sa.String(36), primary_key=True)
    image_id: Mapped[str] = mapped_column(sa.String(36))


class QuotaLimit(Base):
    """A limit an operator has set: of a project, of one of its users, or of a quota class.

    ``scope`` is "project" or "class" and ``scope_id`` the project's id or the class's name;
    ``user_id`` is "" where the limit is no user's. -1 is no limit.
    """

    __tablename__ = "quota_limits"
    scope: Mapped[str] = mapped_column(sa.String(16), primary_key=True)
    scope_id: Mapped[str] = mapped_column(sa.String(255), primary_key=True)
    user_id: Mapped[str] = mapped_column(sa.String(64), primary_key=True, default="")
    resource: Mapped[str] = mapped_column(sa.String(270), primary_key=True)
    hard_limit: Mapped[int]


class QuotaLock(Base):
    """What a transaction changes first that is to count and then add for one owner.

    The owner is a project, or a user for what is counted by user.
    """

    __tablename__ = "quota_locks"
    owner_id: Mapped[str] = mapped_column(sa.String(80), primary_key=True)
    revision: Mapped[int] = mapped_column(default=0)


class QuotaReservation(Base):
    """An amount set aside for a moment, for what has no row of its own until it is made."""

    __tablename__ = "quota_reservations"
    id: Mapped[str] = mapped_column(sa.String(36), primary_key=True, default=new_id)
    owner_id: Mapped[str] = mapped_column(sa.String(80), index=True)
    resource: Mapped[str] = mapped_column(sa.String(64))
    amount: Mapped[int]
    created_at: Mapped[datetime.datetime] = mapped_column(Timestamp, default=now)
