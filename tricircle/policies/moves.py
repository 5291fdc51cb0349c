# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, ALL_PROJECTS, READER, rule

_READS = (("GET", "/volumes/{volume_id}/move"),)

RULES = [
    rule("moves:get", READER, "How far a volume of one's project is on its way.", *_READS),
    rule("moves:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
    rule(
        "moves:create",
        ADMIN,
        'Move a volume one can see to another pod. "role:member" lets owners move theirs.',
        ("POST", "/volumes/{volume_id}/move"),
    ),
    rule("moves:delete", ADMIN, "Call a move off.", ("DELETE", "/volumes/{volume_id}/move")),
]
