# SPDX-License-Identifier: Apache-2.0
"""Microversion headers: what is taken, what is refused, what answers say."""

import pytest
from multidict import CIMultiDict

from tricircle.gateway.http.errors import Fault
from tricircle.gateway.http.microversion import COMPUTE, VOLUME, negotiate, tell
from tricircle.pods.versions import Range

OFFERED = Range((2, 1), (2, 96))
MODERN, LEGACY = "OpenStack-API-Version", "X-OpenStack-Nova-API-Version"


@pytest.mark.parametrize(
    ("headers", "version"),
    [
        ([(MODERN, "compute 2.30")], (2, 30)),
        ([(LEGACY, "2.5")], (2, 5)),
        ([(MODERN, "compute 2.30"), (LEGACY, "2.5")], (2, 30)),
        ([(MODERN, "compute 2.latest")], (2, 96)),
        ([(MODERN, "compute latest")], (2, 96)),
        ([(LEGACY, "latest")], (2, 96)),
        ([], (2, 1)),
        ([(MODERN, "compute 2.96")], (2, 96)),
        ([(MODERN, "compute 2.1")], (2, 1)),
        ([(MODERN, "aa 2.30")], (2, 1)),
        ([(MODERN, "acompute 2.30")], (2, 1)),
        ([(MODERN, "volume 3.50,compute 2.30")], (2, 30)),
        ([(MODERN, "volume 3.50, identity 3.1")], (2, 1)),
        ([(MODERN, "volume 3.50"), (MODERN, "compute 2.30")], (2, 30)),
        ([(MODERN, "volume 3.50"), (LEGACY, "2.5")], (2, 5)),
        ([(MODERN, "Compute 2.30")], (2, 30)),
        ([(MODERN.lower(), "compute 2.30")], (2, 30)),
    ],
)
def test_taken(headers: list[tuple[str, str]], version: tuple[int, int]) -> None:
    assert negotiate(COMPUTE, CIMultiDict(headers), OFFERED) == version


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        (MODERN, "compute a.2", 400),
        (MODERN, "compute 2.a", 400),
        (MODERN, "compute2.30", 400),
        (MODERN, "2.30", 400),
        (MODERN, "compute 2.30 2.31", 400),
        (MODERN, "compute 2", 400),
        (MODERN, "compute 2.05", 400),
        (MODERN, f"compute {'9' * 4400}.1", 400),
        (LEGACY, f"2.{'9' * 5000}", 400),
        (LEGACY, "2.\u0663", 400),
        (MODERN, "compute -2.5", 400),
        (MODERN, "compute 3.2", 406),
        (MODERN, "compute 2.0", 406),
        (MODERN, "compute 2.97", 406),
        (LEGACY, "1.5", 406),
        (LEGACY, "2", 400),
        (LEGACY, "compute 2.5", 400),
    ],
)
def test_refused(name: str, value: str, status: int) -> None:
    with pytest.raises(Fault) as caught:
        negotiate(COMPUTE, CIMultiDict({name: value}), OFFERED)
    assert caught.value.status == status


def test_refusal_names_the_range() -> None:
    with pytest.raises(Fault, match=r"3\.2 .*2\.1 and maximum is 2\.96"):
        negotiate(COMPUTE, CIMultiDict({MODERN: "compute 3.2"}), OFFERED)


def test_a_service_without_a_legacy_header_ignores_it() -> None:
    headers = CIMultiDict({LEGACY: "2.5"})
    assert negotiate(VOLUME, headers, Range((3, 0), (3, 71))) == (3, 0)


def test_answers_tell_the_version_and_vary_by_each_header() -> None:
    headers: CIMultiDict[str] = CIMultiDict()
    tell(COMPUTE, (2, 30), headers)
    assert headers[MODERN] == "compute 2.30"
    assert headers[LEGACY] == "2.30"
    assert headers.getall("Vary") == [MODERN, LEGACY]
