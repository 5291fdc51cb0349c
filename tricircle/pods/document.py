# SPDX-License-Identifier: Apache-2.0
"""What a pod answers, read so that whatever is wrong with it is said of the pod.

What is missing at the top of a document is noticed here. What is odd deeper inside (a list where an
object belongs, a number for a text, null) shows where it is used, as one of ``MISREAD``: the client
is then told whose documents were read on the way (``listen``), one of which is not understood.
"""

import contextvars
from collections.abc import Iterator
from typing import Any, Self

import orjson

from tricircle.pods.errors import PodBroken, PodUnreachable

# What is raised where a document of the wrong shape is used.
MISREAD = (TypeError, KeyError, AttributeError, ValueError, IndexError)
_heard: contextvars.ContextVar[dict[str, None] | None] = contextvars.ContextVar(
    "heard", default=None
)


def listen() -> dict[str, None]:
    """The pods whose documents are read from now on, by whatever is begun from here; in order."""
    heard: dict[str, None] = {}
    _heard.set(heard)
    return heard


class Document(dict[str, Any]):
    """An object of JSON. Asked for a member it lacks it raises PodUnreachable."""

    pod: str
    status: int

    @classmethod
    def read(cls, pod: str, status: int, body: bytes) -> Self:
        """The body of an answer of ``pod`` (a region name). Raises PodUnreachable."""
        if (heard := _heard.get()) is not None:
            heard[pod] = None
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


def pages(pod: str, what: str, most: int = 10_000) -> Iterator[int]:
    """Count the pages of a pod's list. Raises PodBroken after ``most``: such a list has no end."""
    yield from range(most)
    raise PodBroken(pod, f"its {what} do not come to an end: {most} pages were read.")


def rubbish(pod: str, status: int, what: str) -> PodUnreachable:
    """What to raise for an answer that means nothing."""
    return PodUnreachable(pod, f"answered {status} with {what}.")
