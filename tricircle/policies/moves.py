# SPDX-License-Identifier: Apache-2.0
from oslo_policy import policy

from tricircle.policies.base import ADMIN, ALL_PROJECTS, READER, rule

_READS = (("GET", "/volumes/{volume_id}/move"), ("GET", "/moves"))

RULES = [
    rule("moves:get", READER, "How far a volume of one's project is on its way.", *_READS),
    rule("moves:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
    rule(
        "moves:create",
        ADMIN,
        'Move a volume one can see to another pod. "role:member" lets owners move theirs.',
        ("POST", "/volumes/{volume_id}/move"),
    ),
    policy.DocumentedRuleDefault(
        name="tricircle:moves:follow",
        check_str="role:member or rule:tricircle_admin",
        description="Have a volume of one's project that nothing was ever written to follow the "
        "server it is attached to, or made with, into the server's pod. "
        "One that holds something follows whom moves:create lets move it.",
        operations=[
            {"method": "POST", "path": "/v2.1/servers"},
            {"method": "POST", "path": "/v2.1/servers/{server_id}/os-volume_attachments"},
            {"method": "PUT", "path": "/v2.1/servers/{server_id}/os-volume_attachments/{id}"},
            {"method": "POST", "path": "/v3/attachments"},
        ],
        scope_types=["system", "project"],
    ),
    rule("moves:delete", ADMIN, "Call a move off.", ("DELETE", "/volumes/{volume_id}/move")),
]
