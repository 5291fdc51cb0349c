# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, ALL_PROJECTS, rule

RULES = [
    rule(
        "images:get_all_projects",
        ALL_PROJECTS,
        "List which images are in which pods with a Glance of their own.",
        ("GET", "/images"),
    ),
    rule(
        "images:create",
        ADMIN,
        "Have an image copied to a pod with a Glance of its own before anybody uses it there.",
        ("POST", "/images"),
    ),
]
