# SPDX-License-Identifier: Apache-2.0
"""Calls to a service of one pod, for making definitions match."""

from collections.abc import Mapping
from typing import Any

from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter

from tricircle.pods.document import Document
from tricircle.pods.errors import PodRefused, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

Body = dict[str, Any]


class Target:
    """A service of one pod. Raises PodRefused, PodUnreachable, PodTimeout.

    ``names`` are the ids that definitions have here, {id as users know it: id here}, where the
    two differ.
    """

    def __init__(
        self,
        pod: Pod,
        adapter: Adapter,
        service: str = "compute",
        names: Mapping[str, str] | None = None,
    ) -> None:
        self.pod = pod
        self._adapter, self._service = adapter, service
        self._inside = dict(names or {})
        self._outside = {inside: outside for outside, inside in self._inside.items()}

    def inside(self, known: str) -> str:
        """The id here of what users know by ``known``."""
        return self._inside.get(known, known)

    def outside(self, there: str) -> str:
        """The id users know of what has the id ``there`` here."""
        return self._outside.get(there, there)

    def ask(
        self, method: str, path: str, version: str, body: Any = None, missing: bool = False
    ) -> Any:
        """The answer's document; None for an empty one, and for a 404 where ``missing`` is fine."""
        try:
            answer = self._adapter.request(
                path,
                method,
                json=body,
                headers=self._headers(version),
                raise_exc=False,
            )
        except exceptions.ConnectTimeout as error:
            raise PodTimeout(self.pod.region_name, str(error)) from error
        except exceptions.ClientException as error:
            raise PodUnreachable(self.pod.region_name, str(error)) from error
        if answer.status_code == 404 and missing:
            return None
        if answer.status_code >= 300:
            raise PodRefused(
                self.pod.region_name, answer.status_code, _message(answer), answer.content
            )
        if not answer.content:
            return None
        return Document.read(self.pod.region_name, answer.status_code, answer.content)

    def _headers(self, version: str) -> dict[str, str]:
        headers = {"OpenStack-API-Version": f"{self._service} {version}"}
        if self._service == "compute":
            headers["X-OpenStack-Nova-API-Version"] = version
        return headers


def _message(answer: Any) -> str:
    try:
        document = answer.json()
        return str(next(iter(document.values()))["message"])
    except (ValueError, AttributeError, KeyError, TypeError, StopIteration):
        return str(answer.text)[:200]
