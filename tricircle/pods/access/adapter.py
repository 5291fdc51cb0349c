# SPDX-License-Identifier: Apache-2.0
"""Calls as Tricircle's own account in a pod with a Keystone of its own, with all ids turned."""

import json
from typing import Any
from urllib.parse import urlencode

from tricircle.pods.access.accesses import Accesses
from tricircle.pods.access.documents import TARGET, USER
from tricircle.pods.access.ids import Sent, Told
from tricircle.pods.access.own_keystone import digest
from tricircle.pods.errors import PodRefused
from tricircle.pods.pod import Pod


class Foreign:
    """Turns what is asked of one pod, and what it answers. All blocks."""

    def __init__(self, accesses: Accesses, pod: Pod) -> None:
        self._access, self._ids = accesses.of(pod), accesses.ids(pod)
        self._region = pod.region_name

    def request(self, url: str, more: dict[str, Any]) -> str:
        """The URL to ask instead; ``more``, as keystoneauth takes it, is changed.

        What is to be a project's has that project made there, where the pod is of such a kind.
        Raises PodRefused for what is shared with a project that the pod does not know.
        """
        path, _, query = url.partition("?")
        if params := more.pop("params", None):
            query = "&".join(part for part in (query, urlencode(params, doseq=True)) if part)
        sent = Sent(path, query, more.pop("json", None))
        known = self._inside(sent.ids())
        for place in sent.places():
            if place.value not in known and len(place.value) in (32, 64):
                known[place.value] = self._made(place.value, place.kind)
        sent.turn(lambda one: known.get(one) or self._nobody(one))
        if sent.document is not None:
            more["json"] = sent.document
        return f"{sent.path}?{sent.query}" if sent.query else sent.path

    def _inside(self, wanted: set[str]) -> dict[str, str]:
        known, missing = self._ids.inside(wanted)
        return known | (self._ids.look_inside(missing) if missing else {})

    def _made(self, ours: str, kind: frozenset[str]) -> str:
        if kind is TARGET:
            text = f"project {ours} has nothing there, so nothing can be shared with it"
            raise PodRefused(self._region, 404, text)
        there = self._access.user(ours) if kind is USER else self._access.project(ours)
        self._ids.note(ours, there)
        return there

    def _nobody(self, one: str) -> str:
        """Instead of an id that the pod does not know: it is not told ours."""
        return digest(self._region, "nobody", one) if len(one) in (32, 64) else one

    def answer(self, told: Any) -> Any:
        """The answer (of ``requests``) with our ids in it."""
        turned = Told(told.status_code, told.content, told.headers.get("Location", ""))
        wanted = turned.ids()
        if not wanted:
            return told
        known, missing = self._ids.outside(wanted)
        if missing:
            known |= self._ids.look_outside(missing)
        turned.turn(lambda one: known.get(one, one))
        return Answered(told, turned)


class Answered:
    """An answer of ``requests`` with another body."""

    def __init__(self, told: Any, turned: Told) -> None:
        self._told, self.content = told, turned.body
        self.headers = told.headers.copy()
        if turned.location:
            self.headers["Location"] = turned.location

    @property
    def text(self) -> str:
        return self.content.decode("utf-8", "replace")

    def json(self) -> Any:
        return json.loads(self.content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._told, name)
