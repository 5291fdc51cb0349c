# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion pod …`` and ``… zone list``."""

import argparse
import json
from pathlib import Path
from typing import Any

from openstack.exceptions import ForbiddenException
from osc_lib import exceptions
from osc_lib.cli.parseractions import KeyValueAction

from tricircle.client.osc.common import (
    Command,
    Details,
    Lister,
    Rows,
    ShowOne,
    add_filters,
    add_pod,
    column,
    details,
    filters,
)

_FILTERS = ("region_name", "availability_zone")
_STATES = ("enabled", "draining", "maintenance")
_HEADINGS = ("Region", "Zone", "State", "Health", "ID")
_LONG = (
    "DC", "Access", "Last Error", "Last Seen", "Servers", "Volumes", "vCPUs Used", "RAM Used (MB)",
    "Disk Used (GB)", "Jobs", "Jobs Failing",
)  # fmt: skip


class ListPods(Lister):
    """List the pods: the clouds behind the region."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, *_FILTERS)
        parser.add_argument("--state", choices=_STATES, help="Only pods in this state")
        parser.add_argument(
            "--health", choices=("up", "down", "unknown"), help="Only pods of this health"
        )
        parser.add_argument(
            "--project", metavar="<project>",
            help="Say which of them this project (name or ID) may use, and by which rules not",
        )  # fmt: skip
        parser.add_argument(
            "--long",
            action="store_true",
            help="Also what is wrong, what each pod holds, its capacity and its jobs (asks the "
            "pods; for administrators)",
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        wanted = filters(self, parsed, *_FILTERS, "state", "health")
        if parsed.project is not None:
            wanted |= self._of_project(parsed.project)
        pods = sorted(self.api.pods(**wanted), key=lambda pod: str(pod.region_name))
        if parsed.project is not None:
            told = [[*_row(pod), pod.allowed, pod.why_not, pod.is_default] for pod in pods]
            return (*_HEADINGS, "Allowed", "Why Not", "Default"), told
        if not parsed.long:
            return _HEADINGS, [_row(pod) for pod in pods]
        usages = {usage.pod_id: usage for usage in self.api.usages()}
        return _HEADINGS + _LONG, [_row(pod) + _more(pod, usages.get(pod.id)) for pod in pods]

    def _of_project(self, name_or_id: str) -> dict[str, str]:
        """The query for a project: its domain, too, by which there may be rules."""
        identity = self.app.client_manager.sdk_connection.identity
        try:
            project = identity.find_project(name_or_id, ignore_missing=False)
        except ForbiddenException:
            return {"project_id": name_or_id}
        return {"project_id": project.id, "domain_id": project.domain_id}


def _row(pod: Any) -> list[Any]:
    return [pod.region_name, pod.availability_zone, pod.state, pod.health["state"], pod.id]


def _more(pod: Any, usage: Any) -> list[Any]:
    health = pod.health
    told = [
        pod.dc_name,
        (pod.access or {}).get("kind"),
        health.get("last_error"),
        health.get("seen_at"),
    ]
    if usage is None:
        return told + [None] * (len(_LONG) - len(told))
    capacity, jobs = usage.capacity or {}, usage.jobs
    return [
        *told,
        usage.resources.get("server", 0),
        usage.resources.get("volume", 0),
        *(_of(capacity, name) for name in ("vcpus", "ram", "disk")),
        sum(jobs.values()),
        jobs.get("failing", 0),
    ]


def _of(capacity: dict[str, Any], name: str) -> str | None:
    """As "3/16"; None when the pod does not tell."""
    return f"{capacity[f'{name}_used']}/{capacity[name]}" if name in capacity else None


class ShowPod(ShowOne):
    """Show a pod: where it is, what it offers, how it is, what it holds."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_pod(super().get_parser(prog_name))

    def take_action(self, parsed: argparse.Namespace) -> Details:
        pod = self.api.find_pod(parsed.pod)
        names, values = details(pod)
        if pod.endpoints is None:  # it may not be seen by this user, nor may the usage
            return names, values
        found = next(iter(self.api.usages(region_name=pod.region_name)), None)
        if found is None:
            return names, values
        more = {name: found[name] for name in ("resources", "jobs", "capacity", "capacity_error")}
        return (
            [*names, *more],
            [*values, *(column(value) for value in more.values())],
        )


