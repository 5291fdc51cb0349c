# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, ALL_PROJECTS, READER, rule

_READS = (("GET", "/bindings"), ("GET", "/bindings/{binding_id}"))

RULES = [
    rule("bindings:create", ADMIN, "Bind a project to a pod.", ("POST", "/bindings")),
    rule("bindings:get", READER, "List and show which pods one's project uses.", *_READS),
    rule("bindings:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
    rule(
        "bindings:delete",
        ADMIN,
        "Unbind a project from a pod.",
        ("DELETE", "/bindings/{binding_id}"),
    ),
]
