# SPDX-License-Identifier: Apache-2.0
"""Where consoles are: a pod's URL of one turned to ours, and back.

Ours is the pod's, path and query kept, with the place before the path: the pod's region and the
sealed base of its console proxy. The seal is a MAC, so only what a pod's Nova has named itself can
be reached, through whichever gateway, and nothing need be remembered.
"""

import base64
import binascii
import dataclasses
import hmac
from urllib.parse import parse_qsl, quote, unquote, urlencode

from yarl import URL

from tricircle.conf import CONF

# Clients by these kinds of URL speak what we can forward; others connect by themselves.
KINDS = ("novnc", "spice-html5", "serial", "webmks", "rdp-html5")
# These lead to a page, which opens its web socket at the query's "path", from the root.
_PAGES = ("novnc", "spice-html5")
_PAGES_DEFAULT = "websockify"
_HTTP = {"ws": "http", "wss": "https", "http": "http", "https": "https"}
_WS = {"http": "ws", "https": "wss"}
_MAC_SIZE = 16


@dataclasses.dataclass(frozen=True, slots=True)
class Place:
    """A pod's console proxy; ``base`` is its http(s) URL down to a folder ("/" at the end)."""

    region: str
    base: URL

    @property
    def origin(self) -> str:
        return str(self.base.origin())

    @property
    def path(self) -> str:
        """What stands before the pod's own path in ours, without our own base."""
        base = str(self.base).encode()
        seal = base64.urlsafe_b64encode(_mac(self.region, base) + base).decode().rstrip("=")
        return f"/{quote(self.region, safe='')}/{seal}"

    def target(self, path: str, query: str, *, socket: bool) -> URL | None:
        """The proxy's own URL for a raw path; None for what is not its business.

        Its pages are below its base; its web sockets also at the root, as its pages have it.
        """
        parts = unquote(path).replace("\\", "/").split("/")
        if ".." in parts or "." in parts:
            return None
        at_root = socket and path.count("/") == 1
        if not at_root and not path.startswith(self.base.raw_path):
            return None
        return URL.build(
            scheme=self.base.scheme,
            authority=self.base.raw_authority,
            path=path,
            query_string=query,
            encoded=True,
        )


def public_url(region: str, kind: str, url: str) -> str:
    """Our URL of a pod's console; the pod's own where there is no front, or none for its kind."""
    ours = CONF.console.public_base_url
    if not ours or kind not in KINDS:
        return url
    try:
        theirs = URL(url, encoded=True)
        led = theirs.scheme in _HTTP and theirs.raw_host and theirs.user is None
    except ValueError:
        led = False
    if not led:
        return url
    folder = theirs.raw_path.rpartition("/")[0] + "/"
    base = theirs.with_scheme(_HTTP[theirs.scheme]).with_path(folder, encoded=True)
    front = URL(ours, encoded=True)
    prefix = front.raw_path.rstrip("/") + Place(region, base).path
    query = theirs.raw_query_string
    if kind in _PAGES:
        query = _led(query, prefix)
    return str(
        URL.build(
            scheme=_WS[front.scheme] if theirs.scheme in ("ws", "wss") else front.scheme,
            authority=front.raw_authority,
            path=prefix + theirs.raw_path,
            query_string=query,
            encoded=True,
        )
    )


def find(path: str) -> tuple[Place, str] | None:
    """The place that a raw path of ours names, and the pod's own path; None for no place of ours.

    A page may have put one slash too many before it, and a proxy may have left our base in it.
    """
    path = "/" + path.lstrip("/")
    ours = URL(CONF.console.public_base_url).raw_path.rstrip("/")
    if ours and path.startswith(f"{ours}/"):
        path = path.removeprefix(ours)
    _, region, seal, *rest = [*path.split("/", 3), "", ""][:4]
    place = _opened(unquote(region), seal)
    return None if place is None else (place, "/" + "".join(rest))


def _led(query: str, prefix: str) -> str:
    """The query of a page, its web socket led through us."""
    pairs = dict(parse_qsl(query, keep_blank_values=True))
    path = pairs.get("path", _PAGES_DEFAULT)
    # Some pages put a slash before it, some take it for relative to themselves.
    return urlencode({**pairs, "path": f"{prefix}/{path.lstrip('/')}"})


def _opened(region: str, seal: str) -> Place | None:
    try:
        sealed = base64.urlsafe_b64decode(seal + "=" * (-len(seal) % 4))
        mac, base = sealed[:_MAC_SIZE], sealed[_MAC_SIZE:]
        if not hmac.compare_digest(mac, _mac(region, base)):
            return None
        return Place(region, URL(base.decode(), encoded=True))
    except (ValueError, binascii.Error):
        return None


def _mac(region: str, base: bytes) -> bytes:
    message = region.encode() + b"\0" + base
    return hmac.digest(CONF.console.secret.encode(), message, "sha256")[:_MAC_SIZE]
