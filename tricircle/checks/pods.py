# SPDX-License-Identifier: Apache-2.0
"""The pods: whether they are up, and whether limits of theirs bite below the region's."""

from collections.abc import Callable, Mapping
from typing import Any

from tricircle.checks.finding import Finding, Grade, of
from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import DOWN, Pod
from tricircle.pods.registry import Registry

Limits = Mapping[str, Any]

# What Tricircle's own project has in pods: what joins routers, and stands for other pods' ports.
_OURS = ("network", "port", "subnet", "router")


def health() -> Finding:
    found = [pod for pod in Registry().fresh().all() if pod.in_use and pod.health == DOWN]
    problems = [f"{pod.region_name} is down ({pod.last_error})." for pod in found]
    return of(problems, Grade.DOUBTFUL)


def limits() -> Finding:
    """Every pod's own limits leave the counting to the region."""
    identity = ServiceIdentity()
    problems = []
    for pod in Registry().fresh().all():
        if not pod.in_use:
            continue
        for look in (_compute, _volume, _network):
            try:
                problems += [f"{pod.region_name}: {text}." for text in look(identity, pod)]
            except Exception as error:
                text = str(error).partition("\n")[0]
                problems.append(f"{pod.region_name}: its limits are not known ({text}).")
    return of(problems, Grade.DOUBTFUL)


def _compute(identity: ServiceIdentity, pod: Pod) -> list[str]:
    found = _ask(identity, pod, rights.LIMITS_COMPUTE, "/os-quota-class-sets/default")
    return _limited("Nova", found["quota_class_set"])


def _volume(identity: ServiceIdentity, pod: Pod) -> list[str]:
    if not pod.has("volume"):
        return []
    found = _ask(identity, pod, rights.LIMITS_VOLUME, "/os-quota-class-sets/default")
    return _limited("Cinder", found["quota_class_set"])


def _limited(software: str, found: Limits) -> list[str]:
    named = [
        f"{name} {limit}"
        for name, limit in sorted(found.items())
        if isinstance(limit, int) and limit >= 0 and name not in _NOT_OURS
    ]
    return [f"its {software} has limits of its own ({', '.join(named)})"] if named else []


# Networking is Neutron's, whatever Nova still says of it.
_NOT_OURS = ("floating_ips", "fixed_ips", "security_groups", "security_group_rules")


def _network(identity: ServiceIdentity, pod: Pod) -> list[str]:
    own = identity.project_id()
    path = f"/v2.0/quotas/{own}"
    stock: Limits = _ask(identity, pod, rights.LIMITS_NETWORK, f"{path}/default")["quota"]
    ours: Limits = _ask(identity, pod, rights.LIMITS_NETWORK, path)["quota"]
    central: Limits = (
        identity.central_network(rights.LIMITS_NETWORK).get(f"{path}/default").json()["quota"]
    )
    told = []
    if below := _below(stock, lambda name: central.get(name, -1)):
        told.append(f"its Neutron's quotas are below the region's ({below})")
    if small := _below({name: ours.get(name, -1) for name in _OURS}, lambda _: -1):
        told.append(
            f"its Neutron limits the project of {CONF.tricircle_identity.username} ({small})"
        )
    return told


def _below(found: Limits, wanted: Callable[[str], int]) -> str:
    """The limits that are lower than those wanted, in words."""
    lower = [
        f"{name} {limit}"
        for name, limit in sorted(found.items())
        if limit >= 0 and (wanted(name) < 0 or limit < wanted(name))
    ]
    return ", ".join(lower)


def _ask(identity: ServiceIdentity, pod: Pod, right: Any, path: str) -> Any:
    return identity.adapter(pod, right).get(path).json()
