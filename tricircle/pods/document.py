# SPDX-License-Identifier: Apache-2.0
"""What a pod answers, read so that whatever is wrong with it is said of the pod."""

from typing import Any, Self

import orjson

from tricircle.pods.errors import PodUnreachable


class Document(dict[str, Any]):
    """An object of JSON. Asked for a member it lacks it raises PodUnreachable."""

    pod: str
    status: int

    @classmethod
    def read(cls, pod: str, status: int, body: bytes) -> Self:
        """The body of an answer of ``pod`` (a region name). Raises PodUnreachable."""
        try:
            found = orjson.loads(body)
        except orjson.JSONDecodeError:
            raise rubbish(pod, status, "a body that is not JSON") from None
        if not isinstance(found, dict):
            raise rubbish(pod, status, "JSON that is not an object")
        document = cls(found)
        document.pod, document.status = pod, status
        return document

    def __missing__(self, name: str) -> Any:
        raise rubbish(self.pod, self.status, f"a document without '{name}'")

    def only(self) -> tuple[str, dict[str, Any]]:
        """The one member, an object, and its name. Raises PodUnreachable."""
        if len(self) == 1:
            ((name, member),) = self.items()
            if isinstance(member, dict):
                return name, member
        raise rubbish(self.pod, self.status, "a document that is not what was asked for")


def rubbish(pod: str, status: int, what: str) -> PodUnreachable:
    """What to raise for an answer that means nothing."""
    return PodUnreachable(pod, f"answered {status} with {what}.")