class CreatePod(ShowOne):
    """Register a pod: a region of Keystone, or a cloud at named endpoints. Nothing is stored
    unless it answers."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("pod", metavar="<region>", help="Name of the pod's region")
        _with_values(parser, zone_required=True)
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        values = _values(parsed)
        if parsed.labels:
            values["labels"] = parsed.labels
        if parsed.endpoints:
            values["endpoints"] = parsed.endpoints
        return details(self.api.create_pod(region_name=parsed.pod, **values))


class SetPod(Command):
    """Change a pod's zones, state, labels or endpoints."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = add_pod(super().get_parser(prog_name))
        _with_values(parser, zone_required=False)
        parser.add_argument(
            "--no-label", dest="unlabelled", metavar="<name>", action="append", default=[],
            help="Take a label away (may be repeated)",
        )  # fmt: skip
        parser.add_argument(
            "--reason", dest="state_reason", metavar="<text>",
            help="Why the state is changed, for who looks at the pod's changes (with --state)",
        )  # fmt: skip
        parser.add_argument(
            "--no-endpoint", action="store_true",
            help="Forget the endpoints that were named: they are in Keystone's catalogue",
        )  # fmt: skip
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        pod = self.api.find_pod(parsed.pod)
        values = _values(parsed)
        if parsed.labels or parsed.unlabelled:
            kept = {**pod.labels, **parsed.labels}
            values["labels"] = {name: kept[name] for name in kept if name not in parsed.unlabelled}
        if parsed.endpoints or parsed.no_endpoint:
            values["endpoints"] = parsed.endpoints or None
        if not values:
            raise exceptions.CommandError("Say what to change: see --help for the options.")
        if parsed.state_reason is not None:
            if parsed.state is None:
                raise exceptions.CommandError("--reason is of a --state: give that, too.")
            values["state_reason"] = parsed.state_reason
        self.api.update_pod(pod.id, **values)


class DeletePod(Command):
    """Forget pods. What is in them stays."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("pods", metavar="<pod>", nargs="+", help="Pods (region or ID)")
        parser.add_argument(
            "--force", action="store_true", help="Forget also what is known to be in them"
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        # All are looked up first, so that a slip of the pen forgets none.
        for pod in [self.api.find_pod(name) for name in parsed.pods]:
            self.api.delete_pod(pod, force=parsed.force)


class ListZones(Lister):
    """List the availability zones that users see, and the pods in each."""

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        zones: dict[str, list[Any]] = {}
        for pod in self.api.pods():
            zones.setdefault(str(pod.availability_zone), []).append(pod)
        return ("Zone", "Pods", "Taking New", "Up"), [
            [
                zone,
                column(sorted(pod.region_name for pod in pods)),
                sum(pod.state == "enabled" for pod in pods),
                sum(pod.health["state"] == "up" for pod in pods),
            ]
            for zone, pods in sorted(zones.items())
        ]


def _with_values(parser: argparse.ArgumentParser, zone_required: bool) -> None:
    parser.add_argument(
        "--zone", dest="availability_zone", metavar="<zone>", required=zone_required,
        help="Availability zone that users see",
    )  # fmt: skip
    parser.add_argument(
        "--pod-zone", dest="pod_availability_zone", metavar="<zone>",
        help="Availability zone to name toward the pod ('' for none)",
    )  # fmt: skip
    parser.add_argument(
        "--dc", dest="dc_name", metavar="<name>", help="Where it is, in your own words"
    )
    parser.add_argument(
        "--state", choices=_STATES,
        help="enabled; draining: takes nothing new, what is there goes on; maintenance: is left "
        "alone",
    )  # fmt: skip
    parser.add_argument(
        "--label", dest="labels", metavar="<name=value>", action=KeyValueAction, default={},
        help="Label, for rules (may be repeated)",
    )  # fmt: skip
    parser.add_argument(
        "--endpoint", dest="endpoints", metavar="<service=URL>", action=KeyValueAction, default={},
        help="Where a service is (compute, network, volume, placement; may be repeated). Without "
        "any Keystone's catalogue says so.",
    )  # fmt: skip
    parser.add_argument(
        "--access", metavar="<file>",
        help="JSON file that says how a pod with a Keystone of its own is entered: what the Admin "
        "API has as access, kind and passwords included",
    )  # fmt: skip


def _values(parsed: argparse.Namespace) -> dict[str, Any]:
    names = ("availability_zone", "pod_availability_zone", "dc_name", "state")
    given = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    return given | ({"access": _read(parsed.access)} if parsed.access is not None else {})


def _read(path: str) -> dict[str, Any]:
    """The document of a file. Raises CommandError."""
    try:
        found = json.loads(Path(path).read_text())
    except (OSError, ValueError) as error:
        raise exceptions.CommandError(f"The file {path} cannot be read as JSON: {error}") from None
    if not isinstance(found, dict):
        raise exceptions.CommandError(f"The file {path} has no JSON object.")
    return found
