# SPDX-License-Identifier: Apache-2.0
"""Filters: each leaves pods out and says why.

A filter of your own is a subclass of Filter under the entry point ``tricircle.scheduling.filters``.
Filters run in a thread and may block.
"""

from collections.abc import Mapping, Sequence

from tricircle.pods.pod import Pod
from tricircle.scheduling import rules
from tricircle.scheduling.request import Facts, Request


class Filter:
    """``temporary`` says that what it leaves out may fit again later without anyone's doing."""

    temporary = False

    def __init__(self, facts: Facts) -> None:
        self.facts = facts

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        """The reason for each pod (by id) that cannot take what is requested."""
        raise NotImplementedError


class EnabledFilter(Filter):
    """Only pods whose operator lets new resources in."""

    temporary = True

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        return {pod.id: f"is in state {pod.state}" for pod in pods if not pod.takes_new}


class HealthyFilter(Filter):
    """No pod with a service that it takes and that is known not to answer."""

    temporary = True

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        reasons = {}
        for pod in pods:
            away = [
                service
                for service in request.services
                if self.facts.availability.is_away(pod, service)
            ]
            if away:
                reasons[pod.id] = f"does not answer (its {' and '.join(away)} service)"
        return reasons


class AvailabilityZoneFilter(Filter):
    """Only pods of the availability zone asked for."""

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        zone = request.zone.name
        return {
            pod.id: f"is in availability zone {pod.availability_zone}, not {zone}"
            for pod in pods
            if zone and pod.availability_zone != zone
        }


class RulesFilter(Filter):
    """Only pods that operators let the project use; it is there whatever filters are named."""

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        return rules.left_out(request.rules, pods, request.properties)


class PlacedResourcesFilter(Filter):
    """Only the pod where the volumes, snapshots, bound ports … already are."""

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        reasons: dict[str, str] = {}
        required = [(what, frozenset([one])) for what, one in request.required_pods.items()]
        for what, regions in (*required, *request.within):
            for pod in pods:
                if pod.region_name not in regions:
                    reasons.setdefault(pod.id, f"{what} is in {', '.join(sorted(regions))}")
        return reasons


class ServerGroupFilter(Filter):
    """Only the pod where the servers are that a new one is to be kept together with."""

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        group = request.group
        if group is None or group.policy != "affinity" or not group.members:
            return {}
        return {
            pod.id: f"has none of the servers of group {group.id}, which are to be together"
            for pod in pods
            if pod.id not in group.members
        }


class NetworkZonesFilter(Filter):
    """Only pods where every network may be, by the network's availability zone hints."""

    def left_out(self, pods: Sequence[Pod], request: Request) -> Mapping[str, str]:
        reasons: dict[str, str] = {}
        for network in request.networks:
            for pod in pods:
                names = {pod.availability_zone, pod.region_name}
                if network.zone_hints and names.isdisjoint(network.zone_hints):
                    hints = ", ".join(network.zone_hints)
                    reasons.setdefault(pod.id, f"network {network.id} is held to {hints}")
        return reasons
