# SPDX-License-Identifier: Apache-2.0
"""Calls to the Neutron of a pod where Tricircle is no administrator: each by an account of the
project it is for, as nobody else may make or see what is in that.

Of a call that does not say for which project it is, the accounts of all projects that have a
credential are asked in turn; who answered for an object is asked first the next time.
"""

import collections
import json
import re
import threading
from collections.abc import Callable, Iterator
from typing import Any

from keystoneauth1.token_endpoint import Token as GivenToken

from tricircle.db import pod_accounts
from tricircle.pods.access.base import OWNER, Access, PodToken, Who
from tricircle.pods.access.documents import PROJECT
from tricircle.pods.access.ids import Sent

# Projects that are asked in turn, objects of which it is known whose they are, pages of a list.
_MOST_PROJECTS, _MOST_KNOWN, _MOST_PAGES = 100, 10_000, 100
_UUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_COLLECTION = re.compile(r"/v2\.0/(?:qos/)?[a-z-]+")
# What is the same for everybody.
_EVERYBODYS = re.compile(r"(/|/v2\.0/?|/v2\.0/extensions(/.*)?)")
_MISSING = 404

Send = Callable[..., Any]


class Members:
    """Of one pod. Thread-safe."""

    def __init__(self, access: Access) -> None:
        self._access = access
        self._tokens: dict[str, PodToken] = {}
        self._owners: collections.OrderedDict[str, str] = collections.OrderedDict()
        self._lock = threading.Lock()

    @staticmethod
    def project_of(more: dict[str, Any]) -> str:
        """The project of ours for which something is to be made; "" where nothing says so."""
        if more.get("json") is None:
            return ""
        places = Sent("", "", more["json"]).places()
        return next((place.value for place in places if place.kind is PROJECT), "")

    def ask(self, send: Send, url: str, method: str, more: dict[str, Any], project: str) -> Any:
        """The answer; ``url`` and ``more`` have the pod's ids, ``project`` is ours."""
        path = url.partition("?")[0]
        if _EVERYBODYS.fullmatch(path) or project == self._access.own.ids()[0]:
            return send(url, method, **more)
        if project:
            return self._kept(project, self._as(project, send, url, method, more))
        if method == "GET" and _COLLECTION.fullmatch(path):
            return self._everybodys(send, url, more)
        told = None
        for one in self._in_turn(f"{url} {json.dumps(more.get('json'))}"):
            told = self._as(one, send, url, method, more)
            if told.status_code != _MISSING:
                return self._kept(one, told)
        return told if told is not None else send(url, method, **more)

    def _everybodys(self, send: Send, url: str, more: dict[str, Any]) -> Any:
        """A list with what is in any of the projects, whole."""
        found: dict[str, dict[str, Any]] = {}
        told = send(url, "GET", **more)
        name = next(iter(_document(told)), "")
        for one in self._in_turn(""):
            page, query = 0, url
            while query and page < _MOST_PAGES:
                told = self._as(one, send, query, "GET", more)
                if told.status_code >= 300:
                    return told
                document = self._kept(one, told).json()
                name = next((key for key in document if not key.endswith("_links")), name)
                items = document.get(name, [])
                found |= {item["id"]: item for item in items}
                page += 1
                query = _next(url, document.get(f"{name}_links"), items)
        return Whole(told, {name: list(found.values())}) if name else told

    def _in_turn(self, text: str) -> Iterator[str]:
        """The projects to ask, that of an object named in a text first."""
        with self._lock:
            known = [self._owners[one] for one in _UUID.findall(text) if one in self._owners]
        rows = pod_accounts.credentialed(self._access.pod.id, _MOST_PROJECTS)
        yield from dict.fromkeys([*known, *rows])

    def _as(self, project: str, send: Send, url: str, method: str, more: dict[str, Any]) -> Any:
        token = self._tokens.get(project)
        if token is None or not token.is_good:
            token = self._tokens[project] = self._access.exchange(Who("", project, "", OWNER))
        told = send(url, method, **more, auth=GivenToken("", token.token))
        if told.status_code == 401:
            self._tokens.pop(project, None)
        return told

    def _kept(self, project: str, told: Any) -> Any:
        """The answer, after a note of whose the objects in it are."""
        if told.status_code < 300:
            made = _UUID.findall(told.text)[:1000]
            with self._lock:
                self._owners.update(dict.fromkeys(made, project))
                while len(self._owners) > _MOST_KNOWN:
                    self._owners.popitem(last=False)
        return told


def _document(told: Any) -> dict[str, Any]:
    try:
        document = told.json()
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _next(url: str, links: Any, items: list[dict[str, Any]]) -> str:
    """Where the next page is; "" after the last one."""
    more = items and any(link.get("rel") == "next" for link in links or ())
    if not more:
        return ""
    plain = re.sub(r"&?\bmarker=[^&]*", "", url)
    return f"{plain}{'&' if '?' in plain else '?'}marker={items[-1]['id']}"


class Whole:
    """An answer of ``requests`` with another document."""

    def __init__(self, told: Any, document: dict[str, Any]) -> None:
        self._told, self.content = told, json.dumps(document).encode()

    @property
    def text(self) -> str:
        return self.content.decode()

    def json(self) -> Any:
        return json.loads(self.content)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._told, name)
