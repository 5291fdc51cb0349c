# SPDX-License-Identifier: Apache-2.0
"""Volumes that are read into images, and what volumes keep of theirs, mixed into Cinder.

A volume's ``content`` is a text: what an image of it has, and what a volume made of that has.
"""

import json
from collections.abc import Iterator

from aiohttp import web

from tests.functional.fakes.cinder_lists import Object, Store, stamp
from tests.functional.fakes.glance import Glance, coming, data_of, fill
from tests.functional.fakes.http import Exchange, Refusal, new_id, reply
from tests.functional.fakes.keystone import Token


class Images(Store):
    """``images`` are those of the Glance that all pods share."""

    images: dict[str, Object]
    #: the pod's own, where it has one
    glance: Glance | None = None

    def type_of_image(self, image_id: str | None) -> str | None:
        """The type a new volume has of its image, by name or by id."""
        found: str | None = self.images.get(image_id or "", {}).get("cinder_img_volume_type")
        return found

    def of_image(self, token: Token, image_id: str | None) -> Object:
        """What a new volume has of its image: {} where there is none."""
        if not image_id:
            return {}
        image = self.images.get(image_id)
        if self.glance is not None:
            image = self.glance.sees(token, image_id)
        if image is None:
            raise Refusal(400, f"Invalid image identifier or unable to access requested image "
                               f"{image_id}")  # fmt: skip
        for device in json.loads(image.get("block_device_mapping", "[]")):
            if device["snapshot_id"] not in self.items["snapshot"]:
                raise Refusal(404, "Nova specific image is found, but boot volume snapshot id:"
                              f"{device['snapshot_id']} not found.")  # fmt: skip
        kept = {"image_id": image_id, "image_name": image["name"]}
        content = data_of(image).decode("latin-1")
        return {"bootable": True, "content": content, "image_metadata": kept}

    def act_on_image(
        self, exchange: Exchange, volume: Object, name: str, argument: Object
    ) -> web.Response:
        """The actions on a volume that concern images."""
        kept = volume["image_metadata"]
        match name:
            case "os-volume_upload_image":
                return self._upload(exchange, volume, argument["image_name"])
            case "os-set_image_metadata":
                kept |= argument["metadata"]
                return reply({"metadata": kept})
            case "os-unset_image_metadata":
                if kept.pop(argument["key"], None) is None:
                    raise Refusal(404, "Metadata item was not found.")
                return reply(None, 200)
            case _:
                raise Refusal(400, f"There is no such action: {name}")

    def _upload(self, exchange: Exchange, volume: Object, name: str) -> web.Response:
        if volume["status"] != "available":
            raise Refusal(400, "Invalid volume: Volume status must be available/in-use.")
        image: Object = {
            "id": new_id(),
            "name": name,
            "owner": exchange.token.project_id,
            "status": "queued",
            "created_at": stamp(),
            "content": volume["content"],
        }
        if self.glance is not None:
            coming(image, data_of(image))
        volume["status"] = "uploading"
        image["steps"] = _read(volume, image)
        self.images[image["id"]] = image
        told = {"id": volume["id"], "status": "uploading", "image_id": image["id"],
                "image_name": name}  # fmt: skip
        return reply({"os-volume_upload_image": told}, 202)


def _read(volume: Object, image: Object) -> Iterator[None]:
    """A volume is read into an image."""
    yield
    image["status"] = "saving"
    yield
    fill(image, data_of(image))
    image["content"] = volume["content"]
    yield
    volume["status"] = "available"
