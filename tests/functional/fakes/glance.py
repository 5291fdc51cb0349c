# SPDX-License-Identifier: Apache-2.0
"""A Glance: the region's, or a pod's own. It judges as Glance 33 does (``glance/api/v2``).

An image is a dictionary of its members and properties, and of what nobody is shown: its
``content`` (a text, or bytes), its ``members``, and in ``steps`` what happens while it is being
made, one step each time it is looked at. Others may put images there.
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any

from aiohttp import web

from tests.functional.fakes.http import (
    Exchange,
    FakeService,
    Journal,
    LoopThread,
    Refusal,
    new_id,
    reply,
    route,
    utc_now,
)
from tests.functional.fakes.keystone import Keystone, Token

Image = dict[str, Any]
# What is not a property: members of the image itself, and what nobody is shown.
_HIDDEN = ("content", "steps", "members")
_SHOWN = ("id", "name", "owner", "status", "os_hash_value", "created_at")
_UUID = re.compile(r"([0-9a-fA-F]){8}(-([0-9a-fA-F]){4}){3}-([0-9a-fA-F]){12}")
# What a create or a change must not name.
_DISALLOWED = {"direct_url", "self", "file", "schema", "stores"}
_READONLY = {
    "created_at", "updated_at", "status", "checksum", "size", "virtual_size", "os_hash_algo",
    "os_hash_value",
}  # fmt: skip
_RESERVED = {"location", "deleted", "deleted_at"}
_VISIBILITIES = ("community", "public", "private", "shared")
# Arguments of a list that are no filters; any other filters by a member or a property.
_ARGUMENTS = ("limit", "marker", "sort", "sort_key", "sort_dir", "member_status", "tag")


class Glance(FakeService):
    """``images`` is {id: image}; ``gone`` are ids that were deleted: nobody gets them again."""

    def __init__(
        self,
        thread: LoopThread,
        journal: Journal,
        keystone: Keystone,
        images: dict[str, Image],
        name: str = "image",
    ) -> None:
        super().__init__(thread, name, journal)
        self.keystone, self.images = keystone, images
        self.gone: set[str] = set()

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

    # -- who sees and may what -------------------------------------------------------------------

    def sees(self, token: Token, image_id: str | None) -> Image | None:
        """An image, if its Glance shows it to whoever has a token."""
        image = self.images.get(image_id or "")
        if image is None:
            return None
        visible = (
            token.is_admin
            or image.get("owner") == token.project_id
            or image.get("visibility") in ("public", "community")
            or (
                image.get("visibility", "shared") == "shared"
                and token.project_id in image.get("members", ())
            )
        )
        return image if visible else None

    def _find(self, exchange: Exchange, image_id: str) -> Image:
        image = self.sees(exchange.token, image_id)
        if image is None:
            raise Refusal(404, f"No image found with ID {image_id}")
        return image

    def _mine(self, exchange: Exchange, image_id: str) -> Image:
        """An image that the caller may change."""
        image = self._find(exchange, image_id)
        token: Token = exchange.token
        if not token.is_admin and (
            image.get("owner") != token.project_id or "member" not in token.roles
        ):
            raise Refusal(403, f"You are not permitted to modify this image {image_id}")
        return image

    @staticmethod
    def _look(image: Image) -> Image:
        next(image.get("steps", iter(())), None)
        properties = {name: image[name] for name in image if name not in _HIDDEN}
        return {name: image.get(name) for name in _SHOWN} | properties

    # -- images ----------------------------------------------------------------------------------

    @route("GET", "/v2/images")
    def list_images(self, exchange: Exchange) -> web.Response:
        """Filtered by what is asked for, the newest first as by default."""
        wanted = {name: value for name, value in exchange.query.items() if name not in _ARGUMENTS}
        wanted.pop("os_hidden", None)
        visible = wanted.pop("visibility", None)
        found = [
            image
            for image in self.images.values()
            if self.sees(exchange.token, image["id"]) is not None
            and all(_fits(image.get(name), value) for name, value in wanted.items())
            and (visible in (None, "all") or image.get("visibility", "shared") == visible)
            and (visible is not None or self._is_listed(exchange.token, image))
            and bool(image.get("os_hidden")) == (exchange.query.get("os_hidden") == "true")
        ]
        if exchange.query.get("sort") == "id:asc":
            found.sort(key=lambda image: str(image["id"]))
            found = [one for one in found if one["id"] > exchange.query.get("marker", "")]
        else:
            found.sort(key=lambda image: str(image.get("created_at")), reverse=True)
        found = found[: int(exchange.query.get("limit", 25))]
        return reply({"images": [self._look(image) for image in found]})

    @staticmethod
    def _is_listed(token: Token, image: Image) -> bool:
        """Those of others that everybody may use are listed only when they are asked for."""
        mine = image.get("owner") in (token.project_id, None)
        return mine or token.is_admin or image.get("visibility") != "community"

    @route("POST", "/v2/images")
    def create_image(self, exchange: Exchange) -> web.Response:
        token: Token = exchange.token
        wanted = exchange.json()
        _check_members(wanted)
        image_id = wanted.pop("id", None) or new_id()
        owner = wanted.pop("owner", token.project_id)
        if not token.is_admin:
            if "member" not in token.roles:
                raise Refusal(403, "You are not authorized to complete add_image action.")
            if owner != token.project_id:
                raise Refusal(403, f"You are not permitted to create images owned by '{owner}'")
            if wanted.get("visibility") == "public":
                raise Refusal(403, "You are not authorized to complete publicize_image action.")
        if image_id in self.images or image_id in self.gone:
            raise Refusal(409, f"Image ID {image_id} already exists!")
        stamp = f"{utc_now().isoformat(timespec='seconds')}Z"
        self.images[image_id] = {
            "name": None,
            "visibility": "shared",
            "protected": False,
            "os_hidden": False,
            "min_disk": 0,
            "min_ram": 0,
            "disk_format": None,
            "container_format": None,
            "tags": [],
            **wanted,
            "id": image_id,
            "owner": owner,
            "status": "queued",
            "size": None,
            "checksum": None,
            "os_hash_algo": None,
            "os_hash_value": None,
            "created_at": stamp,
            "updated_at": stamp,
        }
        return reply(self._look(self.images[image_id]), 201)

    @route("GET", "/v2/images/{image_id}")
    def show_image(self, exchange: Exchange, image_id: str) -> web.Response:
        return reply(self._look(self._find(exchange, image_id)))

    @route("PATCH", "/v2/images/{image_id}")
    def change_image(self, exchange: Exchange, image_id: str) -> web.Response:
        kind = exchange.http.headers.get("Content-Type", "")
        if not kind.startswith("application/openstack-images-v2"):
            raise Refusal(415, "Unsupported media type")
        image = self._mine(exchange, image_id)
        for change in exchange.json():
            key = change["path"].lstrip("/").replace("~1", "/").replace("~0", "~")
            if key in _DISALLOWED | _READONLY | {"id"}:
                raise Refusal(403, f"Attribute '{key}' is read-only.")
            if key in _RESERVED or key.startswith("os_glance"):
                raise Refusal(403, f"Attribute '{key}' is reserved.")
            if change["op"] == "remove":
                if key not in image:
                    raise Refusal(409, f"Property {key} does not exist.")
                del image[key]
                continue
            if change["op"] == "replace" and key not in image:
                raise Refusal(409, f"Property {key} does not exist.")
            if key == "visibility":
                if change["value"] not in _VISIBILITIES:
                    raise Refusal(400, f"Invalid value '{change['value']}' for visibility")
                if change["value"] == "public" and not exchange.token.is_admin:
                    raise Refusal(403, "You are not authorized to complete publicize_image action.")
            elif key not in _COMMON and not isinstance(change["value"], str):
                raise Refusal(400, f"{change['value']!r} is not of type 'string'")
            image[key] = change["value"]
        image["updated_at"] = f"{utc_now().isoformat()}Z"
        return reply(self._look(image))

    @route("DELETE", "/v2/images/{image_id}")
    def delete_image(self, exchange: Exchange, image_id: str) -> web.Response:
        """Who is making it finds that it is gone, and goes on without."""
        image = self._mine(exchange, image_id)
        if image.get("protected"):
            raise Refusal(403, f"Image {image_id} is protected and cannot be deleted.")
        del self.images[image_id]
        self.gone.add(image_id)
        for _ in image.get("steps", ()):
            pass
        return reply(None, 204)

    # -- data ------------------------------------------------------------------------------------

    @route("GET", "/v2/images/{image_id}/file")
    def download(self, exchange: Exchange, image_id: str) -> web.Response:
        image = self._find(exchange, image_id)
        if image["status"] == "deactivated" and not exchange.token.is_admin:
            raise Refusal(403, "The requested image has been deactivated. Image data download is "
                               "forbidden.")  # fmt: skip
        if image["status"] not in ("active", "deactivated"):
            return reply(None, 204)
        return web.Response(body=data_of(image), content_type="application/octet-stream")

    @route("PUT", "/v2/images/{image_id}/file")
    def upload(self, exchange: Exchange, image_id: str) -> web.Response:
        kind = exchange.http.headers.get("Content-Type", "")
        if kind != "application/octet-stream":
            raise Refusal(415, "Unsupported media type")
        image = self._mine(exchange, image_id)
        if image["status"] != "queued":
            raise Refusal(409, f"Image status transition from {image['status']} to saving is not "
                               "allowed")  # fmt: skip
        fill(image, exchange.raw)
        return reply(None, 204)

    @route("POST", "/v2/images/{image_id}/actions/{name}")
    def act(self, exchange: Exchange, image_id: str, name: str) -> web.Response:
        image = self._mine(exchange, image_id)
        states = {"deactivate": "deactivated", "reactivate": "active"}
        if image["status"] not in states.values():
            raise Refusal(403, f"Not allowed to {name} image in status '{image['status']}'")
        image["status"] = states[name]
        return reply(None, 204)

    # -- members ---------------------------------------------------------------------------------

    @route("GET", "/v2/images/{image_id}/members")
    def list_members(self, exchange: Exchange, image_id: str) -> web.Response:
        members = self._shared(exchange, image_id).get("members", ())
        return reply({"members": [{"member_id": one, "image_id": image_id} for one in members]})

    @route("POST", "/v2/images/{image_id}/members")
    def add_member(self, exchange: Exchange, image_id: str) -> web.Response:
        image, project = self._shared(exchange, image_id), exchange.json().get("member")
        if not project:
            raise Refusal(400, "Member to be added not specified")
        members = image.setdefault("members", [])
        if project in members:
            raise Refusal(409, f"The target member {project} is already associated with image "
                               f"{image_id}.")  # fmt: skip
        members.append(project)
        return reply({"member_id": project, "image_id": image_id, "status": "pending"})

    @route("DELETE", "/v2/images/{image_id}/members/{project}")
    def remove_member(self, exchange: Exchange, image_id: str, project: str) -> web.Response:
        image = self._shared(exchange, image_id)
        if project not in image.get("members", ()):
            raise Refusal(404, f"{project} not found in the member list of the image {image_id}.")
        image["members"].remove(project)
        return reply(None, 204)

    def _shared(self, exchange: Exchange, image_id: str) -> Image:
        image = self._mine(exchange, image_id)
        if image.get("visibility", "shared") != "shared":
            raise Refusal(403, "Only shared images have members.")
        return image


_COMMON = ("protected", "os_hidden", "min_disk", "min_ram", "tags", "name", "owner")


def _check_members(wanted: Image) -> None:
    """The members of a new image, as Glance's schema and its deserializer have them."""
    for key in wanted:
        if key in _DISALLOWED:
            raise Refusal(403, f"Attribute '{key}' is read-only.")
    for key, value in wanted.items():
        if key in _RESERVED or key.startswith("os_glance"):
            raise Refusal(403, f"Attribute '{key}' is reserved.")
        if key in _READONLY:
            raise Refusal(403, f"Property '{key}' is protected.")
        if key not in _COMMON and not isinstance(value, str | None):
            raise Refusal(400, f"{value!r} is not of type 'string'")
    if "id" in wanted and not _UUID.fullmatch(wanted["id"]):
        raise Refusal(400, f"Provided object does not match schema 'image': {wanted['id']!r}")
    if wanted.get("visibility", "shared") not in _VISIBILITIES:
        raise Refusal(400, "Provided object does not match schema 'image'")


