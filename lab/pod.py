# SPDX-License-Identifier: Apache-2.0
"""A pod's processes: start, wait for, and hurt them for fault tests."""

from __future__ import annotations

import signal
import urllib.error
import urllib.request

from lab import identity, process
from lab.process import Daemon
from lab.services import cinder, neutron, nova, placement
from lab.settings import POD_PORTS, Lab, Pod


def daemons(lab: Lab, pod: Pod) -> list[Daemon]:
    if lab.daemons:
        return [
            *placement.daemons(lab, pod),
            *neutron.apart(lab, pod),
            *nova.apart(lab, pod),
            *cinder.apart(lab, pod),
        ]
    return [*nova.together(lab, pod), *neutron.together(lab, pod), *cinder.together(lab, pod)]


def names(lab: Lab, pod: Pod) -> list[str]:
    return [daemon.name for daemon in daemons(lab, pod)]


def start(lab: Lab, pod: Pod) -> None:
    """Start what does not run; does not wait."""
    for daemon in daemons(lab, pod):
        process.start(lab, daemon.name, daemon.argv, env=daemon.env)


def start_and_wait(lab: Lab, pod: Pod) -> None:
    start(lab, pod)
    wait(lab, pod)


def answers(url: str) -> bool:
    """Whether an HTTP server says anything sensible there."""
    try:
        with urllib.request.urlopen(url, timeout=10):
            return True
    except urllib.error.HTTPError as error:
        return error.code < 500


def wait(lab: Lab, pod: Pod, timeout: float = 180) -> None:
    """Until all APIs answer and every compute host and the volume service are up."""
    guard = {"placement": "placement", "network": "neutron", "compute": "nova", "volume": "cinder"}
    running = names(lab, pod)
    for service in POD_PORTS:
        prefix = f"{pod.key}-{guard[service]}"
        name = next((name for name in running if name in (prefix, prefix + "-api")), "")
        name = name or next(name for name in running if name.startswith(f"{pod.key}-nova"))
        process.wait_for(
            f"{pod.region}'s {service} API",
            lambda service=service: answers(pod.url(service)),  # type: ignore[misc]
            timeout,
            lab,
            name,
        )
    compute = next(name for name in running if name.startswith(f"{pod.key}-nova"))
    process.wait_for(
        f"{pod.region}'s services", lambda: _services_up(lab, pod), timeout, lab, compute
    )


def _services_up(lab: Lab, pod: Pod) -> bool:
    session = identity.session(lab.of(pod))

    def up(service: str, path: str) -> list[str]:
        answer = session.get(pod.url(service) + path, timeout=20).json()
        return [row["host"] for row in answer["services"] if row["state"] == "up"]

    hypervisors = session.get(pod.url("compute") + "/v2.1/os-hypervisors", timeout=20).json()
    named = {row["hypervisor_hostname"] for row in hypervisors["hypervisors"]}
    project = session.get_project_id()
    # Neutron reads its policies at its first request, and refuses what comes meanwhile.
    session.get(pod.url("network") + "/v2.0/networks?fields=id", timeout=20)
    return (
        set(pod.hosts) <= set(up("compute", "/v2.1/os-services?binary=nova-compute"))
        and len(named) >= len(pod.hosts)
        and bool(up("volume", f"/v3/{project}/os-services?binary=cinder-volume"))
    )


# -- faults ----------------------------------------------------------------------------------------


def kill(lab: Lab, pod: Pod) -> None:
    """As a power cut of the pod's controllers; its servers and its network stay."""
    for name in names(lab, pod):
        process.send(lab, name, signal.SIGKILL)
        process.forget(lab, name)


def freeze(lab: Lab, pod: Pod) -> None:
    """The pod accepts connections and says nothing more."""
    for name in names(lab, pod):
        process.send(lab, name, signal.SIGSTOP)


def thaw(lab: Lab, pod: Pod) -> None:
    for name in names(lab, pod):
        process.send(lab, name, signal.SIGCONT)
