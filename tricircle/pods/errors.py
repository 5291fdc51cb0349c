# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a pod, said so that a user or an operator can act on it."""

import re

from tricircle.loglines import printable

# What libraries tell of addresses: URLs, urllib3's and asyncio's words for a peer; a statement of
# SQL and all after it.
_ADDRESSES = (
    (re.compile(r"\b[a-z][a-z0-9+.-]*://[^\s'\"<>]*[^\s'\"<>.,:;)\]]", re.I), "its address"),
    (re.compile(r"\b\w*(?:Connection|Pool)\(host=[^)]*\)"), "its address"),
    (re.compile(r"\bhost [\w.:\[\]-]+:\d+(?: ssl:\w+)?"), "its address"),
    (re.compile(r"(Connect call failed) \([^)]*\)"), r"\1"),
    (re.compile(r" for '[\w.:*-]+'"), ""),
    (re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>(: )?"), ""),
    (re.compile(r"\s*\[SQL: .*", re.DOTALL), ""),
)


# Letters of what is told at all: it may be a pod's own text, and to look through one without end
# would take for ever.
_LONGEST = 2000


def without_addresses(text: str) -> str:
    """``text`` for those who are told what is wrong with a pod, and not where it is."""
    text = _shortened(text)
    for pattern, instead in _ADDRESSES:
        text = pattern.sub(instead, text)
    return text


def _shortened(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


# What is the region's own and no pod, as those know it who are told that it failed.
NETWORKING = "The region's networking service (central Neutron)"
IMAGES = "The region's image service (Glance)"
IDENTITY = "The region's identity service (Keystone)"
OF_THE_REGION = (NETWORKING, IMAGES, IDENTITY)


class PodError(Exception):
    """A pod could not do what was asked. ``pod`` is its region name, or a service of the region's
    own.

    Users may read the text and ``message``; ``detail`` also says where, and is for operators.
    """

    def __init__(self, pod: str, message: str) -> None:
        message = _shortened(message)
        self.pod, self.detail = pod, message
        # It may be the pod's own text, and is logged in processes that are not ours, too.
        self.message = printable(without_addresses(message))
        who = pod if pod in OF_THE_REGION else f"Pod {pod}"
        super().__init__(f"{who}: {self.message}")


class PodUnreachable(PodError):
    """No connection, a broken answer, or the pod is being left alone after failures."""


class NoAccess(PodUnreachable):
    """A pod with a Keystone of its own does not let the caller in, or not that far. Nothing is
    wrong with the pod. ``status`` is its Keystone's, 0 where we did not ask.
    """

    def __init__(self, pod: str, message: str, status: int = 0) -> None:
        super().__init__(pod, message)
        self.status = status


class ImageComing(PodUnreachable):
    """An image is being copied to the pod's own Glance. Nothing is wrong with the pod."""


class ImageStays(PodError):
    """An image cannot be copied to the pod's own Glance."""


class PodNotAsked(PodUnreachable):
    """Nothing was sent to the pod: it has surely done nothing."""


class PodTimeout(PodUnreachable):
    """The pod did not answer in time: whether it did the work is not known."""


class PodBroken(PodTimeout):
    """The pod answered, but with something nobody can read: whether it did the work is not
    known either."""


class PodRefused(PodError):
    """The pod answered with an HTTP error."""

    def __init__(self, pod: str, status: int, message: str, body: bytes = b"") -> None:
        super().__init__(pod, f"{message} (HTTP {status})")
        self.status = status
        self.body = body


class NoPod(Exception):
    """No pod fits a request; the text says which were looked at and why each was left out."""
