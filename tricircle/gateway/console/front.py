# SPDX-License-Identifier: Apache-2.0
"""The pods' console proxies behind one address: their pages, and the web sockets these open.

Tokens are in paths' queries and in cookies here, so no URL is ever logged. Whether a token is
good is for the pod's own proxy to say.
"""

import asyncio
import contextlib
import re
import time
import weakref
from collections.abc import AsyncIterator, Iterator, Mapping
from urllib.parse import urlsplit

import aiohttp
from aiohttp import web
from aiohttp.http_websocket import WSCloseCode
from multidict import CIMultiDict
from oslo_log import log as logging
from yarl import URL

from tricircle.conf import CONF
from tricircle.gateway import healthcheck
from tricircle.gateway.console import hosts, places
from tricircle.gateway.console.places import Place
from tricircle.gateway.console.relay import relay
from tricircle.gateway.services import Services
from tricircle.gateway.transport.client import proxy_toward
from tricircle.pods.trust import trust

LOG = logging.getLogger(__name__)

# What is told to a pod's proxy, and from it; cookies and credentials of this site are not its.
_ASKED = ("Accept", "Accept-Encoding", "Accept-Language", "If-Modified-Since", "If-None-Match",
          "Range", "User-Agent")  # fmt: skip
_TOLD = ("Accept-Ranges", "Cache-Control", "Content-Encoding", "Content-Length", "Content-Range",
         "Content-Type", "ETag", "Expires", "Last-Modified")  # fmt: skip
# A page's own query has the token, which no other site need learn.
_OUR_HEADERS = {"Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}
# The token of pages that have no query for it, by Nova's name, and where the page came from.
_TOKEN, _PLACE = "token", "tricircle-console"
_TOKENS = re.compile(r"[\w.~+/=-]{1,255}", re.ASCII)
_CLOSING = 5.0


class Refusal(Exception):
    """An answer without a page: status and text."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status, self.text = status, text


class Front:
    """Serves one process."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._open: weakref.WeakSet[web.WebSocketResponse] = weakref.WeakSet()
        self._count = 0
        self._http: aiohttp.ClientSession | None = None

    async def respond(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._answer(request)
        except Refusal as refusal:
            return self.refuse(refusal.status, refusal.text)
        except web.HTTPException as error:
            return self.refuse(error.status, error.reason)
        except Exception as error:
            # Neither its text nor its traceback: they may have the URL.
            LOG.error("The console front failed on a request (%s)", type(error).__name__)
            return self.refuse(500, "The console front failed on this request.")

    def refuse(self, status: int, message: str) -> web.Response:
        return web.Response(status=status, text=message, headers=_OUR_HEADERS)

    async def stop(self) -> None:
        """End all consoles, and say so."""
        ends = (
            one.close(code=WSCloseCode.GOING_AWAY, message=b"The gateway stops")
            for one in list(self._open)
        )
        await asyncio.gather(*ends, return_exceptions=True)

    async def close(self) -> None:
        if self._http is not None:
            await self._http.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/healthcheck":
            return healthcheck.answer(self._services, request.method)
        if request.method not in ("GET", "HEAD"):
            raise Refusal(405, "Only GET and HEAD are known here.")
        socket = request.headers.get("Upgrade", "").lower() == "websocket"
        place, url = self._where(request, socket)
        await self._allowed(place)
        if socket:
            _same_site(request)
            return await self._session(request, place, url)
        return await self._page(request, place, url)

    def _where(self, request: web.BaseRequest, socket: bool) -> tuple[Place, URL]:
        """The place asked for and the URL there. Raises Refusal 404."""
        raw_path = request.rel_url.raw_path
        found = places.find(raw_path)
        if found is None and socket:
            # Old pages open their socket at the root of the site they came from.
            found = places.find(request.cookies.get(_PLACE, "") + raw_path)
        known = {pod.region_name for pod in self._services.serving()}
        if found is None or found[0].region not in known:
            raise Refusal(404, "There is no such console. Ask for its URL anew.")
        place, path = found
        url = place.target(path, request.rel_url.raw_query_string, socket=socket)
        if url is None:
            raise Refusal(404, "There is no such page.")
        return place, url

    async def _allowed(self, place: Place) -> None:
        """Raises Refusal for what the operator does not allow (any more)."""
        pod = self._services.registry.by_region(place.region)
        if pod is None:
            raise Refusal(404, "There is no such console. Ask for its URL anew.")
        if (why := await hosts.refusal(self._services, pod, str(place.base))) is not None:
            raise Refusal(502, f"Pod {place.region}: {why}")

    # -- pages

    async def _page(self, request: web.BaseRequest, place: Place, url: URL) -> web.StreamResponse:
        sent = {name: request.headers[name] for name in _ASKED if name in request.headers}
        deadline = CONF.console.connect_deadline
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=deadline, sock_read=deadline)
        proxy, auth = proxy_toward(url.scheme, url.raw_host or "")
        response: web.StreamResponse | None = None
        with _reached(place):
            try:
                async with self._client().request(
                    request.method, url, headers=sent, timeout=timeout, allow_redirects=False,
                    proxy=proxy, proxy_auth=auth,
                ) as answer:  # fmt: skip
                    response = web.StreamResponse(
                        status=answer.status, headers=_told(place, answer.headers)
                    )
                    if _TOKEN in request.query:
                        response.set_cookie(
                            _PLACE, place.path, httponly=True, samesite="Lax",
                            secure=CONF.console.public_base_url.startswith("https:"),
                        )  # fmt: skip
                    await response.prepare(request)
                    if request.method != "HEAD":
                        async for chunk in answer.content.iter_any():
                            await response.write(chunk)
                    await response.write_eof()
            except (aiohttp.ClientError, OSError, TimeoutError):
                if response is None or not response.prepared:
                    raise
                # Half a page was sent: the client must see that it is not the whole.
                if request.transport is not None:
                    request.transport.abort()
        assert response is not None
        return response

    # -- web sockets

    async def _session(
        self, request: web.BaseRequest, place: Place, url: URL
    ) -> web.StreamResponse:
        if self._count >= CONF.console.max_connections:
            raise Refusal(503, "Too many consoles are open. Try again later.")
        self._count += 1
        begun = time.monotonic()
        try:
            async with self._upstream(request, place, url) as pod:
                client = web.WebSocketResponse(
                    protocols=[pod.protocol] if pod.protocol else [],
                    max_msg_size=CONF.console.max_message_size,
                    timeout=_CLOSING, autoclose=False, autoping=False, compress=False,
                )  # fmt: skip
                await client.prepare(request)
                self._open.add(client)
                LOG.info("A console of %s is opened", place.region)
                code = await relay(client, pod, CONF.console.idle_deadline)
                spent = time.monotonic() - begun
                LOG.info("A console of %s is closed (%d) after %.0f s", place.region, code, spent)
                return client
        finally:
            self._count -= 1

    @contextlib.asynccontextmanager
    async def _upstream(
        self, request: web.BaseRequest, place: Place, url: URL
    ) -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
        """The pod's own web socket. Raises Refusal."""
        offered = request.headers.get("Sec-WebSocket-Protocol", "")
        headers: CIMultiDict[str] = CIMultiDict()
        token = request.cookies.get(_TOKEN, "")
        if _TOKENS.fullmatch(token):
            headers["Cookie"] = f"{_TOKEN}={token}"
        proxy, auth = proxy_toward(url.scheme, url.raw_host or "")
        with _reached(place):
            async with asyncio.timeout(CONF.console.connect_deadline):
                pod = await self._client().ws_connect(
                    url,
                    protocols=[name.strip() for name in offered.split(",") if name.strip()],
                    # The pod's proxy wants pages to be its own, or of nobody.
                    origin=place.origin if "Origin" in request.headers else None,
                    headers=headers,
                    timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING),
                    max_msg_size=CONF.console.max_message_size,
                    autoclose=False, autoping=False, proxy=proxy, proxy_auth=auth,
                )  # fmt: skip
        try:
            yield pod
        finally:
            await pod.close()

    def _client(self) -> aiohttp.ClientSession:
        if self._http is None:
            self._http = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, ssl=trust()),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
            )
        return self._http


