# SPDX-License-Identifier: Apache-2.0
"""An image is found by its name only among our own: users may name theirs as they like."""

from typing import Any
from urllib.parse import parse_qs, urlsplit

from tricircle.pods.images.of_moves import Images
from tricircle.pods.rest import PodServices
from tricircle.pods.rights import Right


class Answer:
    status_code, content = 200, b'{"images": [{"id": "i"}]}'


class Identity:
    """The service user, of the project "ours"."""

    def __init__(self) -> None:
        self.asked = ""

    def project_id(self) -> str:
        return "ours"

    def endpoints(self, region: str) -> dict[str, str]:
        return {"image": "http://glance"}

    def adapter(self, pod: Any, right: Right) -> "Identity":
        return self

    def request(self, path: str, method: str, **_: Any) -> Answer:
        self.asked = path
        return Answer()


def test_only_our_own_images_are_found() -> None:
    identity = Identity()
    assert Images(PodServices(identity)).named("tricircle-move-v") == [{"id": "i"}]  # type: ignore[arg-type]
    query = parse_qs(urlsplit(identity.asked).query)
    assert (query["name"], query["owner"]) == (["tricircle-move-v"], ["ours"])
