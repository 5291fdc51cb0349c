# SPDX-License-Identifier: Apache-2.0
"""``openstack multiregion image …``: images in pods with a Glance of their own."""

import argparse
import time
from typing import Any

from osc_lib import exceptions

from tricircle.client.osc.common import (
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

_LOOK_EVERY = 2.0


class ListImages(Lister):
    """List which images are in which pods with a Glance of their own, and how far."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        add_filters(parser, "region_name")
        parser.add_argument("--image", dest="image_id", metavar="<id>", help="Only this image")
        parser.add_argument(
            "--state",
            choices=["wanted", "copying", "there", "leaving", "coming"],
            help="Only those in this state",
        )
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Rows:
        columns = {"Image": "image_id", "Name": "name", "Pod": "region_name", "State": "state",
                   "Percent": "percent", "Size": "size", "Used At": "used_at",
                   "Last Error": "last_error"}  # fmt: skip
        wanted = self.api.images(**filters(self, parsed, "region_name", "image_id", "state"))
        return rows(columns, wanted)


class CopyImage(ShowOne):
    """Have an image copied to a pod with a Glance of its own before anybody uses it there."""

    def get_parser(self, prog_name: str) -> argparse.ArgumentParser:
        parser = super().get_parser(prog_name)
        parser.add_argument("image", metavar="<image>", help="Image (name or ID)")
        parser.add_argument("--pod", metavar="<region>", required=True, help="To this pod")
        parser.add_argument("--wait", action="store_true", help="Wait until it is there")
        return parser

    def take_action(self, parsed: argparse.Namespace) -> Details:
        images = self.app.client_manager.sdk_connection.image
        image_id = str(found(lambda name, **_: images.find_image(name), "image", parsed.image).id)
        copy, told = self.api.copy_image(image_id, parsed.pod), None
        while parsed.wait and copy.state != "there":
            if (copy.percent, copy.last_error) != told:
                told = copy.percent, copy.last_error
                self.app.stderr.write(f"{copy.state}, {copy.percent} %{_why(copy)}\n")
            time.sleep(_LOOK_EVERY)
            left = next(self.api.images(image_id=image_id, region_name=parsed.pod), None)
            if left is None:
                raise exceptions.CommandError(f"Image {image_id} is not wanted there any more.")
            copy = left
        return details(copy)


def _why(copy: Any) -> str:
    """What went wrong; it is tried again."""
    return f"; {copy.last_error}" if copy.last_error else ""
