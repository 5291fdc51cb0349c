# SPDX-License-Identifier: Apache-2.0
"""What ML2 does not tell its drivers: changes of security groups, their rules, and routers.

All run inside the transaction of the change. Of address groups and RBAC policies Neutron tells
before or after it, when a crash could lose the word: there the database's own session tells what it
is about to write.
"""

import functools
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa
from neutron.db.models import address_group as ag_models
from neutron_lib.callbacks import events, registry, resources

from tricircle.db.realizations import Key
from tricircle.network.central import segments
from tricircle.network.routers import east_west, homes, router_modes
from tricircle.network.wanted import group_members, outbox, sharing, virtual_ports
from tricircle.network.wanted.outbox import SessionOnly


def _network_begins(resource: str, event: str, trigger: Any, payload: Any) -> None:
    segments.choose(payload.desired_state)


def _group_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    outbox.changed(payload.context, Key("security_group", payload.resource_id))
    outbox.changed(payload.context, Key(group_members.KIND, payload.resource_id))


def _group_deleted(resource: str, event: str, trigger: Any, payload: Any) -> None:
    # Rules of other groups that name it go with it, without a word.
    group_members.look_at_rules(payload.context.session, payload.resource_id)
    outbox.deleted(payload.context, Key("security_group", payload.resource_id))
    outbox.unwanted(payload.context, Key(group_members.KIND, payload.resource_id))


def _rule_created(resource: str, event: str, trigger: Any, payload: Any) -> None:
    group_id = payload.latest_state["security_group_id"]
    outbox.changed(payload.context, Key("security_group", group_id))


def _rule_deleted(resource: str, event: str, trigger: Any, payload: Any) -> None:
    group_id = payload.metadata["security_group_id"]
    outbox.changed(payload.context, Key("security_group", group_id))


def _router_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    east_west.touch(payload.context.session, payload.resource_id)


def _router_deleted(resource: str, event: str, trigger: Any, payload: Any) -> None:
    outbox.deleted(payload.context, Key("router", payload.resource_id))
    outbox.unwanted(payload.context, east_west.key(payload.resource_id))
    homes.forget(payload.context.session, payload.resource_id)


def _floating_ip_changed(resource: str, event: str, trigger: Any, payload: Any) -> None:
    latest = payload.desired_state
    floating_ip_id = payload.resource_id or (latest and latest["id"])
    networks = virtual_ports.networks_of_floating_ip(payload.context.session, floating_ip_id)
    virtual_ports.refresh(payload.context, networks)
    moved = event == events.PRECOMMIT_UPDATE and _leads_elsewhere(payload.states[0], latest)
    outbox.refresh_floating_ips(payload.context, floating_ip_id=floating_ip_id, moved=moved)


def _leads_elsewhere(before: Any, latest: Any) -> bool:
    then = (before["port_id"], before["fixed_ip_address"], before["router_id"])
    now = (latest["fixed_port_id"], latest["fixed_ip_address"], latest["router_id"])
    return [one and str(one) for one in then] != [one and str(one) for one in now]


def _floating_ip_deleted(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """What is told is the deletion of its port on the external network."""
    outbox.deleted(payload.context, Key("floating_ip", payload.latest_state["device_id"]))


def _addresses_changed(mapper: Any, connection: Any, target: Any) -> None:
    outbox.changed(SessionOnly(connection), Key("address_group", target.address_group_id))


def _addresses_renamed(mapper: Any, connection: Any, target: Any) -> None:
    outbox.changed(SessionOnly(connection), Key("address_group", target.id))


def _addresses_deleted(mapper: Any, connection: Any, target: Any) -> None:
    outbox.unwanted(SessionOnly(connection), Key("address_group", target.id))


def _shared(kind: str, mapper: Any, connection: Any, target: Any) -> None:
    sharing.changed(connection, kind, target)


def _unshared(kind: str, mapper: Any, connection: Any, target: Any) -> None:
    sharing.changed(connection, kind, target, gone=True)


_CALLBACKS = (
    (_network_begins, resources.NETWORK, events.BEFORE_CREATE),
    (_group_changed, resources.SECURITY_GROUP, events.PRECOMMIT_UPDATE),
    (_group_deleted, resources.SECURITY_GROUP, events.PRECOMMIT_DELETE),
    (_rule_created, resources.SECURITY_GROUP_RULE, events.PRECOMMIT_CREATE),
    (_rule_deleted, resources.SECURITY_GROUP_RULE, events.PRECOMMIT_DELETE),
    (router_modes.keep, resources.ROUTER, events.PRECOMMIT_CREATE),
    (router_modes.change, resources.ROUTER, events.PRECOMMIT_UPDATE),
    (_router_changed, resources.ROUTER, events.PRECOMMIT_UPDATE),
    (_router_deleted, resources.ROUTER, events.PRECOMMIT_DELETE),
    (_floating_ip_changed, resources.FLOATING_IP, events.PRECOMMIT_CREATE),
    (_floating_ip_changed, resources.FLOATING_IP, events.PRECOMMIT_UPDATE),
    (_floating_ip_deleted, resources.FLOATING_IP, events.PRECOMMIT_DELETE),
)
_WRITES: tuple[tuple[Callable[..., Any], Any, str], ...] = (
    (_addresses_changed, ag_models.AddressAssociation, "after_insert"),
    (_addresses_changed, ag_models.AddressAssociation, "after_delete"),
    (_addresses_renamed, ag_models.AddressGroup, "after_update"),
    (_addresses_deleted, ag_models.AddressGroup, "after_delete"),
    *(
        (functools.partial(write, kind), model, moment)
        for kind, model in sharing.MODELS.items()
        for write, moment in (
            (_shared, "after_insert"),
            (_shared, "after_update"),
            (_unshared, "after_delete"),
        )
    ),
)


def subscribe() -> None:
    for callback, resource, event in _CALLBACKS:
        registry.subscribe(callback, resource, event, cancellable=True)
    for write, model, moment in _WRITES:
        sa.event.listen(model, moment, write)
