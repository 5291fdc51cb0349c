# SPDX-License-Identifier: Apache-2.0
"""Queries on rules: which pods projects and domains may use. All block; each is its own
transaction.
"""

from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from tricircle.db import models, pages, session
from tricircle.db.errors import Duplicate, NotFound
from tricircle.db.models import Rule
from tricircle.db.transaction import may_be_done, retried, retried_if_overtaken

ALLOW, FORBID, DEFAULT = "allow", "forbid", "default"
EFFECTS = (ALLOW, FORBID, DEFAULT)


def page(
    filters: Mapping[str, str] | None = None, limit: int | None = None, marker: str | None = None
) -> list[Rule]:
    """Rules by id; ``filters`` on name, effect, project_id, domain_id. Raises UnknownMarker."""
    return pages.page(Rule, Rule.id, filters, limit, marker)


def get(rule_id: str) -> Rule | None:
    with session.read() as tx:
        return tx.get(Rule, rule_id)


def concerning(project_id: str, domain_id: str) -> list[Rule]:
    """The rules for a project: its own, those of its domain, and those for everybody; by name."""
    everybody = sa.and_(Rule.project_id.is_(None), Rule.domain_id.is_(None))
    query = sa.select(Rule).where(
        sa.or_(Rule.project_id == project_id, Rule.domain_id == domain_id, everybody)
    )
    with session.read() as tx:
        return list(tx.scalars(query.order_by(Rule.name)))


def create(values: Mapping[str, Any]) -> Rule:
    """Insert a rule; ``values`` are columns. Raises Duplicate when there is one of that name."""
    return _create(models.new_id(), values)


@retried_if_overtaken
def _create(rule_id: str, values: Mapping[str, Any]) -> Rule:
    with session.write() as tx:
        made = tx.get(Rule, rule_id)
        if made is not None:  # by an earlier try whose answer was lost
            return made
        if tx.scalar(sa.select(Rule.id).where(Rule.name == values["name"])):
            raise Duplicate(values["name"])
        rule = Rule(id=rule_id, **values)
        tx.add(rule)
        tx.flush()
        return rule


@retried
def delete(rule_id: str) -> None:
    """Raises NotFound."""
    with session.write() as tx:
        rule = tx.get(Rule, rule_id)
        if rule is None:
            if may_be_done():
                return
            raise NotFound(rule_id)
        tx.delete(rule)
