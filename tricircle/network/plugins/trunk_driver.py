# SPDX-License-Identifier: Apache-2.0
"""The trunk driver: a trunk is in the pod where its parent port is, with its subports.

Nobody asks for a subport to be bound: it goes where its parent goes, so its binding is written
here, in the transaction that binds the parent or changes the trunk.
"""

import json
from collections.abc import Iterable
from typing import Any

import sqlalchemy as sa
from neutron.db import models_v2
from neutron.db.models import securitygroup as sg_models
from neutron.services.trunk import models as trunk_models
from neutron.services.trunk.drivers import base
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.services.trunk import constants as trunk_constants

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central.models import Realization
from tricircle.network.reconcile import runtime
from tricircle.network.wanted import outbox


class TrunkDriver(base.DriverBase):  # type: ignore[misc]
    """Writes the outbox for trunks, in the transaction of the change."""

    def __init__(self) -> None:
        super().__init__(
            "tricircle",
            # A trunk whose parent could not be bound must not stay for ever.
            (portbindings.VIF_TYPE_OTHER, portbindings.VIF_TYPE_BINDING_FAILED),
            (trunk_constants.SEGMENTATION_TYPE_VLAN,),
            can_trunk_bound_port=True,
        )

    @property
    def is_loaded(self) -> bool:
        return True

    @registry.receives(resources.TRUNK_PLUGIN, [events.AFTER_INIT])  # type: ignore[misc]
    def register(self, resource: str, event: str, trigger: Any, payload: Any = None) -> None:
        super().register(resource, event, trigger, payload=payload)
        for callback, what, when in (
            (_created, resources.TRUNK, events.PRECOMMIT_CREATE),
            (_changed, resources.TRUNK, events.PRECOMMIT_UPDATE),
            (_deleted, resources.TRUNK, events.PRECOMMIT_DELETE),
            (_subports_added, resources.SUBPORTS, events.PRECOMMIT_CREATE),
            (_subports_removed, resources.SUBPORTS, events.PRECOMMIT_DELETE),
        ):
            registry.subscribe(callback, what, when, cancellable=True)


def follow(context: Any, port: dict[str, Any], pod_id: str, region: str) -> list[Key]:
    """A port is bound in a pod: the trunk it is the parent of follows it.

    What must be in the pod beside the port, in that order; nothing when it has no trunk.
    """
    session = context.session
    # Whoever makes a trunk of the port at this moment waits, and then sees that it is bound.
    session.execute(
        sa.select(models_v2.Port.id).where(models_v2.Port.id == port["id"]).with_for_update()
    )
    trunk = session.scalar(
        sa.select(trunk_models.Trunk).where(trunk_models.Trunk.port_id == port["id"])
    )
    if trunk is None:
        return []
    subports = sorted(subport.port_id for subport in trunk.sub_ports)
    _subports_into(context, subports, pod_id, region)
    _ensure(session, trunk, pod_id)
    return [*(Key("port", port_id) for port_id in subports), Key("trunk", trunk.id)]


def leave(context: Any, port_id: str, pod_id: str | None) -> None:
    """A port is bound nowhere any more, or in this pod alone: so is its trunk."""
    query = sa.select(trunk_models.Trunk).where(trunk_models.Trunk.port_id == port_id)
    trunk = context.session.scalar(query)
    if trunk is None:
        return
    subports = [subport.port_id for subport in trunk.sub_ports]
    outbox.unwanted_but_in(context, Key("trunk", trunk.id), pod_id)
    for subport in subports:
        outbox.unwanted_but_in(context, Key("port", subport), pod_id)
    if pod_id is None:
        _unbind(context, subports)


def _created(resource: str, event: str, trigger: Any, payload: Any) -> None:
    trunk = payload.desired_state
    _into_pods(payload.context, trunk, [subport.port_id for subport in trunk.sub_ports])


def _changed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    outbox.changed(payload.context, Key("trunk", payload.resource_id))


def _deleted(resource: str, event: str, trigger: Any, payload: Any) -> None:
    trunk = payload.states[0]
    outbox.deleted(payload.context, Key("trunk", trunk.id))
    _out_of_pods(payload.context, trunk.sub_ports)


def _subports_added(resource: str, event: str, trigger: Any, payload: Any) -> None:
    added = [subport.port_id for subport in payload.metadata["subports"]]
    _into_pods(payload.context, payload.states[-1], added)


def _subports_removed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    outbox.changed(payload.context, Key("trunk", payload.resource_id))
    _out_of_pods(payload.context, payload.metadata["subports"])


def _into_pods(context: Any, trunk: Any, subports: list[str]) -> None:
    """The trunk, with these subports, is wanted where its parent port is."""
    row, session = Realization, context.session
    # Locked, and so read anew: the parent may have been bound a moment ago.
    bound = (
        sa.select(row.pod_id)
        .where(
            row.resource_type == "port",
            row.resource_id == trunk.port_id,
            row.absent.is_(False),
        )
        .with_for_update()
    )
    for pod_id in session.scalars(bound).all():
        pod = runtime.get().registry.get(pod_id)
        if pod is not None:
            _subports_into(context, subports, pod_id, pod.region_name)
            _ensure(session, trunk, pod_id)


def _ensure(session: Any, trunk: Any, pod_id: str) -> None:
    key = Key("trunk", trunk.id)
    if not realizations.ensure(session, Realization, key, pod_id, trunk.project_id):
        realizations.touch(session, Realization, key, [pod_id])


def _subports_into(context: Any, port_ids: Iterable[str], pod_id: str, region: str) -> None:
    """Subports are wanted in a pod, and bound there."""
    details = json.dumps({"pod": region})
    for port in _ports(context.session, port_ids):
        group = sg_models.SecurityGroupPortBinding
        groups = sa.select(group.security_group_id).where(group.port_id == port.id)
        wanted = {
            "id": port.id,
            "network_id": port.network_id,
            "project_id": port.project_id,
            "security_groups": list(context.session.scalars(groups)),
        }
        outbox.wanted_for_port(context, wanted, pod_id)
        outbox.addresses_moved(context, port.network_id)
        port.device_owner = trunk_constants.TRUNK_SUBPORT_OWNER
        _bind(port, region, portbindings.VIF_TYPE_OTHER, details)


def _out_of_pods(context: Any, subports: Iterable[Any]) -> None:
    port_ids = [subport.port_id for subport in subports]
    for port_id in port_ids:
        outbox.unwanted(context, Key("port", port_id))
    _unbind(context, port_ids)


def _unbind(context: Any, port_ids: Iterable[str]) -> None:
    for port in _ports(context.session, port_ids):
        outbox.refresh_floating_ips(context, port_id=port.id)
        outbox.addresses_moved(context, port.network_id)
        port.device_owner = ""
        port.status = constants.PORT_STATUS_DOWN
        _bind(port, "", portbindings.VIF_TYPE_UNBOUND, "")


def _bind(port: models_v2.Port, host: str, vif_type: str, details: str) -> None:
    for binding in port.port_bindings:
        binding.host, binding.vif_type, binding.vif_details = host, vif_type, details


def _ports(session: Any, port_ids: Iterable[str]) -> list[models_v2.Port]:
    query = sa.select(models_v2.Port).where(models_v2.Port.id.in_(sorted(port_ids)))
    return list(session.scalars(query.order_by(models_v2.Port.id)).unique())
