# SPDX-License-Identifier: Apache-2.0
"""A Glance: images that others put there are listed, shown and deleted.

An image is {id, name, owner, status, os_hash_value, created_at}, perhaps with a property, and what
nobody is shown: its ``content``, and in ``steps`` what happens while it is being made, one step
each time it is looked at.
"""

from typing import Any

from aiohttp import web

from tests.functional.fakes.http import (
    Exchange,
    FakeService,
    Journal,
    LoopThread,
    Refusal,
    reply,
    route,
)
from tests.functional.fakes.keystone import Keystone

Image = dict[str, Any]
# What is not a property: members of the image itself, and what nobody is shown.
_HIDDEN = ("content", "steps")
_SHOWN = ("id", "name", "owner", "status", "os_hash_value", "created_at")


class Glance(FakeService):
    """The one all pods share; ``images`` is {id: image}."""

    def __init__(
        self, thread: LoopThread, journal: Journal, keystone: Keystone, images: dict[str, Image]
    ) -> None:
        super().__init__(thread, "image", journal)
        self.keystone, self.images = keystone, images

    def refuse(self, refusal: Refusal) -> web.Response:
        text = f"<h1>{refusal.status}</h1>{refusal.message}"
        return web.Response(text=text, status=refusal.status, content_type="text/html")

    async def answer(self, exchange: Exchange) -> web.Response:
        if exchange.path == "/":
            links = [{"rel": "self", "href": f"{self.url}/v2/"}]
            version = {"id": "v2.9", "status": "CURRENT", "links": links}
            return web.json_response({"versions": [version]}, status=300)
        exchange.token = self.keystone.admit(exchange.http, "image")
        return await self.dispatch(exchange)

    def _find(self, exchange: Exchange, image_id: str) -> Image:
        image = self.images.get(image_id)
        mine = image is not None and (
            image.get("owner") == exchange.token.project_id or image.get("visibility") == "public"
        )
        if image is None or not (mine or exchange.token.is_admin):
            raise Refusal(404, f"No image found with ID {image_id}")
        return image

    @staticmethod
    def _look(image: Image) -> Image:
        next(image.get("steps", iter(())), None)
        properties = {name: image[name] for name in image if name not in _HIDDEN}
        return {name: image.get(name) for name in _SHOWN} | properties

    @route("GET", "/v2/images")
    def list_images(self, exchange: Exchange) -> web.Response:
        """Filtered by what is asked for, the newest first as by default."""
        wanted = {name: value for name, value in exchange.query.items() if name in _SHOWN}
        found = [
            image
            for image in self.images.values()
            if all(image.get(name) == value for name, value in wanted.items())
        ]
        found.sort(key=lambda image: str(image.get("created_at")), reverse=True)
        return reply({"images": [self._look(image) for image in found]})

    @route("GET", "/v2/images/{image_id}")
    def show_image(self, exchange: Exchange, image_id: str) -> web.Response:
        return reply(self._look(self._find(exchange, image_id)))

    @route("DELETE", "/v2/images/{image_id}")
    def delete_image(self, exchange: Exchange, image_id: str) -> web.Response:
        """Who is making it finds that it is gone, and goes on without."""
        image = self._find(exchange, image_id)
        del self.images[image_id]
        for _ in image.get("steps", ()):
            pass
        return reply(None, 204)
