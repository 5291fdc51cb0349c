# SPDX-License-Identifier: Apache-2.0
"""Markers: how an object in a pod tells which resource of the region it was made for.

A marker is ``tricircle/<id>/<signature>``, in the object's description (a server group's name).
Anybody may write such a text; nobody else can sign it, for this pod, this kind of object and this
owner. Where no key is configured, and on what was made before there was one, it is
``tricircle:<id>``: then the owner must be a project for which we would have made the object. The
two begin otherwise, because releases that know no signature would take the first for something
that nobody wants, and remove it.
"""

import base64
import hmac
import re
from collections.abc import Collection
from typing import NamedTuple

from oslo_log import log

from tricircle.conf import CONF

LOG = log.getLogger(__name__)

_ID = r"([0-9A-Za-z:-]{1,100})"
_UNSIGNED = re.compile(f"tricircle:{_ID}")
_SIGNED = re.compile(f"tricircle/{_ID}/([0-9A-Za-z_-]{{16}})")
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
    found = _read(text)
    return found[0] if found else None


def sign(resource_id: str, place: Place, project_id: str) -> str:
    """The marker of an object that is to be a project's; without a key it is not signed."""
    return forms(resource_id, place, project_id)[0]


def forms(resource_id: str, place: Place, project_id: str) -> list[str]:
    """All markers one of ours may have, the newest first: by every key, and without any."""
    signatures = (_signature(key, resource_id, place, project_id) for key in CONF.markers.secrets)
    signed = [f"tricircle/{resource_id}/{signature}" for signature in signatures]
    return [*signed, f"tricircle:{resource_id}"]


def is_newest(text: object, resource_id: str, place: Place, project_id: str) -> bool:
    """Whether an object of ours has the marker it would be given today.

    Whoever has no key cannot tell, and leaves a signature as it is.
    """
    if named(text) != resource_id:
        return False
    return not CONF.markers.secrets or text == sign(resource_id, place, project_id)


def is_signed(text: object, place: Place, project_id: str) -> bool:
    """Whether a project's object has a marker that only we can have written."""
    resource_id, signature = _read(text) or ("", None)
    if signature is None:
        return False
    good = (_signature(key, resource_id, place, project_id) for key in CONF.markers.secrets)
    # All are compared, so that how long it takes tells nothing.
    return sum(hmac.compare_digest(signature, one) for one in good) > 0


def is_ours(text: object, place: Place, project_id: str, owners: Collection[str] | None) -> bool:
    """Whether we made a project's object that has a marker.

    ``owners`` are the projects it would be made for; None when that cannot be known any more: then
    only a signature tells, or, where no key is configured, the marker alone.
    """
    found, keys = _read(text), CONF.markers.secrets
    if found is None:
        return False
    if keys and found[1] is not None:
        return is_signed(text, place, project_id)
    return not keys if owners is None else project_id in owners


def _read(text: object) -> tuple[str, str | None] | None:
    """The id and the signature, if there is one, of what may be a marker."""
    if not isinstance(text, str):
        return None
    if found := _SIGNED.fullmatch(text):
        return found[1], found[2]
    return (found[1], None) if (found := _UNSIGNED.fullmatch(text)) else None


def _signature(key: str, resource_id: str, place: Place, project_id: str) -> str:
    message = "\0".join((place.region, place.collection, project_id, resource_id))
    mac = hmac.digest(key.encode(), message.encode(), "sha256")[:_SIZE]
    return base64.urlsafe_b64encode(mac).decode()
