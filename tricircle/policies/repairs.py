# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ALL_PROJECTS, READER, rule

_READS = (("GET", "/repairs"),)

RULES = [
    rule("repairs:get", READER, "What of one's project was put right in pods.", *_READS),
    rule("repairs:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
]
