# SPDX-License-Identifier: Apache-2.0
"""The two kinds of people the Admin API knows, and the form of a rule."""

from oslo_policy import policy

ROOT = "/tricircle/v1.0"
ADMIN = "rule:tricircle_admin"
READER = "rule:tricircle_reader"
ALL_PROJECTS = "rule:tricircle_all_projects"

BASE_RULES = [
    policy.RuleDefault(
        "tricircle_admin",
        "role:admin",
        "Who runs the cloud: an admin, of the system or of any project.",
    ),
    policy.RuleDefault(
        "tricircle_reader",
        "role:reader or rule:tricircle_admin",
        "Who may look at what is not about other projects.",
    ),
    policy.RuleDefault(
        "tricircle_all_projects",
        "rule:tricircle_admin or (role:reader and system_scope:all)",
        "Who may look at what is about other projects.",
    ),
]


def rule(
    name: str, check: str, description: str, *operations: tuple[str, str]
) -> policy.DocumentedRuleDefault:
    """A rule with its documentation; ``operations`` are (method, path below the API's root)."""
    return policy.DocumentedRuleDefault(
        name=f"tricircle:{name}",
        check_str=check,
        description=description,
        operations=[{"method": method, "path": ROOT + path} for method, path in operations],
        scope_types=["system", "project"],
    )
