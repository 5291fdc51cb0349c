# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ALL_PROJECTS, READER, rule

_READS = (("GET", "/projects/{project_id}/usages"),)

RULES = [
    rule("usages:get", READER, "What one's project uses of its quotas in which pod.", *_READS),
    rule("usages:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
]
