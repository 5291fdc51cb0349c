# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, ALL_PROJECTS, READER, rule

_READS = (("GET", "/rules"), ("GET", "/rules/{rule_id}"))

RULES = [
    rule("rules:create", ADMIN, "Say which pods projects may use.", ("POST", "/rules")),
    rule("rules:get_all_projects", ALL_PROJECTS, "List and show rules.", *_READS),
    rule(
        "rules:get",
        READER,
        "See in a list of pods which of them one's project may use, and by which rules not.",
        ("GET", "/pods"),
    ),
    rule("rules:delete", ADMIN, "Take a rule away.", ("DELETE", "/rules/{rule_id}")),
]