@contextlib.contextmanager
def _reached(place: Place) -> Iterator[None]:
    """Turns what goes wrong toward a pod's proxy into a Refusal that names the pod."""
    try:
        yield
    except aiohttp.WSServerHandshakeError as error:
        status = error.status if 400 <= error.status < 500 else 502
        text = f"The console proxy of {place.region} refused (HTTP {error.status})."
        raise Refusal(status, text) from None
    except TimeoutError:
        raise Refusal(504, f"The console proxy of {place.region} did not answer.") from None
    except (aiohttp.ClientError, OSError) as error:
        LOG.warning("The console proxy of %s fails: %s", place.region, type(error).__name__)
        raise Refusal(502, f"The console proxy of {place.region} cannot be reached.") from None


def _same_site(request: web.BaseRequest) -> None:
    """A page of another site must not use a console by its user's cookies. Raises Refusal 403."""
    origin = request.headers.get("Origin")
    if origin is None:  # no browser
        return
    allowed = {URL(CONF.console.public_base_url).host, *CONF.console.allowed_origins}
    try:
        host = urlsplit(origin).hostname
    except ValueError:
        host = None
    if host not in allowed:
        raise Refusal(403, "Pages of that origin may not open consoles.")


def _told(place: Place, theirs: Mapping[str, str]) -> CIMultiDict[str]:
    headers = CIMultiDict(_OUR_HEADERS)
    for name in _TOLD:
        if name in theirs:
            headers[name] = theirs[name]
    # A folder without its slash; a redirect to elsewhere is not followed through us.
    if location := theirs.get("Location"):
        try:
            led = place.base.join(URL(location, encoded=True))
        except ValueError:
            return headers
        if str(led).startswith(str(place.base)):
            ours = URL(CONF.console.public_base_url).raw_path.rstrip("/")
            headers["Location"] = f"{ours}{place.path}{led.raw_path_qs}"
    return headers
