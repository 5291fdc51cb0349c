# SPDX-License-Identifier: Apache-2.0
"""Whether a process can serve: what a load balancer asks.

It is read from what goes on anyway (the pods are read from the database again and again, threads
take work and come back), so an answer costs nothing and waits for nothing. Neither Keystone nor a
pod counts: that they are away is no fault of this process, and another one would be no better.
"""

import time

from aiohttp import web

from tricircle.conf import CONF
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.services import Services
from tricircle.gateway.threads import DATABASE, TOKENS

PATH = "/healthcheck"


def answer(services: Services, method: str) -> web.Response:
    """200, or 503 with what does not work. Raises Fault 405."""
    if method not in ("GET", "HEAD"):
        raise Fault(405, "Only GET and HEAD are known here.", {"Allow": "GET, HEAD"})
    wrong = failing(services)
    return web.Response(status=503 if wrong else 200, text=wrong or "OK")


def failing(services: Services) -> str:
    """What does not work, "" when all is well."""
    if services.database_read_at is None:
        return "The database was not read yet"
    patience = CONF.gateway.unhealthy_after
    silent = time.monotonic() - services.database_read_at
    if silent > patience + CONF.pods.cache_seconds:
        return f"The database was read last {silent:.0f} seconds ago"
    # A thread that asks Keystone may take two tries until it gives up.
    for pool, usual in ((DATABASE, 0.0), (TOKENS, 2 * CONF.gateway.keystone_deadline)):
        if (stuck := pool.stuck_for()) > patience + usual:
            return f"No thread for {pool.kind} has become free for {stuck:.0f} seconds"
    return ""
