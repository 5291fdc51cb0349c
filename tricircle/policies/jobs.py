# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, ALL_PROJECTS, READER, rule

_READS = (("GET", "/jobs"), ("GET", "/jobs/{job_id}"))

RULES = [
    rule("jobs:get", READER, "What pods do not have yet of one's project, and why.", *_READS),
    rule("jobs:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
    rule("jobs:retry", ADMIN, "Let a job be tried at once.", ("PUT", "/jobs/{job_id}")),
]
