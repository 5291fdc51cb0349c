# SPDX-License-Identifier: Apache-2.0
"""Keypairs: the public half of a user's key."""

from urllib.parse import quote, urlencode

from tricircle.pods.rest import Body, PodService

# The first microversion that shows and takes everything there is to copy.
_KEYPAIR = "2.10"
# From here on names may hold @ and the dot.
_NAMES = (2, 92)


def keypair_key(user_id: str, name: str) -> str:
    """The key of a keypair's definition."""
    return f"{user_id}/{name}"


def _path(key: str) -> str:
    user_id, _, name = key.partition("/")
    return f"/os-keypairs/{quote(name, safe='')}?{urlencode({'user_id': user_id})}"


def read(service: PodService, key: str) -> Body | None:
    """A keypair's public half."""
    document = service.ask("GET", _path(key), _KEYPAIR, missing=True)
    if document is None:
        return None
    return {name: document["keypair"][name] for name in ("name", "type", "public_key")}


def realize(service: PodService, key: str, body: Body) -> str:
    current = read(service, key)
    if current == body:
        return str(body["name"])
    if current is not None:
        remove(service, key)
    version = _KEYPAIR
    if any(character in body["name"] for character in "@."):
        version = ".".join(map(str, _NAMES))
    user_id = key.partition("/")[0]
    service.ask("POST", "/os-keypairs", version, {"keypair": {**body, "user_id": user_id}})
    return str(body["name"])


def remove(service: PodService, key: str) -> None:
    service.ask("DELETE", _path(key), _KEYPAIR, missing=True)
