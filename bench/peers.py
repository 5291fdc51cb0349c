# SPDX-License-Identifier: Apache-2.0
"""What the gateway is measured beside: a bare aiohttp proxy, nginx, and a gateway of WSGI threads.

Each hands on to one pod, at a URL that ends before the service's name: paths begin with that.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pecan
import requests
import sqlalchemy as sa
from aiohttp import web
from keystonemiddleware import auth_token
from pecan import rest
from sqlalchemy.orm import Session
from waitress import serve

from bench.cloud import Facts
from bench.kinds import KINDS
from bench.processes import Program, free_port, listens
from tricircle.db.models import Routing

_KEPT = ("X-Auth-Token", "OpenStack-API-Version", "X-OpenStack-Nova-API-Version", "Accept")
_THREADS = 32


# A bare proxy of aiohttp: what any gateway in Python of this kind has to pay


def aiohttp_proxy(port: int, pod: str) -> None:
    async def proxy(request: web.Request) -> web.Response:
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        url = f"{pod}{request.raw_path}"
        async with session.request(request.method, url, headers=headers) as answer:
            body = await answer.read()
            kind = answer.headers["Content-Type"]
            return web.Response(status=answer.status, body=body, headers={"Content-Type": kind})

    async def opened(app: web.Application) -> Any:
        global session
        session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0))
        yield
        await session.close()

    app = web.Application()
    app.cleanup_ctx.append(opened)
    app.router.add_route("*", "/{path:.*}", proxy)
    web.run_app(app, host="127.0.0.1", port=port, access_log=None, print=None)


session: aiohttp.ClientSession


# WSGI as gateways of its age were built: threads, pecan, requests, keystonemiddleware with a cache,
# a look into the routings by SQLAlchemy. Connections are kept, which they seldom were.


class _Collection(rest.RestController):  # type: ignore[misc]
    def __init__(self, kind: str, pod: str, engine: sa.Engine) -> None:
        self._kind, self._pod, self._engine = kind, pod, engine
        self._mine = threading.local()

    @pecan.expose(template="json")
    def get_one(self, resource_id: str) -> Any:
        with Session(self._engine) as session:
            session.get(Routing, (self._kind, resource_id))
        if not hasattr(self._mine, "session"):
            self._mine.session = requests.Session()
        request = pecan.request
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        answer = self._mine.session.get(self._pod + request.path_qs, headers=headers, timeout=60)
        pecan.response.status = answer.status_code
        return answer.json()


class _Root:
    def __init__(self, pod: str, database: str) -> None:
        engine = sa.create_engine(database)
        self._collections = {
            kind.many: _Collection(kind.one, pod, engine) for kind in KINDS.values()
        }

    @pecan.expose()
    def _lookup(self, service: str, version: str, collection: str, *rest: str) -> Any:
        return self._collections[collection], rest


def wsgi_gateway(port: int, pod: str, keystone: str, database: str) -> None:
    gateway = pecan.make_app(_Root(pod, database))
    conf = {
        "auth_type": "password", "auth_url": keystone, "username": "tricircle",
        "password": "secret", "project_name": "service", "user_domain_id": "default",
        "project_domain_id": "default", "www_authenticate_uri": keystone,
        "delay_auth_decision": False, "cache": "bench.cache", "token_cache_time": 300,
    }  # fmt: skip
    middleware = auth_token.AuthProtocol(gateway, conf)
    kept = _Cache()

    def app(environ: dict[str, Any], start_response: Any) -> Any:
        environ["bench.cache"] = kept
        return middleware(environ, start_response)

    serve(app, host="127.0.0.1", port=port, threads=_THREADS, clear_untrusted_proxy_headers=True)


class _Cache:
    """Memory for tokens, as fast as there can be one."""

    def __init__(self) -> None:
        self._kept: dict[str, Any] = {}

    def get(self, key: str) -> Any:
        return self._kept.get(key)

    def set(self, key: str, value: Any, time: int = 0) -> None:
        self._kept[key] = value


# nginx

_NGINX = """
worker_processes 1; daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log;
events {{ worker_connections 1024; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/f; uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  upstream pod {{ server {pod}; keepalive 200; }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://pod; proxy_http_version 1.1; proxy_set_header Connection "";
    }}
  }}
}}
"""


@contextlib.contextmanager
def running(
    name: str, facts: Facts, pod: int, database: str, folder: Path
) -> Iterator[tuple[Program, int] | None]:
    """A peer in front of the pod on a port: (process, port); None if not installed."""
    port = free_port()
    if name == "nginx":
        program = shutil.which("nginx")
        if program is None:
            print("nginx is not installed: left out")
            yield None
            return
        config = folder / "nginx.conf"
        config.write_text(_NGINX.format(folder=folder, port=port, pod=f"127.0.0.1:{pod}"))
        argv = [program, "-c", str(config), "-p", str(folder)]
    else:
        url = f"http://127.0.0.1:{pod}"
        argv = [sys.executable, "-m", "bench.peers", name, str(port), url, facts.keystone, database]
    with Program(argv, folder / f"{name}.log", lambda: listens(port)) as process:
        yield process, port


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("name", choices=("aiohttp", "wsgi"))
    parser.add_argument("port", type=int)
    for name in ("pod", "keystone", "database"):
        parser.add_argument(name)
    given = parser.parse_args()
    if given.name == "aiohttp":
        aiohttp_proxy(given.port, given.pod)
    else:
        wsgi_gateway(given.port, given.pod, given.keystone, given.database)


if __name__ == "__main__":
    main()
