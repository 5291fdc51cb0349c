# SPDX-License-Identifier: Apache-2.0
"""One call at many microversions, asked of a pod and of the region: what differs.

Many calls of one kind may share the microversions out among them; ``SWEEP=all`` asks each at all.
"""

import concurrent.futures
import dataclasses
import json
import os
import re
from collections.abc import Mapping
from typing import Any

AT_ONCE = 4
SHARE = 4
_ID = re.compile(r"[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
# The host of a link and what stands before the version.
_ROOT = re.compile(r"https?://[^/]+(/compute)?(?=/)")
# Users see the zones of the region, and each pod has its own.
_ZONE = re.compile(r'("OS-EXT-AZ:availability_zone|"pinned_availability_zone)": "[^"]*"')


@dataclasses.dataclass(frozen=True)
class Asked:
    """A call; ``path`` and the texts in ``body`` have places for names of things: "{server}"."""

    method: str
    path: str
    body: Any = None

    def __str__(self) -> str:
        return f"{self.method} {self.path} {json.dumps(self.body) if self.body else ''}".strip()

    def of(self, names: Mapping[str, str]) -> "Asked":
        """The same call for certain things."""
        path, body = self.path, json.dumps(self.body)
        for name, value in names.items():
            path, body = path.replace(f"{{{name}}}", value), body.replace(f"{{{name}}}", value)
        return Asked(self.method, path, json.loads(body))


def versions(region: Any) -> list[str]:
    """Every microversion that the region offers."""
    newest = region.compute.get_endpoint_data().max_microversion
    return [f"2.{minor}" for minor in range(1, newest[1] + 1)]


def differences(
    pod: Any, region: Any, asked: Asked, *, exact: bool = True, turn: int | None = None
) -> list[str]:
    """What the region answers otherwise than the pod, over all microversions.

    ``exact``: documents are the same but for ids and links; else only of one make. The calls of
    ``SHARE`` successive ``turn``s meet all microversions together, and each the oldest and newest.
    """
    asked_at = versions(region)
    if turn is not None and os.environ.get("SWEEP") != "all":
        first = turn % SHARE
        asked_at = sorted({*asked_at[first::SHARE], asked_at[0], asked_at[-1]})
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as threads:
        found = threads.map(lambda one: _stays(pod, region, asked, one, exact), asked_at)
        return [one for one in found if one]


def _stays(pod: Any, region: Any, asked: Asked, version: str, exact: bool) -> str | None:
    """What differs, and does so again: another test may have changed something in between."""
    return _differs(pod, region, asked, version, exact) and _differs(
        pod, region, asked, version, exact
    )


def _differs(pod: Any, region: Any, asked: Asked, version: str, exact: bool) -> str | None:
    more = {} if asked.body is None else {"json": asked.body}
    theirs, ours = (
        one.compute.request(asked.path, asked.method, microversion=version, raise_exc=False, **more)
        for one in (pod, region)
    )
    said = f"{version} {asked}: {theirs.status_code} {ours.status_code}"
    if theirs.status_code != ours.status_code:
        return f"{said} {theirs.text[:200]} {ours.text[:200]}"
    if exact or theirs.status_code >= 400:
        pair = _plain(theirs.text), _plain(ours.text)
        return None if pair[0] == pair[1] else f"{said} {pair[0]} {pair[1]}"
    # A pod may have no migrations, say, and the region some: only its keys count then.
    alike = _is_like(_shape(theirs.json()), _shape(ours.json()))
    return None if alike else f"{said} {theirs.text[:300]} {ours.text[:300]}"


def _plain(text: str) -> Any:
    """A document with ids, links and zones set equal."""
    return json.loads(_ZONE.sub(r'\1": "ZONE"', _ROOT.sub("ROOT", _ID.sub("ID", _spaced(text)))))


def _spaced(text: str) -> str:
    """JSON in the one spelling; what is none as a text in JSON."""
    try:
        return json.dumps(json.loads(text))
    except ValueError:
        return json.dumps(text)


def _shape(value: Any) -> Any:
    """What a document is made of, whatever it says."""
    if isinstance(value, dict):
        return {name: _shape(item) for name, item in value.items()}
    if isinstance(value, list):
        return {json.dumps(_shape(item), sort_keys=True, default=sorted) for item in value}
    return type(value).__name__


def _is_like(theirs: Any, ours: Any) -> bool:
    """Whether a region's document is made as a pod's; its lists may hold more kinds of things."""
    if isinstance(theirs, dict) and isinstance(ours, dict):
        links = {name for name in ours.keys() ^ theirs.keys() if name.endswith("_links")}
        names = (ours.keys() | theirs.keys()) - links
        return all(
            name in ours and name in theirs and _is_like(theirs[name], ours[name]) for name in names
        )
    return bool(theirs <= ours if isinstance(theirs, set) else theirs == ours)
