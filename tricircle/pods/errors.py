# SPDX-License-Identifier: Apache-2.0
"""What can go wrong with a pod, said so that a user or an operator can act on it."""


class PodError(Exception):
    """A pod could not do what was asked. ``pod`` is its region name."""

    def __init__(self, pod: str, message: str) -> None:
        super().__init__(f"Pod {pod}: {message}")
        self.pod = pod
        self.message = message


class PodUnreachable(PodError):
    """No connection, a broken answer, or the pod is being left alone after failures."""


class PodTimeout(PodUnreachable):
    """The pod did not answer in time: whether it did the work is not known."""


class PodRefused(PodError):
    """The pod answered with an HTTP error."""

    def __init__(self, pod: str, status: int, message: str, body: bytes = b"") -> None:
        super().__init__(pod, f"{message} (HTTP {status})")
        self.status = status
        self.body = body


class NoPod(Exception):
    """No pod fits a request; the text says which were looked at and why each was left out."""
