# SPDX-License-Identifier: Apache-2.0
"""One Glance, the region's or a pod's own, asked as Tricircle's own account. All blocks."""

import contextlib
import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Self
from urllib.parse import quote, urlencode

from tricircle.conf import CONF
from tricircle.pods.errors import IMAGES, PodRefused, PodUnreachable
from tricircle.pods.images.flow import Flow, Readable
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService, PodServices
from tricircle.pods.rights import Right
from tricircle.pods.transport import flowing

Image = dict[str, Any]
_BYTES = {"Content-Type": "application/octet-stream"}
_PATCH = {"Content-Type": "application/openstack-images-v2.1-json-patch"}
_CONFLICT = 409


class Glance:
    """Raises PodRefused, PodUnreachable, PodTimeout."""

    def __init__(self, service: PodService, project_id: str) -> None:
        """``project_id`` is our own account's project there."""
        self._service, self.project_id = service, project_id

    @classmethod
    def of_the_region(cls, services: PodServices, right: Right) -> Self:
        """The region's. Raises KeystoneFailed, too."""
        identity = services.identity
        url = identity.endpoints(CONF.tricircle_identity.region_name).get("image")
        if url is None:
            raise PodUnreachable(IMAGES, "Keystone's catalogue has no endpoint for it")
        pod = Pod("", IMAGES, "", endpoints={"image": _base(url)})
        return cls(services.of(pod, right), identity.project_id())

    @classmethod
    def of_pod(cls, services: PodServices, pod: Pod, right: Right) -> Self:
        """A pod's own. Raises KeystoneFailed, too."""
        here = dataclasses.replace(pod, endpoints={"image": _base(pod.endpoint("image"))})
        project_id = services.identity.accesses.of(pod).service_project()
        return cls(services.of(here, right), project_id)

    @classmethod
    def of_project(cls, services: PodServices, pod: Pod, right: Right, project_id: str) -> Self:
        """A pod's own, asked by an account of a project of ours. Raises KeystoneFailed, too."""
        here = dataclasses.replace(pod, endpoints={"image": _base(pod.endpoint("image"))})
        adapter = services.identity.within(project_id, here, right)
        inside = services.identity.accesses.of(pod).project(project_id)
        return cls(PodService(here, adapter, "image"), inside)

    @property
    def region_name(self) -> str:
        return self._service.pod.region_name

    def show(self, image_id: str) -> Image | None:
        """An image, if there is one."""
        found: Image | None = self._service.ask("GET", _path(image_id), missing=True)
        return found

    def marked(self, owner: str, key: str, value: str) -> Image | None:
        """An image of a project's that has a property, or a name, of this value."""
        query = urlencode({"owner": owner, key: value, "visibility": "all", "limit": 1})
        found = self._service.ask("GET", f"/v2/images?{query}")["images"]
        return found[0] if found else None

    def some(self, image_ids: Iterable[str]) -> dict[str, Image]:
        """{id: image} of those of some images that are there and not hidden; fifty at the most."""
        wanted = list(image_ids)
        if not wanted:
            return {}
        query = urlencode({"id": f"in:{','.join(wanted)}", "visibility": "all", "limit": 50})
        found = self._service.ask("GET", f"/v2/images?{query}")["images"]
        return {image["id"]: image for image in found}

    def page(self, filters: Mapping[str, str], marker: str, limit: int) -> list[Image]:
        """Active images after one, by id."""
        query = {**filters, "status": "active", "sort": "id:asc", "limit": limit}
        query |= {"marker": marker} if marker else {}
        found: list[Image] = self._service.ask("GET", f"/v2/images?{urlencode(query)}")["images"]
        return found

    def members(self, image_id: str) -> set[str]:
        """The projects that a shared image is shared with."""
        found = self._service.ask("GET", f"{_path(image_id)}/members", missing=True)
        return {one["member_id"] for one in (found or {}).get("members", ())}

    def make(self, wanted: Mapping[str, Any]) -> Image | None:
        """A new image without data; None when its id is not to be had."""
        try:
            made: Image = self._service.ask("POST", "/v2/images", body=dict(wanted))
        except PodRefused as error:
            if error.status == _CONFLICT:
                return None
            raise
        return made

    def delete(self, image_id: str) -> None:
        """Remove an image, whether it is there or not, and although it is protected."""
        found = self.show(image_id)
        if found is not None and found.get("protected"):
            self.change(image_id, {"protected": False}, found)
        self._service.ask("DELETE", _path(image_id), missing=True)

    def change(self, image_id: str, values: Mapping[str, Any], known: Image) -> None:
        """Give an image, which looks as ``known``, other members and properties; None: take it."""
        changes: list[dict[str, Any]] = []
        for key, value in values.items():
            path = "/" + key.replace("~", "~0").replace("/", "~1")
            if value is None:
                if key in known:
                    changes.append({"op": "remove", "path": path})
            elif _comparable(known.get(key)) != _comparable(value):
                op = "replace" if key in known else "add"
                changes.append({"op": op, "path": path, "value": value})
        if changes:
            self._checked("PATCH", _path(image_id), json=changes, headers=dict(_PATCH))

    def share(self, image_id: str, project_id: str) -> None:
        """Let a project use an image; one that may is left as it is."""
        with contextlib.suppress(_Known):
            self._checked("POST", f"{_path(image_id)}/members", json={"member": project_id})

    def unshare(self, image_id: str, project_id: str) -> None:
        path = f"{_path(image_id)}/members/{quote(project_id, safe='')}"
        self._service.ask("DELETE", path, missing=True)

    @contextlib.contextmanager
    def data(self, image_id: str) -> Iterator[Readable]:
        """The data of an image, to be read a little at a time."""
        with flowing(CONF.images.copy_deadline, CONF.reconciler.call_deadline):
            answer = self._service.request("GET", f"{_path(image_id)}/file", stream=True)
            try:
                if answer.status_code != 200:
                    text = f"gave no data of image {image_id}"
                    raise PodRefused(self.region_name, answer.status_code, text)
                yield answer.raw
            finally:
                answer.close()

    def fill(self, image_id: str, flow: Flow) -> None:
        """Send an image its data."""
        with flowing(CONF.images.copy_deadline, CONF.reconciler.call_deadline):
            # A new token could be had only for what can be sent once more.
            more = {"headers": dict(_BYTES), "allow_reauth": False}
            self._checked("PUT", f"{_path(image_id)}/file", data=flow, **more)

    def _checked(self, method: str, path: str, **more: Any) -> None:
        answer = self._service.request(method, path, **more)
        if answer.status_code == _CONFLICT and method == "POST":
            raise _Known(self.region_name, answer.status_code, "knows it already")
        if answer.status_code >= 300:
            raise PodRefused(self.region_name, answer.status_code, _words(answer))


class _Known(PodRefused):
    """It is so already."""


def _comparable(value: Any) -> Any:
    """Tags have no order."""
    return sorted(value) if isinstance(value, list) else value


def _base(url: str) -> str:
    return url.rstrip("/").removesuffix("/v2")


def _path(image_id: str) -> str:
    return f"/v2/images/{quote(image_id, safe='')}"


def _words(answer: Any) -> str:
    """What Glance says, without the page around it."""
    text = str(answer.text)[:2000].rpartition("</h1>")[2] or str(answer.text)[:200]
    return " ".join(text.replace("<br />", " ").partition("</body>")[0].split())[:300]
