# SPDX-License-Identifier: Apache-2.0
"""The table of rights is whole, used, and held against every call as the service user."""

import ast
import functools
import re
from pathlib import Path
from typing import Any

import pytest

import tricircle
from tricircle.gateway.compute.routes import ROUTES as COMPUTE
from tricircle.gateway.http.routing import Way
from tricircle.gateway.upstream import mirror
from tricircle.gateway.volume.routes import ROUTES as VOLUME
from tricircle.pods import rights
from tricircle.pods.definitions import KINDS
from tricircle.pods.rights import NoRight, Proof, Right

ROOT = Path(tricircle.__file__).parent
TABLE = ROOT / "pods" / "rights"
IDENTITY = ROOT / "pods" / "identity.py"
#: Accounts in pods with a Keystone of their own; ``identity.py`` alone uses ours there.
ACCESS = ROOT / "pods" / "access"

#: {what gives the service user's authority: where among its arguments the right is}
_GIVES = {"adapter": 1, "within": 2, "central_network": 0, "as_service_user": 0, "ask_keystone": 0,
          "service": 1}  # fmt: skip


@functools.cache
def _trees() -> list[tuple[Path, ast.Module]]:
    paths = (path for path in sorted(ROOT.rglob("*.py")) if not path.is_relative_to(TABLE))
    return [(path, ast.parse(path.read_text(), str(path))) for path in paths]


def _names() -> dict[str, Right]:
    return {name: value for name, value in vars(rights).items() if isinstance(value, Right)}


def test_each_row_has_a_name_of_its_own_and_says_who_proved_it_and_how() -> None:
    for name, right in _names().items():
        assert right.name == name.lower()
        assert isinstance(right.proof, Proof)
        assert right.how.endswith("."), name
        assert len(right.how.split()) > 5, name
        assert right.calls, name
    assert len({right.name for right in rights.ALL}) == len(rights.ALL)


def test_a_row_that_nobody_need_prove_only_looks() -> None:
    for right in rights.ALL:
        if right.proof is Proof.NOBODY:
            assert all(call.startswith(("GET ", "HEAD ")) for call in right.calls), right.name


def test_every_row_is_used() -> None:
    used = {
        node.attr
        for _, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "rights"
    }
    assert _names().keys() - used == set()
    assert {kind.right for kind in KINDS.values()} <= set(rights.ALL)


def test_every_change_of_a_definition_is_told_of() -> None:
    """A request that leads to the service user at once is in ``asked``."""
    mirrored = {
        f"{route.method} {re.sub('{[^}]*}', '{}', route.path)}"
        for route in (*COMPUTE, *VOLUME)
        if route.way is Way.MIRRORED and route.handler is not mirror.read
    }
    asked = {one for kind in KINDS.values() for one in kind.right.asked}
    assert asked == mirrored


def test_whoever_uses_the_service_user_names_a_row() -> None:
    """What is given as a right is a row of the table, or what the caller was given as one."""
    for path, tree in _trees():
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or (place := _place(node)) is None:
                continue
            where = f"{path.relative_to(ROOT)}:{node.lineno}"
            given = {part.attr for part in ast.walk(node.args[place]) if _is_row(part)}
            passed_on = {part.id for part in ast.walk(node.args[place]) if _is_name(part)}
            assert given or passed_on & {"right", "by"} or "how" in passed_on, where
            assert given <= _names().keys() | {"right"}, where


def _place(call: ast.Call) -> int | None:
    function = call.func
    if isinstance(function, ast.Name):
        return _GIVES.get(function.id) if function.id == "service" else None
    if not isinstance(function, ast.Attribute):
        return None
    if function.attr != "as_service_user" and "identity" not in ast.dump(function.value):
        return None
    return {**_GIVES, "token": 0}.get(function.attr)


def _is_row(part: ast.AST) -> bool:
    return isinstance(part, ast.Attribute) and getattr(part.value, "id", "") in ("rights", "how")


def _is_name(part: ast.AST) -> bool:
    return isinstance(part, ast.Name)


def test_there_is_no_other_way_to_the_service_user() -> None:
    """Nobody makes a session or takes a token but ``ServiceIdentity``, which holds the rights."""
    for path, tree in _trees():
        if path == IDENTITY or path.is_relative_to(ACCESS):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute):
                assert node.attr not in ("_session", "_token", "get_token", "_keystone") or (
                    isinstance(node.value, ast.Name) and node.value.id == "self"
                ), f"{path}:{node.lineno}"
            if isinstance(node, ast.ImportFrom) and node.module:
                if [name.name for name in node.names] == ["TCPKeepAliveAdapter"]:
                    continue  # no session, and none to be had from it
                assert not node.module.startswith(("keystoneauth1.session", "keystoneauth1.iden"))


def test_our_own_account_in_a_pod_is_had_by_a_right_only() -> None:
    """``ServiceIdentity`` alone, which wants a right, asks for ``Access.service``."""
    for path, tree in _trees():
        for node in ast.walk(tree):
            called = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)
            if called and node.func.attr == "service" and not (node.args or node.keywords):
                assert path == IDENTITY or path.is_relative_to(ACCESS), f"{path}:{node.lineno}"


def test_tokens_are_shown_in_one_place() -> None:
    """So that none of ours is shown to a pod that has a Keystone of its own."""
    shown = {
        path.relative_to(ROOT).as_posix()
        for path, tree in _trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript)
        and isinstance(target.slice, ast.Constant)
        and target.slice.value == "X-Auth-Token"
    }
    assert shown == {"gateway/transport/client.py"}


RIGHT = Right(
    "some",
    "volume",
    ("GET /volumes/{}", "POST /volumes/{}/action os-set_bootable", "DELETE /things/**"),
    Proof.ROW,
    "Because.",
)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/volumes/1", None),
        ("GET", "/volumes/1?all_tenants=1", None),
        ("POST", "/volumes/1/action", {"os-set_bootable": {"bootable": True}}),
        ("DELETE", "/things/1/2", None),
    ],
)
def test_what_the_right_stands_for(method: str, path: str, body: Any) -> None:
    RIGHT.check(method, path, body)


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("DELETE", "/volumes/1", None),
        ("GET", "/volumes", None),
        ("GET", "/volumes/1/action", None),
        ("GET", "/volumes/..", None),
        ("GET", "/p/volumes/1", None),
        ("DELETE", "/things/../volumes/1", None),
        ("POST", "/volumes/1/action", {"os-reset_status": {}}),
        ("POST", "/volumes/1/action", {"os-set_bootable": {}, "os-reset_status": {}}),
        ("POST", "/volumes/1/action", b'{"os-set_bootable": {}}'),
        ("POST", "/volumes/1/action", None),
    ],
)
def test_what_it_does_not_stand_for(method: str, path: str, body: Any) -> None:
    with pytest.raises(NoRight, match="some"):
        RIGHT.check(method, path, body)
