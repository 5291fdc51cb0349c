# SPDX-License-Identifier: Apache-2.0
"""The request, or the piece of work, that this thread or task is at: what is told of it."""

import contextlib
import dataclasses
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any

from oslo_context.context import RequestContext, generate_request_id

from tricircle.loglines import ABOUT

# https://www.w3.org/TR/trace-context/
_PARENT = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
_STATE = re.compile(r"[\x20-\x7e]{1,512}")


@dataclasses.dataclass(slots=True)
class UnderWay:
    """What is known so far of a request. ``caller`` is the gateway's ``Context``, once known.

    ``way`` and ``route`` are those of its row in the route table ("none" and "-" before it has
    one), ``path`` is what may be told of its own, ``pods`` the regions asked for it. ``trace`` are
    the headers of W3C's trace context that calls made for it carry, ``span`` is that of
    OpenTelemetry, if anybody traces.
    """

    request_id: str
    way: str = "none"
    route: str = "-"
    path: str = "-"
    caller: Any = None
    pods: list[str] = dataclasses.field(default_factory=list)
    trace: Mapping[str, str] = dataclasses.field(default_factory=dict)
    span: Any = None
    began: float = dataclasses.field(default_factory=time.monotonic)

    @property
    def upstream_id(self) -> str:
        """The request id that calls made for it carry."""
        told = self.caller.global_id if self.caller is not None else None
        return told or self.request_id

    def log_context(self) -> RequestContext:
        """What oslo.log writes into each line."""
        caller: dict[str, Any] = {}
        if self.caller is not None:
            names = ("user_id", "project_id", "user_domain_id", "project_domain_id")
            caller = {name: getattr(self.caller, name) or None for name in names}
            caller["global_request_id"] = self.caller.global_id
        return RequestContext(request_id=self.request_id, overwrite=False, **caller)


def begin(request_id: str, headers: Mapping[str, str]) -> UnderWay:
    """This task is at a request from now on, which came with these headers."""
    parent = headers.get("traceparent", "")
    if parent and _PARENT.fullmatch(parent):
        state = headers.get("tracestate", "")
        trace = {"traceparent": parent}
        if _STATE.fullmatch(state):
            trace["tracestate"] = state
        found = UnderWay(request_id, trace=trace)
    else:
        found = UnderWay(request_id)
    ABOUT.set(found)
    return found


def current() -> UnderWay | None:
    """What this thread or task is at, if anything."""
    found: UnderWay | None = ABOUT.get()
    return found


@contextlib.contextmanager
def work() -> Iterator[UnderWay]:
    """This thread is at a piece of work of its own, with a request id by which it is found in the
    logs of the pods, too.
    """
    found = UnderWay(generate_request_id())
    before = ABOUT.set(found)
    try:
        yield found
    finally:
        ABOUT.reset(before)
