# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ALL_PROJECTS, READER, rule

_READS = (("GET", "/routings"), ("GET", "/routings/{resource_id}"))

RULES = [
    rule("routings:get", READER, "Where resources of one's project live.", *_READS),
    rule("routings:get_all_projects", ALL_PROJECTS, "The same of every project.", *_READS),
]