def _fits(value: Any, wanted: str) -> bool:
    if wanted.startswith("in:"):
        return str(value) in json.loads(f'["{wanted[3:]}"]'.replace(",", '","'))
    return str(value) == wanted


def coming(image: Image, content: bytes, **more: Any) -> Image:
    """An image that is being made, with what its Glance says of it by itself."""
    stamp = f"{utc_now().isoformat(timespec='seconds')}Z"
    image |= {
        "status": "queued",
        "visibility": "private",
        "protected": False,
        "os_hidden": False,
        "min_disk": 0,
        "min_ram": 0,
        "disk_format": "raw",
        "container_format": "bare",
        "tags": [],
        "size": None,
        "checksum": None,
        "os_hash_algo": None,
        "os_hash_value": None,
        "created_at": stamp,
        "updated_at": stamp,
        **more,
    }

    def steps() -> Iterator[None]:
        yield
        image["status"] = "saving"
        yield
        fill(image, content)

    image["steps"] = steps()
    return image


def data_of(image: Image) -> bytes:
    """What an image holds."""
    content = image.get("content", b"")
    return content if isinstance(content, bytes) else str(content).encode()


def fill(image: Image, content: bytes) -> None:
    """An image has its data."""
    image |= {
        "content": content,
        "status": "active",
        "size": len(content),
        "checksum": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        "os_hash_algo": "sha512",
        "os_hash_value": hashlib.sha512(content).hexdigest(),
    }
