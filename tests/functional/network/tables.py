# SPDX-License-Identifier: Apache-2.0
"""Central Neutron's tables, as they are before anybody has asked it for anything."""

import re
from typing import Any

import sqlalchemy as sa
from neutron.objects.securitygroup_default_rules import SecurityGroupDefaultRule
from neutron_lib.db import model_base

from tricircle.network.central import central_neutron

RULES = (
    {"direction": "egress", "used_in_default_sg": True, "used_in_non_default_sg": True},
    {
        "direction": "ingress",
        "remote_group_id": "PARENT",
        "used_in_default_sg": True,
        "used_in_non_default_sg": False,
    },
)
_WRITES = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM) \"?(\w+)")


class Tables:
    """Knows what was in them at first, and which were written since by anybody in this process."""

    def __init__(self, engine: sa.Engine) -> None:
        self._engine = engine
        # What a new group has: rows Neutron's migrations make.
        for rule in RULES:
            for ethertype in ("IPv4", "IPv6"):
                SecurityGroupDefaultRule(
                    central_neutron.admin(), ethertype=ethertype, **rule
                ).create()
        # Those that others refer to come first.
        self._tables = model_base.BASEV2.metadata.sorted_tables
        with engine.begin() as tx:
            self._first = {
                table.name: [dict(row) for row in tx.execute(sa.select(table)).mappings()]
                for table in self._tables
            }
        self._written: set[str] = set()
        sa.event.listen(sa.Engine, "before_cursor_execute", self._note)

    def _note(self, _: Any, __: Any, statement: str, *more: Any) -> None:
        if found := _WRITES.match(statement):
            self._written.add(found[1])

    def restore(self) -> None:
        """Undo everything: what was written is as it was at first."""
        written: list[sa.Table] = []
        for table in self._tables:
            # What refers to a row goes with it.
            parents = {key.column.table for key in table.foreign_keys}
            gone = self._first[table.name] and not parents.isdisjoint(written)
            if gone or table.name in self._written:
                written.append(table)
        with self._engine.begin() as tx:
            for table in reversed(written):
                tx.execute(table.delete())
            for table in written:
                if rows := self._first[table.name]:
                    tx.execute(table.insert(), rows)
        self._written.clear()
