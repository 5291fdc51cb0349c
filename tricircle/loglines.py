# SPDX-License-Identifier: Apache-2.0
"""Lines of a log: no text of a user or a pod begins a new one, or moves a terminal's cursor."""

import logging

from oslo_log import formatters


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


def guard() -> None:
    """Have all handlers write so, except those that write records, not lines."""
    for handler in logging.getLogger().handlers:
        if not isinstance(handler.formatter, OneLine | formatters.FluentFormatter | None):
            handler.setFormatter(OneLine(handler.formatter))
