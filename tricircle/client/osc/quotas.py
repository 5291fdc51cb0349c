# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion quota show``: what a project may use over all pods, and uses where."""

import argparse
from typing import Any

from osc_lib.cli import format_columns

from tricircle.client.osc.common import Lister, Rows, project_id


class ShowQuota(Lister):
    """Show what of a project's quotas over all pods is used, and in which pod how much."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument(
            "project", metavar="<project>", nargs="?", help="Project (name or ID; your own)"
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        connection = self.app.client_manager.sdk_connection
        project = project_id(self, parsed.project) if parsed.project else None
        project = project or str(connection.current_project_id)
        pods = list(self.api.project_usages(project))
        limits = _limits(connection.compute, project) | _limits(connection.block_storage, project)
        resources = pods[0].resources if pods else {name: 0 for name in limits if name in _SHOWN}
        return ("Resource", "Limit", "In Use", "Pods"), [
            (
                name,
                limits.get(name),
                sum(pod.resources[name] for pod in pods),
                format_columns.DictColumn(
                    {pod.region_name or "-": pod.resources[name] for pod in pods
                     if pod.resources[name]}
                ),
            )
            for name in resources
        ]  # fmt: skip


_SHOWN = ("cores", "instances", "ram", "volumes", "snapshots", "gigabytes", "backups",
          "backup_gigabytes", "groups")  # fmt: skip


def _limits(service: Any, project: str) -> dict[str, int]:
    told = service.get_quota_set(project).to_dict(computed=False)
    return {name: told[name] for name in _SHOWN if isinstance(told.get(name), int)}
