# SPDX-License-Identifier: Apache-2.0
"""Query parameters that say whose a call is: from which microversion, and which of several."""

import re
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from multidict import MultiDict

import tricircle
from tricircle.gateway import parameters
from tricircle.gateway.parameters import Parameter

GATEWAY = Path(tricircle.__file__).parent / "gateway"


def call(*values: str, version: tuple[int, int] | None = (2, 10)) -> Any:
    return SimpleNamespace(version=version, query=MultiDict([("user_id", one) for one in values]))


@pytest.mark.parametrize(
    ("parameter", "told", "heeded"),
    [
        (Parameter("user_id"), call(), None),
        (Parameter("user_id"), call("a", version=None), "a"),
        (Parameter("user_id", since=(2, 10)), call("a"), "a"),
        (Parameter("user_id", since=(2, 10)), call("a", version=(2, 9)), None),
        (Parameter("user_id", since=(2, 10)), call("a", version=None), None),
        (Parameter("user_id"), call("a", "b"), "a"),
        (Parameter("user_id", last=True), call("a", "b"), "b"),
    ],
)
def test_what_is_heeded(parameter: Parameter, told: Any, heeded: str | None) -> None:
    assert parameter.of(told) == heeded


def test_nobody_reads_them_otherwise() -> None:
    """A handler that reads whose a call is by itself forgets the microversion."""
    known = {one.name for one in vars(parameters).values() if isinstance(one, Parameter)}
    assert {"user_id", "tenant_id", "project_id", "vol_type_id"} <= known
    read = re.compile(rf"query(\.get(all|one)?\(|\[)\s*\"({'|'.join(known)})\"")
    for service in ("compute", "volume"):
        for path in (GATEWAY / service).rglob("*.py"):
            assert not read.search(path.read_text()), path
