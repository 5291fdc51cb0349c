# SPDX-License-Identifier: Apache-2.0
"""Markers: how an object in a pod tells which resource of the region it was made for.

A marker is ``tricircle:<id>``, a slash and a signature, in the object's description (a server
group's name). Anybody may write such a text; nobody else can sign it, for this pod, this kind of
object and this owner. Where no key is configured, and on what was made before there was one, the
signature is missing: then the owner must be a project for which we would have made the object.
"""

import base64
import hmac
import re
from collections.abc import Collection
from typing import NamedTuple

from oslo_log import log

from tricircle.conf import CONF

LOG = log.getLogger(__name__)

_PREFIX = "tricircle:"
_TEXT = re.compile(_PREFIX + r"([0-9A-Za-z:-]{1,100})(?:/([0-9A-Za-z_-]{16}))?")
# Bytes of a signature: so few that the markers of many objects fit into one query.
_SIZE = 12
_LETTERS = 16


class Place(NamedTuple):
    """Where an object is: in the pod of a region, in one of its collections."""

    region: str
    collection: str


def check() -> None:
    """Warn when there is no key; end the process when one is too short. For its start."""
    if any(len(key) < _LETTERS for key in CONF.markers.secrets):
        raise SystemExit(f"[markers] secrets: each needs {_LETTERS} letters or more")
    if not CONF.markers.secrets:
        LOG.warning(
            "[markers] secrets is not set: what Tricircle made in a pod is told from what others "
            "made by its project only"
        )


def named(text: object) -> str | None:
    """The resource that a marker names, whoever wrote it; None for any other text."""
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    return found[1] if found else None


def sign(resource_id: str, place: Place, project_id: str) -> str:
    """The marker of an object that is to be a project's; without a key it is not signed."""
    return forms(resource_id, place, project_id)[0]


def forms(resource_id: str, place: Place, project_id: str) -> list[str]:
    """All markers one of ours may have, the newest first: by every key, and without any."""
    text = _PREFIX + resource_id
    signatures = (_signature(key, resource_id, place, project_id) for key in CONF.markers.secrets)
    return [*(f"{text}/{signature}" for signature in signatures), text]


def is_newest(text: object, resource_id: str, place: Place, project_id: str) -> bool:
    """Whether an object of ours has the marker it would be given today.

    Whoever has no key cannot tell, and leaves a signature as it is.
    """
    if named(text) != resource_id:
        return False
    return not CONF.markers.secrets or text == sign(resource_id, place, project_id)


def is_signed(text: object, place: Place, project_id: str) -> bool:
    """Whether a project's object has a marker that only we can have written."""
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None or found[2] is None:
        return False
    resource_id, signature = found[1], found[2]
    good = (_signature(key, resource_id, place, project_id) for key in CONF.markers.secrets)
    # All are compared, so that how long it takes tells nothing.
    return sum(hmac.compare_digest(signature, one) for one in good) > 0


def is_ours(text: object, place: Place, project_id: str, owners: Collection[str] | None) -> bool:
    """Whether we made a project's object that has a marker.

    ``owners`` are the projects it would be made for; None when that cannot be known any more: then
    only a signature tells, or, where no key is configured, the marker alone.
    """
    found = _TEXT.fullmatch(text) if isinstance(text, str) else None
    if found is None:
        return False
    keys = CONF.markers.secrets
    if keys and found[2] is not None:
        return is_signed(text, place, project_id)
    return not keys if owners is None else project_id in owners


def _signature(key: str, resource_id: str, place: Place, project_id: str) -> str:
    message = "\0".join((place.region, place.collection, project_id, resource_id))
    mac = hmac.digest(key.encode(), message.encode(), "sha256")[:_SIZE]
    return base64.urlsafe_b64encode(mac).decode()
