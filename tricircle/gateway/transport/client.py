# SPDX-License-Identifier: Apache-2.0
"""The HTTP client toward pods: pooled connections, deadlines, a breaker for each service."""

import dataclasses
import functools
from collections.abc import Mapping
from typing import Any, Self
from urllib.request import getproxies, proxy_bypass

import aiohttp
import orjson
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from tricircle.conf import CONF
from tricircle.gateway.transport.foreign_ids import ForeignIds
from tricircle.gateway.transport.id_translation import Names, Translation
from tricircle.pods import bodies
from tricircle.pods.breaker import Breakers
from tricircle.pods.calls import PodCall, left_alone
from tricircle.pods.discovery import why
from tricircle.pods.document import Document
from tricircle.pods.errors import OF_THE_REGION, PodBroken, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod
from tricircle.pods.trust import trust

# How each service is named in OpenStack-API-Version, and its older header where it has one.
VERSION_HEADERS = {
    "compute": ("compute", "X-OpenStack-Nova-API-Version"),
    "volume": ("volume", None),
    "placement": ("placement", None),
}
# Below the 5 s after which Apache closes an idle connection: a POST must not meet a closed one.
_KEEPALIVE_SECONDS = 4.0


@dataclasses.dataclass(frozen=True, slots=True)
class PodResponse:
    """What a pod answered; the body is read whole."""

    pod: Pod
    status: int
    headers: CIMultiDictProxy[str]
    body: bytes

    @property
    def ok(self) -> bool:
        return self.status < 400

    def raise_for_status(self) -> Self:
        """The answer itself. Raises Refused for one that is not ``ok``."""
        if not self.ok:
            raise Refused(self)
        return self

    def json(self, body: bytes | None = None) -> Document:
        """The body, or what was made of it. Raises PodUnreachable when it is no JSON object."""
        told = self.body if body is None else body
        return Document.read(self.pod.region_name, self.status, told)

    def message(self) -> str:
        """The text of an error answer, in whatever envelope it came."""
        try:
            document = orjson.loads(self.body)
        except orjson.JSONDecodeError:
            return self.body[:200].decode("utf-8", "replace")
        if isinstance(document, dict):
            # Placement's form.
            match document.get("errors"):
                case [{"detail": detail}, *_]:
                    return str(detail)
            for part in document.values():
                if isinstance(part, dict) and "message" in part:
                    return str(part["message"])
        return str(document)[:200]


class Refused(Exception):
    """A pod answered that the request itself is wrong: its answer is the client's."""

    def __init__(self, answer: PodResponse) -> None:
        super().__init__(answer.message())
        self.answer = answer


