# SPDX-License-Identifier: Apache-2.0
"""The changelog has the form that docs/releasing.md describes."""

import re
import tomllib
from pathlib import Path

TOP = Path(__file__).parents[2]
CHANGELOG = (TOP / "CHANGELOG.md").read_text()
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")
#: Letters of an entry at the most.
LONGEST = 300
_VERSION = re.compile(r"(\d+)\.(\d+)\.(\d+) - (\d{4}-\d\d-\d\d)")


def headings(level: int, text: str) -> list[str]:
    return re.findall(rf"^{'#' * level} (.*)$", text, re.MULTILINE)


def releases() -> list[tuple[tuple[int, ...], str]]:
    """(version, date) of each, as they stand in the file."""
    found = [_VERSION.fullmatch(heading) for heading in headings(2, CHANGELOG)[1:]]
    assert all(found), "a heading is not of the form '1.2.3 - 2026-01-31'"
    return [(tuple(map(int, one.groups()[:3])), one[4]) for one in found if one]


def test_what_is_not_released_stands_on_top() -> None:
    assert headings(2, CHANGELOG)[0] == "Unreleased"


def test_the_newest_version_is_first_and_none_is_there_twice() -> None:
    found = releases()
    versions, dates = [version for version, _ in found], [date for _, date in found]
    assert versions == sorted(set(versions), reverse=True)
    assert dates == sorted(dates, reverse=True)


def test_the_package_is_of_the_newest_version() -> None:
    version = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]["version"]
    assert version == ".".join(map(str, releases()[0][0]))


def test_each_version_tells_its_changes_by_kind() -> None:
    for text in re.split(r"^## ", CHANGELOG, flags=re.MULTILINE)[1:]:
        kinds = headings(3, text)
        assert kinds == [kind for kind in KINDS if kind in kinds], text.splitlines()[0]


def test_entries_are_short() -> None:
    entries = re.findall(r"^- (.*(?:\n  .*)*)", CHANGELOG, re.MULTILINE)
    assert entries
    assert [one for one in entries if len(" ".join(one.split())) > LONGEST] == []
