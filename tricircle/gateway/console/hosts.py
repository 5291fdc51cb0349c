# SPDX-License-Identifier: Apache-2.0
"""Where a pod's consoles may be: on hosts that Keystone or the operator names, not on any it likes.

Else a pod could send users, and the console front with them, wherever the front can reach.
"""

from collections.abc import Iterable
from urllib.parse import urlsplit

from oslo_log import log as logging
from yarl import URL

from tricircle.conf import CONF
from tricircle.gateway.services import Services
from tricircle.gateway.threads import KEYSTONE, Busy
from tricircle.pods.catalogue import OWN
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

SCHEMES = ("http", "https", "ws", "wss")
_OPTION = "[console] proxy_hosts"
_ANY = "*"


async def refusal(services: Services, pod: Pod, told: object) -> str | None:
    """Why a console's URL is not handed on, in words that follow the pod's name; None if it is."""
    url = _read(told)
    if url is None:
        return "names a console by something that is no URL of one."
    host, port = url.host or "", url.port
    own = (url for name, url in pod.endpoints.items() if name in OWN)
    if _listed(pod.region_name, host, port) or host in _hosts_of(own):
        return None
    # The host users know it by may be that of another interface.
    try:
        found = await KEYSTONE.run(services.identity.all_endpoints, pod)
    except (KeystoneFailed, PodUnreachable, Busy) as error:
        LOG.warning("Which hosts pod %s has is not known: %s", pod.region_name, error)
        found = []
    if host in _hosts_of(found):
        return None
    return (
        f"names a console at {host}, which is a host of none of its endpoints. If its consoles are "
        f"there, the operator has to say so in {_OPTION}."
    )


def _read(told: object) -> URL | None:
    try:
        url = URL(told, encoded=True) if isinstance(told, str) else None
        plain = url is not None and url.scheme in SCHEMES and url.host and url.raw_user is None
    except ValueError:
        return None
    return url if plain else None


def _listed(region: str, host: str, port: int | None) -> bool:
    for entry in CONF.console.proxy_hosts:
        of, _, named = entry.partition(":")
        if of.strip() != region:
            continue
        if named.strip() == _ANY:
            return True
        try:
            wanted = urlsplit(f"//{named.strip()}")
            fits = wanted.hostname == host and wanted.port in (None, port)
        except ValueError:
            LOG.error("%s: %s is not understood", _OPTION, entry)
            continue
        if fits:
            return True
    return False


def _hosts_of(urls: Iterable[str]) -> set[str]:
    hosts = set()
    for url in urls:
        try:
            hosts.add(URL(url).host or "")
        except ValueError:
            continue
    return hosts - {""}
