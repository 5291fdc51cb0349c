# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion pod adopt`` and ``… pod release``."""

import argparse
import time
from typing import Any, ClassVar

from openstack.exceptions import ForbiddenException
from osc_lib import exceptions

from tricircle.client.osc.common import Lister, Rows

_HEADINGS = ("Type", "ID", "Name", "Action", "ID in the Region", "Reason")
_NAMES = ("resource_type", "id", "name", "action", "region_id", "reason")
_PAUSE = 0.5


class AdoptProject(Lister):
    """Have what a project had in a pod before it joined become the region's: networks, ports,
    routers, security groups, floating IPs. What cannot be is told, and left alone."""

    release: ClassVar[bool] = False

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("pod", metavar="<pod>", help="Pod (region or ID)")
        parser.add_argument(
            "--project", metavar="<project>", required=True, help="Project (name or ID)"
        )
        parser.add_argument("--dry-run", action="store_true", help="Only tell what would be done")
        parser.add_argument(
            "--wait",
            type=float,
            default=600,
            metavar="<seconds>",
            help="Wait so long for it to end (600); it goes on all the same",
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        pod, project_id = self.api.find_pod(parsed.pod), self._project(parsed.project)
        begun = self.api.adopt(pod, project_id, dry_run=parsed.dry_run, release=self.release)
        until = time.monotonic() + parsed.wait
        while begun.state == "waiting" and time.monotonic() < until:
            time.sleep(_PAUSE)
            begun = self.api.get_adoption(pod, begun.id)
        if begun.state != "done":
            why = begun.reason or "xjob has not got to it yet"
            raise exceptions.CommandError(f"Adoption {begun.id} is {begun.state}: {why}")
        return _HEADINGS, [[one.get(name) for name in _NAMES] for one in begun.objects]

    def _project(self, name_or_id: str) -> str:
        identity: Any = self.app.client_manager.sdk_connection.identity
        try:
            return str(identity.find_project(name_or_id, ignore_missing=False).id)
        except ForbiddenException:
            return name_or_id


class ReleaseProject(AdoptProject):
    """Give back what was taken over of a project in a pod: the region forgets it, and in the pod
    it is as it was."""

    release: ClassVar[bool] = True
