# SPDX-License-Identifier: Apache-2.0
"""A pod's configuration files, with what its data plane adds."""

from __future__ import annotations

from lab import ini
from lab.ini import Sections
from lab.services import cinder, neutron, nova, placement
from lab.settings import Lab, Pod


def write(lab: Lab, pod: Pod) -> None:
    network: Sections | None = None
    hosts: dict[str, Sections] = {}
    if lab.packets and pod.hosts:
        from lab import dataplane

        network = ini.merge(dataplane.neutron_options(lab, pod))
        hosts = {host: ini.merge(dataplane.nova_options(lab, pod, host)) for host in pod.hosts}
    placement.configure(lab, pod)
    nova.configure(lab, pod, hosts)
    neutron.configure(lab, pod, network)
    cinder.configure(lab, pod)
