# SPDX-License-Identifier: Apache-2.0
"""Central Neutron as the compute handlers use it."""

from typing import TypedDict

from tricircle.gateway.call import Call
from tricircle.gateway.transport.central_neutron import Central
from tricircle.pods.rights import Right


class Caller(TypedDict):
    by: str | Right
    request_id: str


def central(call: Call) -> Central:
    services, context = call.services, call.context
    return Central(services.client, services.identity, context.restricted, context.service_token)


def user(call: Call) -> Caller:
    """Ask as the user: Neutron decides what they may."""
    return {"by": call.context.token, "request_id": call.context.upstream_id}


def service(call: Call, right: Right) -> Caller:
    """Ask as the service user, for what Nova itself does with its own rights."""
    return {"by": right, "request_id": call.context.upstream_id}
