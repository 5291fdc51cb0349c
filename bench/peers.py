# SPDX-License-Identifier: Apache-2.0
"""What the gateway is measured beside: a bare aiohttp proxy, nginx, and a gateway of WSGI threads.

Each is given ``--pod PORT``: one pod, or for the WSGI gateway the same pod it would have looked up.
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
import requests
import sqlalchemy as sa
import webob
import webob.dec
from aiohttp import web
from keystonemiddleware import auth_token
from waitress import serve

from bench.cloud import Facts
from bench.processes import Program, free_port, listens

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


# WSGI: threads, requests, keystonemiddleware with its cache, a look into the routings


def wsgi_gateway(port: int, pod: str, keystone: str, database: str) -> None:
    engine = sa.create_engine(database)
    find = sa.text("select pod_id from routings where resource_type='server' and resource_id=:id")
    mine = threading.local()

    @webob.dec.wsgify
    def gateway(request: webob.Request) -> webob.Response:
        if not hasattr(mine, "session"):
            mine.session = requests.Session()
        with engine.connect() as connection:
            connection.execute(find, {"id": request.path.rpartition("/")[2]}).first()
        headers = {name: request.headers[name] for name in _KEPT if name in request.headers}
        answer = mine.session.request(
            request.method, pod + request.path_qs, headers=headers, data=request.body, timeout=60
        )
        kind = answer.headers["Content-Type"]
        return webob.Response(answer.content, status=answer.status_code, content_type=kind)

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
    name: str, facts: Facts, pod: str, database: str, folder: Path
) -> Iterator[tuple[Program, int] | None]:
    """A peer in front of the pod at ``pod`` (URL): (process, port); None if not installed."""
    port = free_port()
    if name == "nginx":
        program = shutil.which("nginx")
        if program is None:
            print("nginx is not installed: left out")
            yield None
            return
        config = folder / "nginx.conf"
        address = pod.removeprefix("http://").rstrip("/")
        config.write_text(_NGINX.format(folder=folder, port=port, pod=address))
        argv = [program, "-c", str(config), "-p", str(folder)]
    else:
        argv = [sys.executable, "-m", "bench.peers", name, str(port), pod, facts.keystone, database]
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
