# SPDX-License-Identifier: Apache-2.0
"""How a fake may misbehave."""

import dataclasses
import enum
import json
import re
import threading
from collections.abc import Callable
from typing import Any

from tricircle.pods.work_look import AGENT


class Kind(enum.Enum):
    """``*_AFTER`` do the work first, so that the client cannot know whether it was done."""

    HANG = "never answers"
    HANG_AFTER = "does the work, never answers"
    CUT = "closes the connection"
    CUT_AFTER = "does the work, closes the connection"
    TRUNCATED = "closes the connection inside the body"
    TRUNCATED_AFTER = "does the work, closes the connection inside the body"
    GARBAGE = "answers with a success and a body that means nothing"
    GARBAGE_AFTER = "does the work, answers with a body that means nothing"
    ERROR = "500"
    UNAVAILABLE = "503"
    QUOTA = "403, quota exceeded"
    SLOW = "answers late"
    HELD = "does the work when it is told to, and answers"
    LATE = "closes the connection, does the work when it is told to"
    REDIRECT = "307 to another place"
    ALTERED = "does the work, answers with something else in its document"


AFTER = {Kind.ALTERED, Kind.HANG_AFTER, Kind.CUT_AFTER, Kind.TRUNCATED_AFTER, Kind.GARBAGE_AFTER}


@dataclasses.dataclass
class Fault:
    """Strikes requests whose method and path (regex) fit: ``times`` of them after ``skip``."""

    kind: Kind
    method: str = ""
    path: str = ""
    skip: int = 0
    times: int | None = None
    seconds: float = 0.3
    location: str = "http://127.0.0.1:9/"
    body: bytes = b"<html>\x00\xff not what you asked for"
    agent: str = ""
    """Only callers whose User-Agent holds this."""
    alter: Callable[[Any, Any], Any] = lambda entry, document: document
    """What becomes of a document: (the request, the document) -> another."""
    struck: int = 0
    hit: threading.Event = dataclasses.field(default_factory=threading.Event)
    go: threading.Event = dataclasses.field(default_factory=threading.Event)

    def strikes(self, entry: Any) -> bool:
        if self.method and entry.method != self.method:
            return False
        if not re.search(self.path, entry.path):
            return False
        if self.path and entry.headers.get("User-Agent") == AGENT:
            return False  # What a prober lists, whenever it does, is not what is meant.
        if self.agent and self.agent not in entry.headers.get("User-Agent", ""):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None and self.struck >= self.times:
            return False
        self.struck += 1
        self.hit.set()
        return True


_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclasses.dataclass
class FirstTime(Fault):
    """Strikes each call the first time it is made, of those that fit.

    A call is known by its service, method, path (whatever the ids in it), query and what its body
    is about: so one whose retry works goes wrong once. ``forget`` what was seen to begin anew.
    """

    seen: set[Any] = dataclasses.field(default_factory=set)

    def strikes(self, entry: Any) -> bool:
        about = next(iter(json.loads(entry.body)), None) if entry.body else None
        query = tuple(sorted(_ID.sub("*", value) for _, value in entry.query))
        call = (entry.service, entry.method, _ID.sub("*", entry.path), query, about)
        if call in self.seen:
            return False
        self.seen.add(call)
        return super().strikes(entry)

    def forget(self) -> None:
        self.seen.clear()
