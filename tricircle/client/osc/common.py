# SPDX-License-Identifier: Apache-2.0
"""What the commands share: filters of lists, how rows and documents are shown."""

import argparse
import contextlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from openstack import exceptions
from osc_lib.cli import format_columns
from osc_lib.command import command
from osc_lib.exceptions import CommandError

Rows = tuple[Sequence[str], Iterable[Sequence[Any]]]
Details = tuple[Sequence[str], Sequence[Any]]

# Every resource of openstacksdk has the first two; the API does not tell them of each. The last is
# only sent.
_NOT_OF_ALL = ("id", "name", "state_reason")

# Options of lists: the filter of the API, its word on the command line, and what it is.
FILTERS = {
    "region_name": ("--pod", "<region>", "Only those of the pod with this region name"),
    "availability_zone": ("--zone", "<zone>", "Only those of this availability zone"),
    "resource_type": ("--type", "<type>", "Only resources of this type (server, port, ...)"),
    "resource_id": ("--resource", "<id>", "Only this resource"),
    "project_id": ("--project", "<project>", "Only those of this project (name or ID)"),
}


def add_filters(parser: argparse.ArgumentParser, *names: str) -> None:
    """The options that stand for filters of the API."""
    for name in names:
        option, metavar, words = FILTERS[name]
        parser.add_argument(option, dest=name, metavar=metavar, help=words)


def add_pod(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    """The argument that names a pod."""
    parser.add_argument("pod", metavar="<pod>", help="Pod (region or ID)")
    return parser


def filters(one: Any, parsed: argparse.Namespace, *names: str) -> dict[str, str]:
    """The filters that were given; a project's name becomes its id."""
    given = {name: getattr(parsed, name) for name in names if getattr(parsed, name) is not None}
    if "project_id" in given:
        given["project_id"] = project_id(one, given["project_id"])
    return given


def project_id(one: Any, name_or_id: str) -> str:
    """The id of a project. Whoever may not look projects up gives an id: it is taken for one.

    Raises NotFoundException.
    """
    identity = one.app.client_manager.sdk_connection.identity
    try:
        return str(identity.find_project(name_or_id, ignore_missing=False).id)
    except exceptions.ForbiddenException:
        return name_or_id


def found(find: Callable[..., Any], what: str, name_or_id: str) -> Any:
    """What has a name or id: in the caller's project, else in any that they may see.

    ``find`` is openstacksdk's function. Raises CommandError.
    """
    own = find(name_or_id)
    if own is not None:
        return own
    with contextlib.suppress(exceptions.ForbiddenException):
        if (other := find(name_or_id, all_projects=True)) is not None:
            return other
    raise CommandError(f"There is no {what} with the name or ID {name_or_id} that you may see.")


def column(value: Any) -> Any:
    """A value as tables show it; the other formats keep what the API says."""
    if isinstance(value, dict):
        return format_columns.DictColumn(value)
    if isinstance(value, list):
        return format_columns.ListColumn(value)
    return value


def rows(columns: dict[str, str], found: Iterable[Any]) -> Rows:
    """The table of resources; ``columns`` is {heading: attribute}."""
    return tuple(columns), (
        [column(getattr(one, name)) for name in columns.values()] for one in found
    )


def details(resource: Any) -> Details:
    """All that is told of one resource, by the names of the API."""
    told = resource.to_dict(computed=False)
    kept = sorted(name for name in told if told[name] is not None or name not in _NOT_OF_ALL)
    return kept, [column(told[name]) for name in kept]


class Command(command.Command):
    """A command that prints nothing."""

    @property
    def api(self) -> Any:
        """``conn.tricircle``."""
        return self.app.client_manager.multiregion


class Lister(command.Lister):
    """A command that prints a table."""

    api = Command.api


class ShowOne(command.ShowOne):
    """A command that prints one resource."""

    api = Command.api
