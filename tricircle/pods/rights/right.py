# SPDX-License-Identifier: Apache-2.0
"""What a right is: the calls that may be made as the service user, and who proved it."""

import dataclasses
import enum
import functools
import re
from collections.abc import Mapping
from typing import Any


class Proof(enum.Enum):
    """Who says that a call may be made with the service user's authority."""

    CALLER = "A service answered the caller's own token for this very act, or let it be done."
    POLICY = "A rule of Tricircle's own policy was held against the caller."
    ROW = "A row of ours, written when the right had been proven."
    CENTRAL_NEUTRON = "Central Neutron's policy, in the transaction that wrote the row."
    OPERATOR = "Whoever runs the cloud: by registering the pod, or by what they set up in it."
    NOBODY = "Nobody needs to: it only looks, and no caller is told what was seen."


class NoRight(RuntimeError):
    """A call as the service user that the right named for it does not stand for: our own error."""


@dataclasses.dataclass(frozen=True, slots=True)
class Right:
    """One row of the table: what may be asked of which service, who proved that, and how.

    ``calls`` are "METHOD /path": the path is below the pod's endpoint (and project), ``{}`` stands
    for one part of it and ``**`` for all that follows. A third word is the only key the body may
    have, for paths that mean many things ("POST /volumes/{}/action os-set_bootable").
    ``asked`` are the requests of users that lead to such a call at once; what is done later,
    from a row of ours, has none.
    """

    name: str
    service: str
    calls: tuple[str, ...]
    proof: Proof
    how: str
    asked: tuple[str, ...] = ()

    def check(self, method: str, path: str, body: Any = None) -> None:
        """Raises NoRight unless the right stands for a call. A query says nothing here."""
        if not self.stands_for(method, path, body):
            plain = path.partition("?")[0]
            raise NoRight(
                f"The right {self.name} ({self.service}) does not stand for {method} {plain}: see "
                "tricircle/pods/rights/."
            )

    def stands_for(self, method: str, path: str, body: Any = None) -> bool:
        """Whether it does."""
        plain = path.partition("?")[0]
        # Whoever resolves these on the way asks for something else.
        straight = not {".", ".."} & set(plain.split("/"))
        return straight and any(_fits(call, method, plain, body) for call in self.calls)


def _fits(call: str, method: str, path: str, body: Any) -> bool:
    wanted, pattern, act = _read(call)
    if wanted != method or pattern.fullmatch(path) is None:
        return False
    return act is None or (isinstance(body, Mapping) and list(body) == [act])


@functools.cache
def _read(call: str) -> tuple[str, re.Pattern[str], str | None]:
    method, path, *act = call.split(" ")
    pattern = re.escape(path).replace(r"\{\}", "[^/]+").replace(r"\*\*", ".*")
    return method, re.compile(pattern), act[0] if act else None
