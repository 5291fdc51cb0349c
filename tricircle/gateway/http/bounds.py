# SPDX-License-Identifier: Apache-2.0
"""The limits of what anybody may send, in one place: what is within them cannot break anything.

Only the size of a body is an option, ``[gateway] max_request_body_size``.
"""

import re

# Bytes of a request line or a header: what nginx, HAProxy and Apache let through is below this.
LONGEST_LINE = 32 * 1024
# Letters of a name or an id in a path: Nova and Cinder have none that is longer.
LONGEST_NAME = 255
# Letters of a user's or a project's id, as Keystone has them.
LONGEST_OWNER = 64
# Parameters of a query.
PARAMETERS = 500
# How deep JSON may be nested; what is read must be written again, and compared.
DEPTH = 100
# The largest number that is read at all, and that of an integer in a database: ours, and Nova's.
MOST = 10**18 - 1
STORED = 2**31 - 1
# A regular expression a user gives is tried on the event loop: letters, and parts that repeat.
LONGEST_PATTERN = 255
REPEATS = 2

_DIGITS = re.compile(r"[0-9]+")
_WHOLE = re.compile(r"-?[0-9]{1,18}")
_REPEAT = re.compile(r"[*+?{]")
_REPEATED_GROUP = re.compile(r"\)[*+?{]")


def whole(value: object, most: int = MOST, least: int = 0) -> int | None:
    """The whole number that ``value`` is, as text or in JSON; None for all else.

    None as well for what is not within ``least`` and ``most``.
    """
    if isinstance(value, str):
        value = int(value) if _WHOLE.fullmatch(value) else None
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        return None
    return value if least <= value <= most else None


def clamped(text: str, most: int) -> int | None:
    """As ``whole``, of a limit: one that is larger than ``most`` is taken as that."""
    if _DIGITS.fullmatch(text) is None:
        return None
    number = whole(text.lstrip("0") or "0")
    return most if number is None else min(number, most)


def is_name(text: str) -> bool:
    """Whether something can have this name or id. (PostgreSQL cannot even look for a NUL.)"""
    return len(text) <= LONGEST_NAME and "\0" not in text


def is_quick(pattern: str) -> bool:
    """Whether a user's regular expression is searched for in no time, whatever it is: one with
    many parts that repeat, beside or within others, could take for ever.
    """
    return (
        len(pattern) <= LONGEST_PATTERN
        and len(_REPEAT.findall(pattern)) <= REPEATS
        and _REPEATED_GROUP.search(pattern) is None
    )
