# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion pod project …``, ``… pod credential …`` and ``… pod change list``: who
stands for whom in a pod with a Keystone of its own, and what became of a pod."""

import argparse
import getpass

from osc_lib import exceptions

from tricircle.client.osc.common import (
    Command,
    Details,
    Lister,
    Rows,
    ShowOne,
    add_pod,
    details,
    project_id,
    rows,
)


class ListChanges(Lister):
    """List who changed a pod's state, and when its services were down, newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_pod(super().get_parser(prog_name))

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Created At": "created_at", "What": "what", "Before": "before",
                   "After": "after", "Changed By": "changed_by", "Reason": "reason"}  # fmt: skip
        return rows(columns, self.api.pod_changes(self.api.find_pod(parsed.pod)))


class ListProjects(Lister):
    """List which project in a pod with a Keystone of its own stands for which of the region."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return add_pod(super().get_parser(prog_name))

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Project": "project_id", "There": "there", "Created At": "created_at"}
        return rows(columns, self.api.pod_projects(self.api.find_pod(parsed.pod)))


class SetProject(ShowOne):
    """Say which project in the pod stands for one that has nothing there yet."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _with_project(super().get_parser(prog_name))
        parser.add_argument("there", metavar="<id>", help="ID of the project in the pod's Keystone")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        pod = self.api.find_pod(parsed.pod)
        project = project_id(self, parsed.project)
        return details(self.api.set_pod_project(pod, project, parsed.there))


class SetCredential(ShowOne):
    """Give a project its application credential of a pod; it is tried first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = _with_project(super().get_parser(prog_name))
        parser.add_argument(
            "--id", metavar="<id>", required=True, help="ID of the application credential"
        )
        parser.add_argument(
            "--secret", metavar="<secret>",
            help="Its secret. Without this it is asked for, which no list of processes shows",
        )  # fmt: skip
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        pod = self.api.find_pod(parsed.pod)
        project = project_id(self, parsed.project)
        secret = parsed.secret or _asked()
        return details(self.api.set_pod_credential(pod, project, parsed.id, secret))


class UnsetCredential(Command):
    """Take a project's application credential of a pod away. What it has there stays."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        return _with_project(super().get_parser(prog_name))

    def take_action(self, parsed: argparse.Namespace) -> None:
        pod = self.api.find_pod(parsed.pod)
        self.api.unset_pod_credential(pod, project_id(self, parsed.project))


def _asked() -> str:
    """Raises CommandError."""
    try:
        secret = getpass.getpass("Secret of the application credential: ")
    except (EOFError, OSError):
        secret = ""
    if not secret:
        raise exceptions.CommandError("There is no secret: give --secret.")
    return secret


def _with_project(parser: argparse.ArgumentParser) -> argparse.ArgumentParser:
    add_pod(parser).add_argument("project", metavar="<project>", help="Project (name or ID)")
    return parser
