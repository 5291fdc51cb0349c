# SPDX-License-Identifier: Apache-2.0
"""The bodies of pods' answers: read up to a limit, so that no pod fills our memory.

They are asked for as they are: what comes packed could be of any size once unpacked.
"""

import aiohttp

# Headers of a request whose answer is read here, by a session that does not unpack.
PLAIN = {"Accept-Encoding": "identity"}
_UNPACKED = ("", "identity")


class Unreadable(ValueError):
    """Too long, or packed. The text says which, to be put after "answered"."""


def packed(encoding: str) -> Unreadable | None:
    """What to raise for a body of this Content-Encoding, if anything."""
    if encoding.strip().lower() in _UNPACKED:
        return None
    return Unreadable(f"with a body packed as {encoding[:40]!r}, which was not asked for")


def too_long(most: int) -> Unreadable:
    """What to raise for a body of more than ``most`` bytes."""
    return Unreadable(f"with more than {most} bytes, the most that is read")


async def read(answer: aiohttp.ClientResponse, most: int) -> bytes:
    """The body, of ``most`` bytes at the most. Raises Unreadable and aiohttp's errors."""
    if (error := packed(answer.headers.get("Content-Encoding", ""))) is not None:
        raise error
    if (answer.content_length or 0) > most:
        raise too_long(most)
    chunks, size = [], 0
    async for chunk in answer.content.iter_any():
        size += len(chunk)
        if size > most:
            raise too_long(most)
        chunks.append(chunk)
    return b"".join(chunks)
