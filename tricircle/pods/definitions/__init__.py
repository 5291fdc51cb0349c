# SPDX-License-Identifier: Apache-2.0
"""Make a pod have a definition exactly as it was written down, or not have it.

One module for the gateway, which does it at once, and for xjob, which does it when the pod is
back. All here blocks, acts as the service user, and may be done again after any failure.
"""

from collections.abc import Callable
from typing import NamedTuple

from tricircle.pods import rights
from tricircle.pods.definitions import (
    alike,
    default_type,
    flavor,
    group_type,
    keypair,
    qos_specs,
    volume_type,
)
from tricircle.pods.definitions.keypair import keypair_key as keypair_key
from tricircle.pods.definitions.named import ADOPTED, Collection
from tricircle.pods.errors import PodRefused
from tricircle.pods.rest import Body, PodService
from tricircle.pods.rights import Right


class Kind(NamedTuple):
    """How definitions of one kind are read from, made in and removed from a pod, by what right.

    ``collection`` is where a pod lists those whose ids it makes itself: they differ by pod, and
    what was there before us is adopted by its name.
    """

    right: Right
    read: Callable[[PodService, str], Body | None]
    realize: Callable[[PodService, str, Body], str]
    remove: Callable[[PodService, str], None]
    collection: Collection | None = None

    @property
    def service(self) -> str:
        return self.right.service


#: What refers to another comes after it.
KINDS = {
    "flavor": Kind(rights.FLAVOR, flavor.read, flavor.realize, flavor.remove),
    "keypair": Kind(rights.KEYPAIR, keypair.read, keypair.realize, keypair.remove),
    "qos_specs": Kind(
        rights.QOS_SPECS, qos_specs.read, qos_specs.realize, qos_specs.remove, qos_specs.SPECS
    ),
    "volume_type": Kind(
        rights.VOLUME_TYPE,
        volume_type.read,
        volume_type.realize,
        volume_type.remove,
        volume_type.TYPES,
    ),
    "group_type": Kind(
        rights.GROUP_TYPE,
        group_type.read,
        group_type.realize,
        group_type.remove,
        group_type.TYPES,
    ),
    "default_type": Kind(
        rights.DEFAULT_TYPE, default_type.read, default_type.realize, default_type.remove
    ),
}
#: The kinds whose ids differ by pod.
NAMED = tuple(kind for kind, how in KINDS.items() if how.collection is not None)


def realize(kind: str, key: str, body: Body, service: PodService) -> str:
    """Make the pod have the definition; its id there. ``service`` is of the kind's service.

    Raises PodRefused, PodUnreachable, PodTimeout.
    """
    if not service.pod.is_privileged:
        if kind == "flavor":
            return alike.flavor(service, body)
        return alike.named(service, kind, body, KINDS[kind].collection)
    try:
        return KINDS[kind].realize(service, key, body)
    except PodRefused as error:
        # Somebody else at the same work was quicker: what is there now may be right already.
        if error.status != 409:
            raise
        if KINDS[kind].collection is not None:
            return KINDS[kind].realize(service, key, body)
        if KINDS[kind].read(service, key) != body:
            raise
        return key


def remove(kind: str, key: str, service: PodService) -> None:
    """Make the pod not have the definition. Raises as ``realize`` does."""
    if not service.pod.is_privileged:
        return  # What it has is its own.
    KINDS[kind].remove(service, key)


def read(kind: str, key: str, service: PodService) -> Body | None:
    """The definition as the pod has it. Raises as ``realize`` does."""
    return KINDS[kind].read(service, key)


__all__ = ["ADOPTED", "KINDS", "NAMED", "Body", "Collection", "Kind"]
