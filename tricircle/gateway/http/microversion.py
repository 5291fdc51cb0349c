# SPDX-License-Identifier: Apache-2.0
"""Which microversion a request is served at, and how answers tell it."""

import dataclasses
import functools
import re

import microversion_parse
from multidict import CIMultiDict

from tricircle.gateway.http.errors import Fault
from tricircle.pods.versions import Range, Version, show

HEADER = "OpenStack-API-Version"
LATEST = "latest"
_NUMBER = re.compile(r"([1-9][0-9]{0,2})\.([1-9][0-9]{0,2}|0)")
_LONGEST_QUOTE = 40


@dataclasses.dataclass(frozen=True, slots=True)
class Scheme:
    """How one service does microversions. ``legacy`` is its older header, if it has one."""

    service: str
    minimum: Version
    legacy: str | None = None

    @property
    def header_names(self) -> tuple[str, ...]:
        return (HEADER, self.legacy) if self.legacy else (HEADER,)


COMPUTE = Scheme("compute", (2, 1), "X-OpenStack-Nova-API-Version")
VOLUME = Scheme("volume", (3, 0))
PLACEMENT = Scheme("placement", (1, 0))


class UnknownVersion(Fault):
    """406. ``version`` is what was asked for."""

    def __init__(self, version: Version, offered: Range) -> None:
        super().__init__(
            406,
            f"Version {show(version)} is not supported by the API. Minimum is "
            f"{show(offered.minimum)} and maximum is {show(offered.maximum)}.",
        )
        self.version = version


@functools.lru_cache(maxsize=128)
def parse(text: str) -> Version:
    """``"2.30"`` as ``(2, 30)``. Raises Fault 400."""
    if found := _NUMBER.fullmatch(text):
        return int(found[1]), int(found[2])
    told = text if len(text) <= _LONGEST_QUOTE else f"{text[:_LONGEST_QUOTE]}..."
    raise Fault(
        400,
        f"API Version String {told} is of invalid format. Must be of format MajorNum.MinorNum.",
    )


def only_minimum(scheme: Scheme) -> Range:
    """What is offered while no pod has told its versions."""
    return Range(scheme.minimum, scheme.minimum)


def negotiate(scheme: Scheme, headers: CIMultiDict[str], offered: Range) -> Version:
    """The version to serve a request at.

    The modern header wins over the legacy one; without an entry for this service it is the
    minimum; ``latest`` is the newest offered. Raises Fault 400 when malformed, UnknownVersion
    (406) when not offered.
    """
    wanted = _wanted(scheme, *(_folded(headers, name) for name in scheme.header_names))
    if wanted is None:
        return offered.minimum
    if wanted in (LATEST, f"{scheme.minimum[0]}.{LATEST}"):
        return offered.maximum
    version = parse(wanted)
    if version not in offered:
        raise UnknownVersion(version, offered)
    return version


@functools.lru_cache(maxsize=128)
def _wanted(scheme: Scheme, *told: str | None) -> str | None:
    """The version asked for by the values of ``scheme.header_names``."""
    named = zip(scheme.header_names, told, strict=True)
    folded = {name.lower(): value for name, value in named if value is not None}
    for entry in folded.get(HEADER.lower(), "").split(","):
        # An entry is "<service> <version>": one word alone names no service to be ignored for.
        if entry.strip() and len(entry.split()) == 1:
            parse(f"'{entry.strip()}'")
    legacy = [scheme.legacy] if scheme.legacy else None
    wanted: str | None = microversion_parse.get_version(folded, scheme.service, legacy)
    return wanted


def _folded(headers: CIMultiDict[str], name: str) -> str | None:
    values = headers.getall(name, ())
    return ",".join([value.strip() for value in values]) if values else None


def tell(scheme: Scheme, version: Version, headers: CIMultiDict[str]) -> None:
    """Write the version served into an answer's headers, and what it varies by."""
    headers[HEADER] = f"{scheme.service} {show(version)}"
    if scheme.legacy:
        headers[scheme.legacy] = show(version)
    for name in scheme.header_names:
        headers.add("Vary", name)
