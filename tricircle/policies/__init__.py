# SPDX-License-Identifier: Apache-2.0
"""Who may do what no pod can judge (oslo.policy). The default rules stand in code; an operator
overrides them in ``policy.yaml``.
"""

import threading
from collections.abc import Mapping
from typing import Any

from oslo_policy import opts, policy

from tricircle.conf import CONF
from tricircle.policies import (
    backups,
    base,
    bindings,
    images,
    jobs,
    moves,
    placements,
    pods,
    repairs,
    routings,
    rules,
    usages,
)

opts.set_defaults(CONF)


class Forbidden(Exception):
    """The rule that says no; its text is for the user."""


def list_rules() -> list[policy.RuleDefault]:
    """Every rule, as oslopolicy-sample-generator wants them."""
    resources = (pods, usages, bindings, routings, placements, moves, backups, jobs, repairs,
                 rules, images)  # fmt: skip
    return [*base.BASE_RULES, *(rule for module in resources for rule in module.RULES)]


class Policies:
    """The rules in force; made once a process. Blocks: it looks whether ``policy.yaml`` changed."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._enforcer: policy.Enforcer | None = None

    def allows(
        self, rule: str, credentials: Mapping[str, Any], target: Mapping[str, Any] | None = None
    ) -> bool:
        """Whether ``rule`` lets the bearer of ``credentials`` do it to ``target``.

        A token of the wrong scope is as one without the role.
        """
        # Enforcer reads the file again when it has changed, and does not expect company then.
        with self._lock:
            if self._enforcer is None:
                self._enforcer = policy.Enforcer(CONF)
                self._enforcer.suppress_deprecation_warnings = True
                self._enforcer.register_defaults(list_rules())
            try:
                return bool(self._enforcer.authorize(rule, dict(target or {}), dict(credentials)))
            except policy.InvalidScope:
                return False

    def check(
        self, rule: str, credentials: Mapping[str, Any], target: Mapping[str, Any] | None = None
    ) -> None:
        """As ``allows``; raises Forbidden if it does not."""
        if not self.allows(rule, credentials, target):
            raise Forbidden(f"Policy doesn't allow {rule} to be performed.")
