# SPDX-License-Identifier: Apache-2.0
"""What each way does with a call when its row names no handler."""

import importlib
from typing import cast

from aiohttp import web

from tricircle.gateway import lookup
from tricircle.gateway.call import Call
from tricircle.gateway.errors import Fault
from tricircle.gateway.forward import ask_any, reply
from tricircle.gateway.routes import Handler, Route, Way


async def routed(call: Call) -> web.Response:
    """To the pod that holds the resource the path names."""
    resource_id = call.params[call.route.id_param]
    return reply(call, await lookup.ask(call, call.route.resource_type, resource_id))


async def any_pod(call: Call) -> web.Response:
    """To one pod that answers, whichever."""
    return reply(call, await ask_any(call))


async def later(call: Call) -> web.Response:
    """Not yet."""
    raise Fault(501, f"{call.route.method} {call.route.path} is not served across pods yet.")


_DEFAULTS: dict[Way, Handler] = {Way.ROUTED: routed, Way.ANY: any_pod, Way.LATER: later}


def handler(route: Route) -> Handler:
    """The function that serves a row; beyond its last microversion a pod says that it is no more.

    Raises ImportError, AttributeError for a name that leads nowhere, KeyError for a way that
    needs a handler and has none.
    """
    found = _found(route)
    last = route.last
    if last is None:
        return found

    async def while_it_lasts(call: Call) -> web.Response:
        gone = call.version is not None and call.version > last
        return await (any_pod(call) if gone else found(call))

    return while_it_lasts


def _found(route: Route) -> Handler:
    if isinstance(route.handler, str):
        module, _, function = route.handler.partition(":")
        found = getattr(importlib.import_module(f"tricircle.gateway.{module}"), function)
        return cast(Handler, found)
    return route.handler or _DEFAULTS[route.way]
