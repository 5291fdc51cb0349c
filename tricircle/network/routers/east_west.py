# SPDX-License-Identifier: Apache-2.0
"""The second router a pod may have of one: it takes what is for other pods, and what comes from
them.

A pod's copy of a router has one gateway, and only a gateway is on one host for certain: where a
pod's routers are distributed, an ordinary interface is on all hosts at once, and on a link to
other pods that comes to nothing. So where the gateway is for what leaves the cloud, and servers
are on networks that are in no VLAN, a router of its own has the bridge to the other pods as its
gateway. The transit network, which no other pod knows of, joins it with the copy.
"""

from typing import Any

from sqlalchemy.orm import Session

from tricircle.db import realizations
from tricircle.db.realizations import Key
from tricircle.network.central.models import Realization
from tricircle.network.pod_api.pod_session import named

KIND = "east_west_router"
# Sets its marker apart from that of the copy.
_PREFIX = "east-west:"


def key(router_id: str) -> Key:
    """The realizations of a router's east-west routers."""
    return Key(KIND, _PREFIX + router_id)


def router_of(resource_id: str) -> str:
    """The router that an east-west router is of, by the realization's resource id."""
    return resource_id.removeprefix(_PREFIX)


def is_one(listed: dict[str, Any]) -> bool:
    """Whether a router in a pod, which we made, is an east-west router."""
    return (named(listed) or "").startswith(_PREFIX)


def touch(tx: Session, router_id: str) -> None:
    """A router has changed: so have all its copies, and its east-west routers."""
    for one in (Key("router", router_id), key(router_id)):
        realizations.touch(tx, Realization, one)
