# SPDX-License-Identifier: Apache-2.0
"""What is asked of a pod, as a value. A ``Call`` is what a client sent; this is what a pod gets.

``PodRequest.of(call)`` is the client's own request, and everything else is made of that:
``PodRequest.of(call).get("/servers/1").at((2, 3))``. Only what is asked as the service user is made
from nothing, with the right to it.
"""

import dataclasses
from typing import Any, Self

from tricircle.gateway.call import Call, Version
from tricircle.pods.rights import Right


@dataclasses.dataclass(frozen=True, slots=True)
class PodRequest:
    """One request, for whichever pod.

    ``path`` is below version and project and still percent-encoded, ``query`` is raw. ``body`` is
    bytes, anything that JSON can hold, or None for none. Without a ``version`` the service answers
    at its first one. It is asked with the caller's token, or, where a ``right`` is named, as the
    service user. Without a ``deadline`` (seconds) a pod has [gateway] request_deadline.
    """

    method: str
    path: str
    service: str
    query: str = ""
    body: Any = None
    version: Version | None = None
    right: Right | None = None
    deadline: float | None = None
    #: Asked even of a pod that is down, or that is left alone after failures.
    ignore_breaker: bool = False
    #: The client asked for this very method and path, so their token has been checked for it.
    clients_own: bool = False

    @classmethod
    def of(cls, call: Call) -> Self:
        """What the client asked for, unchanged."""
        return cls(
            call.method,
            call.path,
            call.service,
            query=call.raw_query,
            body=call.body or None,
            version=call.version,
            clients_own=True,
        )

    @classmethod
    def as_service_user(cls, right: Right, method: str, path: str, body: Any = None) -> Self:
        """What ``right`` stands for, asked as the service user of the right's service."""
        return cls(method, path, right.service, body=body, right=right)

    def get(self, path: str, query: str = "") -> Self:
        """A GET at the same microversion."""
        return self._instead("GET", path, None, query)

    def post(self, path: str, body: Any) -> Self:
        """A POST at the same microversion."""
        return self._instead("POST", path, body)

    def put(self, path: str, body: Any, query: str = "") -> Self:
        """A PUT at the same microversion."""
        return self._instead("PUT", path, body, query)

    def delete(self, path: str) -> Self:
        """A DELETE at the same microversion."""
        return self._instead("DELETE", path, None)

    def _instead(self, method: str, path: str, body: Any, query: str = "") -> Self:
        return dataclasses.replace(
            self, method=method, path=path, body=body, query=query, clients_own=False
        )

    def with_path(self, path: str) -> Self:
        return dataclasses.replace(self, path=path, clients_own=False)

    def with_query(self, query: str) -> Self:
        return dataclasses.replace(self, query=query)

    def with_body(self, body: Any) -> Self:
        return dataclasses.replace(self, body=body)

    def at(self, version: Version) -> Self:
        """The same at another microversion."""
        return dataclasses.replace(self, version=version)

    def within(self, deadline: float) -> Self:
        """The same with so many seconds for the pod."""
        return dataclasses.replace(self, deadline=deadline)

    def ignoring_breaker(self) -> Self:
        """The same, asked whatever is known of the pod."""
        return dataclasses.replace(self, ignore_breaker=True)
