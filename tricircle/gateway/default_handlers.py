# SPDX-License-Identifier: Apache-2.0
"""What each way does with a call when its row names no handler."""

from aiohttp import web

from tricircle.gateway.call import Call, Handler
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.upstream import lookup
from tricircle.gateway.upstream.forward import ask_any, reply


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
    """The function that serves a row. At other microversions than the row's any pod answers: 404.

    A pod says so before it looks at who asks, so no right could be proven there: nothing of ours
    may happen.
    Raises KeyError for a way that needs a handler and has none.
    """
    found: Handler = route.handler or _DEFAULTS[route.way]
    if route.first is None and route.last is None and route.way is not Way.SCHEDULED:
        return found

    async def while_it_lasts(call: Call) -> web.Response:
        # Nova makes nothing for a token that is for no project, and says so at once.
        homeless = call.service == "compute" and not call.context.project_id
        if not route.lasts(call.version) or (route.way is Way.SCHEDULED and homeless):
            return await any_pod(call)
        return await found(call)

    return while_it_lasts
