# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion binding …``, ``… routing …`` and ``… placement show``: what is where."""

import argparse

from osc_lib import exceptions

from tricircle.client.osc.common import (
    Command,
    Details,
    Lister,
    Rows,
    ShowOne,
    add_filters,
    details,
    filters,
    found,
    project_id,
    rows,
)

_OF_BINDINGS = ("project_id", "region_name")
_OF_ROUTINGS = ("region_name", "project_id", "resource_type", "resource_id")


class ListBindings(Lister):
    """List which projects use which pods."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, *_OF_BINDINGS)
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"ID": "id", "Project": "project_id", "Pod": "region_name",
                   "By Operator": "by_operator", "Created At": "created_at"}  # fmt: skip
        return rows(columns, self.api.bindings(**filters(self, parsed, *_OF_BINDINGS)))


class ShowBinding(ShowOne):
    """Show a binding of a project to a pod."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("binding", metavar="<binding>", help="ID of the binding")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        return details(self.api.get_binding(parsed.binding))


class CreateBinding(ShowOne):
    """Say which pod is a project's own: what it makes goes there as long as there is room."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("project", metavar="<project>", help="Project (name or ID)")
        parser.add_argument("pod", metavar="<pod>", help="Pod (region or ID)")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        pod = self.api.find_pod(parsed.pod)
        return details(self.api.create_binding(project_id(self, parsed.project), pod.id))


class DeleteBinding(Command):
    """Unbind projects from pods. What they have there stays."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("bindings", metavar="<binding>", nargs="+", help="IDs of bindings")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        for binding in parsed.bindings:
            self.api.delete_binding(binding)


class ListRoutings(Lister):
    """List in which pods resources live."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, *_OF_ROUTINGS)
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Type": "resource_type", "Resource": "resource_id", "Pod": "region_name",
                   "Project": "project_id", "Created At": "created_at"}  # fmt: skip
        return rows(columns, self.api.routings(**filters(self, parsed, *_OF_ROUTINGS)))


class ShowRouting(ShowOne):
    """Show in which pod a resource lives."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("resource", metavar="<resource>", help="ID of the resource")
        parser.add_argument(
            "--type", metavar="<type>", help="Which is meant, where several types have this ID"
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        wanted = {"resource_id": parsed.resource}
        if parsed.type:
            wanted["resource_type"] = parsed.type
        routings = list(self.api.routings(**wanted))
        if not routings:
            raise exceptions.CommandError(
                f"Nothing with the ID {parsed.resource} is known to be in a pod. What was made in "
                "a pod directly is learned when somebody asks the region for it."
            )
        if len(routings) > 1:
            types = ", ".join(sorted(routing.resource_type for routing in routings))
            raise exceptions.CommandError(f"Several types have this ID: add --type, of {types}.")
        return details(routings[0])


class ShowPlacement(ShowOne):
    """Show in which pod a server is, and why there: weights, pods left out, refusals."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("server", metavar="<server>", help="Server (name or ID)")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        compute = self.app.client_manager.sdk_connection.compute
        server = found(compute.find_server, "server", parsed.server)
        return details(self.api.get_placement(server.id))
