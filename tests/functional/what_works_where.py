# SPDX-License-Identifier: Apache-2.0
"""The table of docs/federation.md that says what works in which kind of pod."""

import re
from collections.abc import Mapping
from pathlib import Path

from tests.functional.fakes.cloud import K2K, MEMBERS

_GUIDE = Path(__file__).parents[2] / "docs" / "federation.md"
_BEGIN, _END = "<!-- what works where -->", "<!-- end -->"
#: How a pod is entered: its column.
COLUMNS = {"shared": 1, "managed": 2, K2K: 2, "jwt": 2, "credentials": 3, MEMBERS: 4}


def rows() -> list[list[str]]:
    """The rows of the table, each its cells."""
    text = _GUIDE.read_text()
    table = text.partition(_BEGIN)[2].partition(_END)[0]
    lines = [line for line in table.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def names(of_networks: bool) -> list[str]:
    """The rows of networks, which central Neutron's tests try, or those before them."""
    found = [row[0] for row in rows()]
    first = next(at for at, name in enumerate(found) if name.startswith("networks"))
    return found[first:] if of_networks else found[:first]


def wrong(kind: str, tried: Mapping[str, str]) -> list[str]:
    """Where the table says otherwise than what was ``tried``: {row: what was said, "" if it works}.

    A cell is `yes`, or `no: ` with words that must be in what was said.
    """
    found, known = [], {row[0]: row for row in rows()}
    for name, said in tried.items():
        cell = known[name][COLUMNS[kind]] if name in known else "(no such row)"
        words = re.fullmatch("no: (.+)", cell)
        if (cell == "yes") != (said == "") or (said and not (words and words[1] in said)):
            found.append(f"{kind}, {name}: {cell!r}, but it said {said!r}")
    return found
