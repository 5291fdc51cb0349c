# SPDX-License-Identifier: Apache-2.0
"""What a pod's services are: where they are, and which API versions they offer.

Only version documents are asked for, without a token: OpenStack's services give them to anyone.
"""

import asyncio
import dataclasses
import os
import re
import ssl
import time
from collections.abc import Mapping
from typing import Any

import aiohttp
import orjson

from tricircle.conf import CONF
from tricircle.pods import bodies
from tricircle.pods import versions as microversions
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.trust import trust
from tricircle.pods.versions import Range


@dataclasses.dataclass(frozen=True, slots=True)
class Service:
    """How a service is found: its endpoint ends in ``suffix``, the id of its version begins with
    ``major``, and ``document`` (below the endpoint without suffix) tells it to anyone. One that is
    not ``watched`` is only asked for its versions: nothing is wrong when it does not tell.
    """

    suffix: str
    major: str
    document: str
    required: bool = True
    watched: bool = True


# The network service's endpoint has no version, as in the catalogue; the paths sent to it do.
SERVICES = {
    "compute": Service("/v2.1", "v2.1", "/v2.1/"),
    "network": Service("", "v2", "/"),
    # Cinder wants a token for /v3/.
    "volume": Service("/v3", "v3", "/", required=False),
    "placement": Service("", "v1", "/", required=False, watched=False),
}
# Bytes of a version document; a real one has some hundreds.
_LONGEST = 1 << 20
# A version, and after it perhaps a project id, at the end of an endpoint.
_VERSION = re.compile(r"/v\d+(\.\d+)?(/[^/]*)?$")


@dataclasses.dataclass(frozen=True, slots=True)
class Seen:
    """What one service told: ``{"min": "2.1", "max": "2.104"}``, and how long it took."""

    versions: dict[str, str]
    latency_ms: float


@dataclasses.dataclass(frozen=True, slots=True)
class Found:
    """What discovery saw: ``endpoints`` {service: URL}, and each service that answered."""

    endpoints: dict[str, str]
    services: dict[str, Seen]

    @property
    def versions(self) -> dict[str, dict[str, str]]:
        """{service: {"min": "2.1", "max": "2.104"}}, as ``models.Pod`` keeps them."""
        return {name: seen.versions for name, seen in self.services.items()}


