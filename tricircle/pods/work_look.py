# SPDX-License-Identifier: Apache-2.0
"""Does a pod's service do any work, or does it only give out its version document?

A list of one thing takes what all work takes: a token that the service validates, and its database.
"""

import asyncio
from collections.abc import Collection, Mapping

import aiohttp

from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod

#: What such a call says of itself in the logs of pods.
AGENT = "tricircle-probe"
# {service: by which right, and what is listed}
_LOOKS = {
    "compute": (rights.ALIVE_COMPUTE, "/servers?limit=1"),
    "network": (rights.ALIVE_NETWORK, "/v2.0/networks?limit=1&fields=id"),
    "volume": (rights.ALIVE_VOLUME, "/volumes?limit=1"),
}


async def look(
    http: aiohttp.ClientSession,
    identity: ServiceIdentity,
    pod: Pod,
    services: Collection[str],
    urls: Mapping[str, str],
) -> dict[str, PodTimeout]:
    """Those of these services of a pod that did no work in [pods] probe_deadline seconds, or failed
    at it. ``urls`` are their endpoints.

    None of a pod with a Keystone of its own: whether that one answers is another matter. None of
    one in maintenance, which is shown no token, and none while Keystone gives no token.
    """
    asked = [name for name in services if name in _LOOKS and name in urls]
    if not asked or not (pod.is_shared and pod.in_use):
        return {}
    try:
        calls = await asyncio.to_thread(_prepared, identity, pod, asked)
    except (KeystoneFailed, PodUnreachable):
        return {}
    errors = await asyncio.gather(
        *(_ask(http, pod.region_name, name, urls[name], *calls[name]) for name in asked)
    )
    return {name: error for name, error in zip(asked, errors, strict=True) if error is not None}


def _prepared(
    identity: ServiceIdentity, pod: Pod, services: Collection[str]
) -> dict[str, tuple[str, str]]:
    """{service: (the path below its endpoint, a token)}. Blocks."""
    return {
        name: (identity.below(pod, name) + path, identity.token(right, "GET", path))
        for name, (right, path) in _LOOKS.items()
        if name in services
    }


async def _ask(
    http: aiohttp.ClientSession, region: str, name: str, url: str, path: str, token: str
) -> PodTimeout | None:
    """Why a service does not work; None when it does. A refusal is an answer."""
    what = f"its {name} API gives its versions, but"
    headers = {"X-Auth-Token": token, "User-Agent": AGENT}
    timeout = aiohttp.ClientTimeout(
        total=CONF.pods.probe_deadline, sock_connect=CONF.pods.connect_deadline
    )
    plain = path.partition("?")[0]
    try:
        async with http.get(
            url.rstrip("/") + path, headers=headers, timeout=timeout, allow_redirects=False
        ) as answer:
            if answer.status < 500 or answer.status == 501:
                return None
            return PodTimeout(region, f"{what} answers GET {plain} with HTTP {answer.status}")
    except TimeoutError:
        return PodTimeout(region, f"{what} did not answer GET {plain} within {timeout.total:g} s")
    except (aiohttp.ClientError, OSError) as error:
        reason = f"{type(error).__name__} {error}".strip()
        return PodTimeout(region, f"{what} broke the connection of GET {plain} ({reason})")
