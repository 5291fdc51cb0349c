# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion job …``, ``… repair list`` and ``… volume move …``: what is under way."""

import argparse
import time

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
    rows,
)

_OF_JOBS = ("region_name", "project_id", "resource_type", "resource_id")
_LOOK_EVERY = 2.0
_ENDED = ("done", "undone")


class ListJobs(Lister):
    """List what pods do not have yet as it is wanted, and why."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, *_OF_JOBS)
        parser.add_argument(
            "--state", choices=("pending", "working", "failing"), help="Only jobs in this state"
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"ID": "id", "Pod": "region_name", "State": "state", "Action": "action",
                   "Type": "resource_type", "Resource": "resource_id", "Attempts": "attempts",
                   "Last Error": "last_error", "Next Try At": "next_try_at"}  # fmt: skip
        return rows(columns, self.api.jobs(**filters(self, parsed, *_OF_JOBS, "state")))


class ShowJob(ShowOne):
    """Show a job. One that is done is gone."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("job", metavar="<job>", help="ID of the job")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        return details(self.api.get_job(parsed.job))


class RetryJob(Command):
    """Let jobs be tried at once, not at the time of their next try."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("jobs", metavar="<job>", nargs="*", help="IDs of jobs")
        parser.add_argument(
            "--failing", metavar="<pod>", help="All failing jobs of the pod with this region name"
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        jobs = list(parsed.jobs)
        if parsed.failing:
            pod = self.api.find_pod(parsed.failing)
            jobs += [job.id for job in self.api.jobs(pod_id=pod.id, state="failing")]
        elif not jobs:
            raise exceptions.CommandError("Name jobs, or a pod with --failing.")
        for job in jobs:
            self.api.retry_job(job)


class ListRepairs(Lister):
    """List what was changed in pods behind Tricircle's back and was put right, newest first."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, *_OF_JOBS)
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Created At": "created_at", "Pod": "region_name", "Type": "resource_type",
                   "Resource": "resource_id", "Done": "done"}  # fmt: skip
        return rows(columns, self.api.repairs(**filters(self, parsed, *_OF_JOBS)))


class _OfVolume(ShowOne):
    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="Volume (name or ID)")
        return parser

    def volume_id(self, parsed: argparse.Namespace) -> str:
        storage = self.app.client_manager.sdk_connection.block_storage
        return str(found(storage.find_volume, "volume", parsed.volume).id)

    def follow(self, volume_id: str) -> Details:
        """Wait for the end of a move, and say on stderr how far it is.

        Raises CommandError when the volume stays where it was.
        """
        move, told = self.api.get_volume_move(volume_id), ""
        while move.state not in _ENDED:
            now = move.state if move.progress is None else f"{move.state}, {move.progress} %"
            if now != told:
                self.app.stderr.write(f"{now}\n")
                told = now
            time.sleep(_LOOK_EVERY)
            move = self.api.get_volume_move(volume_id)
        if move.state != "done":
            raise exceptions.CommandError(f"The volume was not moved: {move.reason}")
        return details(move)


class MoveVolume(_OfVolume):
    """Begin to move a detached volume to another pod; it keeps its ID."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        where = parser.add_mutually_exclusive_group(required=True)
        where.add_argument("--pod", metavar="<region>", help="To this pod")
        where.add_argument("--zone", metavar="<zone>", help="To any pod of this zone")
        parser.add_argument("--wait", action="store_true", help="Wait until it is there")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        volume_id = self.volume_id(parsed)
        move = self.api.move_volume(volume_id, parsed.pod, parsed.zone)
        return self.follow(volume_id) if parsed.wait else details(move)


class ListVolumeMoves(Lister):
    """List the moves of volumes to other pods: under way, and how each volume's last one ended."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, "region_name", "project_id")
        parser.add_argument("--state", metavar="<state>", help="Only those in this state")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Volume": "volume_id", "From": "source", "To": "target", "State": "state",
                   "Progress": "progress", "Reason": "reason",
                   "Updated At": "updated_at"}  # fmt: skip
        wanted = filters(self, parsed, "region_name", "project_id", "state")
        return rows(columns, self.api.volume_moves(**wanted))


class ShowVolumeMove(_OfVolume):
    """Show how far the move of a volume is, or how the last one ended."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("--wait", action="store_true", help="Wait for its end")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        volume_id = self.volume_id(parsed)
        if parsed.wait:
            return self.follow(volume_id)
        return details(self.api.get_volume_move(volume_id))


class CancelVolumeMove(Command):
    """Call the move of a volume off; the volume stays in its pod."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("volume", metavar="<volume>", help="ID of the volume")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> None:
        self.api.call_off_volume_move(parsed.volume)
