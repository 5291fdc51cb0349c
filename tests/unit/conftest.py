# SPDX-License-Identifier: Apache-2.0
"""A unit test starts no process and reaches no socket: what does is a functional test.

A database may be a file of SQLite.
"""

import sys
from collections.abc import Iterator

import pytest
import urllib3  # noqa: F401 # tries at its import whether a socket can be bound for IPv6

FORBIDDEN = {
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "socket.bind",
    "socket.connect",
    "subprocess.Popen",
}
_seen: list[str] = []


def _look(event: str, arguments: tuple[object, ...]) -> None:
    if event in FORBIDDEN:
        _seen.append(f"{event}{arguments}")


sys.addaudithook(_look)


@pytest.fixture(autouse=True)
def alone() -> Iterator[None]:
    """Fails a test that reaches out of its process, even where it catches all errors."""
    _seen.clear()
    yield
    assert _seen == []
