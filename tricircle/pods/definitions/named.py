# SPDX-License-Identifier: Apache-2.0
"""Definitions whose ids Cinder makes itself: in a pod they are found by id, or by their name."""

import dataclasses
from typing import Any
from urllib.parse import quote

from tricircle.pods.document import pages
from tricircle.pods.rest import Body, PodService

# What was in a pod before it was Tricircle's is left as it is until it is first changed.
ADOPTED = "adopted"


@dataclasses.dataclass(frozen=True, slots=True)
class Collection:
    """A collection of a pod: its ``path``, the ``key`` of one document, the microversion to ask at.

    ``every`` is the query that lists all of it, whoever may see them.
    """

    path: str
    key: str
    listed: str
    version: str
    every: str = ""

    def at(self, there: str) -> str:
        return f"{self.path}/{quote(there, safe='')}"

    def list(self, service: PodService) -> list[Body]:
        """All there are, as the pod shows them."""
        found: list[Body] = []
        for _ in pages(service.pod.region_name, self.listed):
            marker = f"&marker={found[-1]['id']}" if found else ""
            path = f"{self.path}?limit=500{self.every}{marker}"
            page: list[Body] = service.ask("GET", path, self.version)[self.listed]
            # A release that knows no pages answers the same again.
            known = {item["id"] for item in found}
            new = [item for item in page if item["id"] not in known]
            found += new
            if len(page) < 500 or not new:
                break
        return found

    def get(self, service: PodService, there: str) -> Body | None:
        document: Any = service.ask("GET", self.at(there), self.version, missing=True)
        return document[self.key] if document is not None else None

    def find(self, service: PodService, key: str, name: str) -> tuple[Body | None, bool]:
        """What the pod has for a definition, and whether it is known only by its name."""
        found = self.get(service, service.inside(key))
        if found is not None:
            return found, False
        named = (item for item in self.list(service) if item["name"] == name)
        return next(named, None), True


def difference(current: Body, wanted: Body) -> tuple[Body, list[str]]:
    """What of ``wanted`` is to be set, and the keys that are to go."""
    more = {name: value for name, value in wanted.items() if current.get(name) != value}
    return more, sorted(current.keys() - wanted.keys())