class PodClient:
    """Calls to pods. Made and closed on the event loop it is used on."""

    def __init__(self, breakers: Breakers, names: Names | None = None) -> None:
        self._breakers, self._names = breakers, names or Names()
        self._open: aiohttp.ClientSession | None = None
        self._usual: aiohttp.ClientTimeout  # of what has no deadline of its own

    def _session(self) -> aiohttp.ClientSession:
        if self._open is None or self._open.closed:
            connector = aiohttp.TCPConnector(
                limit=0,
                limit_per_host=CONF.pods.connections_per_pod,
                keepalive_timeout=_KEEPALIVE_SECONDS,
                ssl=trust(),
            )
            self._usual = _timeout(CONF.gateway.request_deadline)
            self._open = aiohttp.ClientSession(
                connector=connector,
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"User-Agent": "tricircle-gateway", **bodies.PLAIN},
                auto_decompress=False,
            )
        return self._open

    async def close(self) -> None:
        if self._open is not None:
            await self._open.close()

    async def request(
        self,
        pod: Pod,
        service: str,
        method: str,
        path: str,
        *,
        token: str,
        request_id: str,
        headers: Mapping[str, str] | None = None,
        body: Any = None,
        query: str | Mapping[str, Any] | None = None,
        version: tuple[int, int] | None = None,
        deadline: float | None = None,
        ignore_breaker: bool = False,
        foreign: ForeignIds | None = None,
    ) -> PodResponse:
        """Ask ``pod``; any HTTP status but a redirect is an answer.

        A redirect raises PodUnreachable: to follow it could hand the token to another host. Ids are
        translated: in the request to the pod's own, in the answer back to those users know.

        ``path`` is below the pod's endpoint and already percent-encoded; ``body`` is bytes or
        anything JSON can hold; ``query`` a raw string or a mapping. ``deadline`` is in seconds.
        With ``ignore_breaker`` a pod is asked although it is left alone after failures.
        ``foreign`` turns ids of projects and users; a pod with a Keystone of its own is not asked
        without it.
        Raises PodUnreachable, and PodTimeout when whether the pod did the work is not known
        (PodBroken when it answered what cannot be read, more than [pods] max_answer bytes, say).
        """
        if foreign is not None:
            path, query, body = await foreign.inward(path, query, body)
        elif not pod.is_shared:
            raise RuntimeError(f"{pod.region_name} is to be asked with a token of ours")
        names = await self._names.of(service, pod.id)
        if names is not None:
            path, query, body = names.request(path, query, body)
        url = pod.endpoint(service) + path
        sent = CIMultiDict(headers or {})
        sent["X-Auth-Token"] = token
        sent["X-OpenStack-Request-ID"] = request_id
        if version is not None:
            _set_version(sent, service, version)
        data = body if body is None or isinstance(body, bytes) else orjson.dumps(body)
        if data is not None:
            sent.setdefault("Content-Type", "application/json")
        sent.setdefault("Accept", "application/json")

        breaker = self._breakers[pod.id, service]
        if not ignore_breaker and not breaker.allow():
            left_alone(pod.region_name, service)
            raise PodUnreachable(
                pod.region_name, f"{_what(pod, service)} failed repeatedly; it is asked again soon."
            )
        try:
            with PodCall(pod.region_name, service, method) as told:
                sent.update(told.headers)
                answer = await self._send(
                    pod, service, method, _with_query(url, query), sent, data, deadline
                )
                told.status = answer.status
        except PodBroken:
            # Nobody waits for it, and a user may have made what is too much.
            breaker.success()
            raise
        except PodUnreachable:
            breaker.failure()
            raise
        breaker.answered(answer.status)
        if names is not None:
            answer = _translated(answer, names)
        return answer if foreign is None else await _outward(answer, foreign)

    async def _send(
        self,
        pod: Pod,
        service: str,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        data: bytes | None,
        deadline: float | None,
    ) -> PodResponse:
        session = self._session()
        timeout = _timeout(deadline) if deadline else self._usual
        proxy, proxy_auth = proxy_toward(url.scheme, url.raw_host or "")
        try:
            async with session.request(
                method,
                url,
                headers=headers,
                data=data,
                timeout=timeout,
                allow_redirects=False,
                proxy=proxy,
                proxy_auth=proxy_auth,
                # A PUT without a body has no type; Nova refuses the one aiohttp would name.
                skip_auto_headers=("Content-Type",),
            ) as response:
                if 300 <= response.status < 400:
                    raise PodUnreachable(
                        pod.region_name, f"answered with a redirect (HTTP {response.status})."
                    )
                if not _means_something(response.status):
                    raise PodBroken(
                        pod.region_name,
                        f"answered with the status {response.status}, which is none.",
                    )
                body = await bodies.read(response, CONF.pods.max_answer)
                return PodResponse(pod, response.status, response.headers, body)
        except bodies.Unreadable as error:
            raise PodBroken(pod.region_name, f"answered {error}.") from None
        except aiohttp.ConnectionTimeoutError:
            raise PodUnreachable(
                pod.region_name, f"no connection to {_what(pod, service)} could be made in time."
            ) from None
        except TimeoutError:
            text = f"{_what(pod, service)} did not answer in time{_perhaps_done(method)}."
            raise PodTimeout(pod.region_name, text) from None
        except aiohttp.ClientConnectorError as error:
            raise PodUnreachable(
                pod.region_name, f"no connection to {_what(pod, service)}: {why(error)}."
            ) from None
        except (aiohttp.ClientError, OSError) as error:
            text = (
                f"the connection to {_what(pod, service)} broke ({type(error).__name__})"
                f"{_perhaps_done(method)}."
            )
            raise PodTimeout(pod.region_name, text) from None


def _what(pod: Pod, service: str) -> str:
    """What failed, after the name of the pod, or of a service that is the region's own."""
    return "it" if pod.region_name in OF_THE_REGION else f"its {service} service"


def _perhaps_done(method: str) -> str:
    """What users are told of a change whose answer is lost."""
    return "" if method in ("GET", "HEAD") else ", and may have done what was asked: look first"


def _means_something(status: int) -> bool:
    """Whether a status that is no redirect is one of an answer."""
    return 200 <= status < 300 or 400 <= status < 600


def _translated(answer: PodResponse, names: Translation) -> PodResponse:
    headers = CIMultiDict(answer.headers)
    if "Location" in headers:
        headers["Location"] = names.outward(headers["Location"].encode()).decode()
    return dataclasses.replace(
        answer, body=names.outward(answer.body), headers=CIMultiDictProxy(headers)
    )


async def _outward(answer: PodResponse, foreign: ForeignIds) -> PodResponse:
    location = answer.headers.get("Location", "")
    told = await foreign.outward(answer.status, answer.body, location)
    headers = answer.headers
    if location:
        turned = CIMultiDict(headers)
        turned["Location"] = told.location
        headers = CIMultiDictProxy(turned)
    return dataclasses.replace(answer, body=told.body, headers=headers)


@functools.lru_cache(maxsize=1024)
def proxy_toward(scheme: str, host: str) -> tuple[URL | None, aiohttp.BasicAuth | None]:
    """The proxy the environment names toward a host, and who we are there.

    aiohttp's ``trust_env`` finds the same, but asks two threads about it for every request.
    """
    named = getproxies().get(scheme)
    if not named or proxy_bypass(host):
        return None, None
    proxy = URL(named if "://" in named else f"http://{named}")
    return proxy.with_user(None), aiohttp.BasicAuth.from_url(proxy)


def _timeout(total: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=total, sock_connect=CONF.pods.connect_deadline)


def _set_version(headers: CIMultiDict[str], service: str, version: tuple[int, int]) -> None:
    name, legacy = VERSION_HEADERS[service]
    text = f"{version[0]}.{version[1]}"
    headers["OpenStack-API-Version"] = f"{name} {text}"
    if legacy:
        headers[legacy] = text


def _with_query(url: str, query: str | Mapping[str, Any] | None) -> URL:
    if isinstance(query, str):
        return URL(f"{url}?{query}" if query else url, encoded=True)
    built = URL(url, encoded=True)
    return built.update_query(query) if query else built
