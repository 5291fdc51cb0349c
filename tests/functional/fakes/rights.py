# SPDX-License-Identifier: Apache-2.0
"""Who may do what from which microversion on: as Nova and Cinder have it by default.

The table, rights.json, is what the installed services say of themselves (tests/installed.py
writes it, a test compares). They judge in this order: is there such a row at this microversion
(404), is there such a thing for whom asks (404), does the policy allow it (403).
"""

import dataclasses
import json
import pathlib
import re
from typing import Any

from tests.functional.fakes.http import Exchange, Refusal

_ACTION = re.compile(r"(.*) \((.*)\)$")
# What lives in a project: it is looked up before the policy is asked about it.
_OWNED = re.compile(
    r"/(servers|os-volumes_boot|os-server-groups|volumes|snapshots|backups|volume-transfers"
    r"|os-volume-transfer|attachments|groups|group_snapshots|consistencygroups|cgsnapshots"
    r"|messages)/{"
)


@dataclasses.dataclass(frozen=True)
class Right:
    """Who may do what a row says, from microversion ``first`` to ``last``.

    ``role`` is the least that is enough, None where no policy is asked; ``scopes`` None is all.
    """

    first: tuple[int, int] | None
    last: tuple[int, int] | None
    role: str | None
    scopes: tuple[str, ...] | None
    owned: bool

    def there(self, version: tuple[int, int]) -> bool:
        return (self.first or version) <= version <= (self.last or version)

    def judge(self, exchange: Exchange, owner: str | None = None) -> None:
        """Refuse with 403 whom the policy does not let do it with a thing of the project ``owner``.

        As oslo.policy compares them, no project equals no project.
        """
        token, role = exchange.token, self.role
        exchange.judged = True
        if role is None:
            return
        scope = token.scope or "project"
        ours = token.project_id == (token.project_id if owner is None else owner)
        allowed = token.is_admin or role in ("anyone", "oneself")
        allowed = allowed or (role in token.roles and (ours or role == "service"))
        if not allowed or (self.scopes is not None and scope not in self.scopes):
            what = f"{exchange.http.method} {exchange.path}"
            raise Refusal(403, f"Policy doesn't allow {what} to be performed.")


@dataclasses.dataclass
class _Row:
    method: str
    path: re.Pattern[str]
    plain: str
    rights: dict[str | None, Right]


class Rights:
    """The rights of one service, "compute" or "volume"."""

    def __init__(self, service: str) -> None:
        told = json.loads(pathlib.Path(__file__).with_name("rights.json").read_text())[service]
        rows: dict[str, _Row] = {}
        for name, (first, last, role, scopes) in told.items():
            action = _ACTION.match(name)
            row = action[1] if action else name
            method, path = row.split(" ")
            regex = re.compile(re.sub(r"{\w+}", "[^/]+", path) + "/?$")
            right = Right(_pair(first), _pair(last), role, scopes, bool(_OWNED.match(path)))
            rows.setdefault(row, _Row(method, regex, path, {})).rights[
                action[2] if action else None
            ] = right
        # A row that names more of its path is looked at first.
        self._rows = sorted(rows.values(), key=lambda row: row.plain.count("{"))

    def admit(self, exchange: Exchange, checks_first: bool) -> None:
        """Refuse with 404 what is not there at the microversion, then with 403 by the policy."""
        right = self.of(exchange)
        if right is None:
            return
        if not right.there(exchange.version):
            raise Refusal(404, "The resource could not be found.")
        exchange.right = right
        if not (right.owned or checks_first):
            right.judge(exchange)

    def of(self, exchange: Exchange) -> Right | None:
        for row in self._rows:
            if row.method == exchange.http.method and row.path.match(exchange.path):
                if None in row.rights:
                    return row.rights[None]
                return row.rights.get(_action(exchange.raw))
        return None


def _pair(version: list[int] | None) -> tuple[int, int] | None:
    return (version[0], version[1]) if version else None


def _action(raw: bytes) -> str | None:
    """The name of the action a body asks for."""
    try:
        body: Any = json.loads(raw)
    except ValueError:
        return None
    return next(iter(body), None) if isinstance(body, dict) else None


def admin_only(exchange: Exchange) -> None:
    """Ask the policy of the row, or of a part of it that is for administrators only."""
    if exchange.right is not None and not exchange.judged:
        exchange.right.judge(exchange)
    elif not exchange.token.is_admin:
        raise Refusal(403, f"Policy doesn't allow {exchange.path} to be performed.")


def found(exchange: Exchange, owner: str) -> None:
    """The thing the path names was found: the policy is asked about it now."""
    if exchange.right is not None and exchange.right.owned and not exchange.judged:
        exchange.right.judge(exchange, owner)


def visible(exchange: Exchange, owner: str) -> bool:
    """Whether a database shows the caller what is ``owner``'s: to no project it hides nothing."""
    return exchange.token.is_admin or exchange.token.project_id in ("", owner)