def client() -> aiohttp.ClientSession:
    """An HTTP session for ``discover``; to be closed by the caller, on the loop it was made on."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust()),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=True,
        headers={"User-Agent": "tricircle", **bodies.PLAIN},
        auto_decompress=False,
    )


def endpoints(catalogue: Mapping[str, str]) -> dict[str, str]:
    """The base URL of each service, of whatever form the catalogue has it: with another version,
    with or without a project id, with or without a slash.
    """
    found = {}
    for name, url in catalogue.items():
        service = SERVICES.get(name)
        url = url.rstrip("/")
        found[name] = _VERSION.sub("", url) + service.suffix if service else url
    return found


def versions(name: str, document: Any) -> dict[str, str]:
    """The range of (micro)versions a version document offers. Raises ValueError with the reason."""
    if not isinstance(document, dict):
        raise ValueError("is not a version document")
    listed = document.get("versions", [document.get("version")])
    wanted = SERVICES[name].major
    for entry in listed if isinstance(listed, list) else ():
        if isinstance(entry, dict) and str(entry.get("id", "")).startswith(wanted):
            number = str(entry["id"]).removeprefix("v")
            low = entry.get("min_version") or number
            # Placement has a name of its own for it.
            high = entry.get("version") or entry.get("max_version") or number
            found = microversions.read(name, low, high)
            return {
                "min": microversions.show(found.minimum),
                "max": microversions.show(found.maximum),
            }
    raise ValueError(f"offers no API {wanted}")


async def discover(
    http: aiohttp.ClientSession,
    region: str,
    catalogue: Mapping[str, str],
    deadline: float | None = None,
    others: Mapping[str, Range] = {},
) -> Found:
    """What a region offers; ``survey`` says what the parameters are.

    Raises PodUnreachable (PodTimeout when it was too slow), naming service, URL and reason, if a
    required service failed. One that is not required and failed is left out.
    """
    told = await survey(http, region, catalogue, deadline, others)
    for name, one in told.items():
        if isinstance(one, PodUnreachable) and SERVICES[name].required:
            raise one
    seen = {name: one for name, one in told.items() if isinstance(one, Seen)}
    return Found(endpoints(catalogue), seen)


async def survey(
    http: aiohttp.ClientSession,
    region: str,
    catalogue: Mapping[str, str],
    deadline: float | None = None,
    others: Mapping[str, Range] = {},
) -> dict[str, Seen | PodUnreachable]:
    """Ask every service of a region for its version document, all at once.

    ``catalogue`` is what ``ServiceIdentity.endpoints`` gives. ``deadline`` ([pods] probe_deadline)
    is in seconds. ``others`` is what the other pods in use have in common, by service: a pod with
    nothing of it could serve no request that they can. Gives {service: what it told, or why it did
    not}: PodTimeout when it said nothing, any other PodUnreachable when it does not serve.
    """
    urls = endpoints(catalogue)
    kind = CONF.tricircle_identity.interface
    told: dict[str, Seen | PodUnreachable] = {
        name: PodUnreachable(
            region, f"Keystone's catalogue has no {kind} endpoint of its {name} service"
        )
        for name, service in SERVICES.items()
        if service.required and name not in urls
    }
    asked = [name for name in SERVICES if name in urls]
    answers = await asyncio.gather(
        *(_ask(http, region, name, urls[name], deadline, others.get(name)) for name in asked),
        return_exceptions=True,
    )
    for name, answer in zip(asked, answers, strict=True):
        if isinstance(answer, BaseException) and not isinstance(answer, PodUnreachable):
            raise answer
        told[name] = answer
    return told


def _fit(name: str, offered: Mapping[str, str], others: Range | None) -> None:
    """Raises ValueError for versions that have nothing in common with what other pods have."""
    found = microversions.read(name, offered["min"], offered["max"])
    if name in microversions.CHOSEN and others is not None and not found.shared(others):
        raise ValueError(f"offers versions {found}, the other pods {others}: nothing in common")


def why(error: aiohttp.ClientConnectorError) -> str:
    """The reason in words: asyncio hides "Connection refused" behind the name of its call."""
    cause = error.os_error
    if isinstance(cause, ssl.SSLError):
        if message := getattr(cause, "verify_message", ""):
            return f"certificate verify failed: {message}"
        return str(cause.reason or cause)
    number = cause.errno
    return os.strerror(number) if number and number > 0 else str(cause)


async def _ask(
    http: aiohttp.ClientSession,
    region: str,
    name: str,
    url: str,
    deadline: float | None,
    others: Range | None,
) -> Seen:
    """What a service tells. Raises PodUnreachable."""
    service = SERVICES[name]
    url = url.removesuffix(service.suffix) + service.document
    where = f"its {name} API at {url}"
    began = time.monotonic()
    timeout = aiohttp.ClientTimeout(
        total=deadline or CONF.pods.probe_deadline, sock_connect=CONF.pods.connect_deadline
    )
    try:
        async with http.get(url, timeout=timeout, allow_redirects=False) as answer:
            if answer.status == 504:
                # A proxy's words for a service that did not answer it in time.
                raise PodTimeout(region, f"{where} answered HTTP 504")
            if answer.status not in (200, 300):
                raise PodUnreachable(region, f"{where} answered HTTP {answer.status}")
            document = orjson.loads(await bodies.read(answer, _LONGEST))
        offered = versions(name, document)
        _fit(name, offered, others)
    except TimeoutError:
        raise PodTimeout(region, f"{where} did not answer within {timeout.total:g} s") from None
    except aiohttp.ClientConnectorError as error:
        raise PodUnreachable(region, f"{where}: no connection ({why(error)})") from None
    except orjson.JSONDecodeError:
        raise PodUnreachable(region, f"{where} is not a version document") from None
    except ValueError as error:
        raise PodUnreachable(region, f"{where} {error}") from None
    except (aiohttp.ClientError, OSError) as error:
        reason = f"{type(error).__name__} {error}".strip()
        raise PodTimeout(region, f"{where}: the connection broke ({reason})") from None
    return Seen(offered, round((time.monotonic() - began) * 1000, 1))
