# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ALL_PROJECTS, READER, rule

_READS = (("GET", "/servers/{server_id}/placement"),)

RULES = [
    rule("placements:get", READER, "Why a server of one's project is in its pod.", *_READS),
    rule("placements:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
]
