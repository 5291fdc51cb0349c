# SPDX-License-Identifier: Apache-2.0
"""Who may use these extensions: rules that Neutron's policy files may change."""

from oslo_policy import policy

_RULES = (
    policy.DocumentedRuleDefault(
        name="get_server_address",
        # What is read is what the caller's own rights on ports let them see.
        check_str="",
        scope_types=["project"],
        description="Get what documents of servers show of their ports",
        operations=[{"method": "GET", "path": "/server-addresses"}],
    ),
)


def list_rules() -> tuple[policy.DocumentedRuleDefault, ...]:
    return _RULES
