# SPDX-License-Identifier: Apache-2.0
"""Keystone: what the service user may, and where services are."""

from tricircle.checks.finding import Finding, Grade, of
from tricircle.conf import CONF
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry

_ROLES = ("admin", "service")
_OF_REGION = ("compute", "network", "volume", "image")


def roles() -> Finding:
    found = ServiceIdentity().roles()
    missing = [role for role in _ROLES if role not in found]
    user = CONF.tricircle_identity.username
    return of([f"{user} lacks the role {role} in its project." for role in missing])


def catalogue() -> Finding:
    """The region users see has what they need; no pod is that region."""
    identity, region = ServiceIdentity(), CONF.tricircle_identity.region_name
    found = identity.endpoints(region)
    interface = CONF.tricircle_identity.interface
    missing = [name for name in _OF_REGION if name not in found]
    problems = [f"{region} has no {interface} endpoint of {name}." for name in missing]
    registry = Registry().fresh()
    known = [pod.region_name for pod in registry.all()]
    if region in known:
        problems.append(f"{region} is the region users see and a pod: forget the pod.")
    return of(problems, Grade.BAD if {"compute", "network"} & set(missing) else Grade.DOUBTFUL)
