# SPDX-License-Identifier: Apache-2.0
"""Lines of a log: no text of a user or a pod begins a new one, or moves a terminal's cursor, and
each tells which request it is about.
"""

import contextvars
import logging
from typing import Any

from oslo_log import formatters

#: What this thread or task is at, if anything; it has ``log_context()``.
ABOUT: contextvars.ContextVar[Any] = contextvars.ContextVar("about", default=None)


def printable(text: str) -> str:
    """``text`` on one line: what is not printable is written as in Python's source."""
    if text.isprintable():
        return text
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in text
    )


class OneLine(logging.Formatter):
    """A formatter around another one: each message is one line, and a traceback its own lines.

    oslo.log puts the time and the level before every line of a traceback, too.
    """

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self._formatter = formatter

    def format(self, record: logging.LogRecord) -> str:
        text = self._formatter.format(record)
        trace = record.exc_text or ""
        if not trace or not text.endswith(trace):
            return printable(text)
        lines = [text.removesuffix(trace).removesuffix("\n"), *trace.split("\n")]
        return "\n".join(map(printable, lines))


class About(logging.Filter):
    """Has a line tell what it is about.

    oslo.log looks in the thread, but on an event loop many requests share one.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        about = ABOUT.get()
        if about is not None and getattr(record, "context", None) is None:
            record.context = about.log_context()
        return True


def tell_about() -> None:
    """Have the lines of all handlers tell what they are about."""
    for handler in logging.getLogger().handlers:
        if not any(isinstance(one, About) for one in handler.filters):
            handler.addFilter(About())


def guard() -> None:
    """Have all handlers write so, except those that write records, not lines."""
    tell_about()
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, OneLine | formatters.FluentFormatter | None):
            handler.setFormatter(OneLine(handler.formatter))
