# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, READER, rule

RULES = [
    rule("pods:create", ADMIN, "Register a pod.", ("POST", "/pods")),
    rule(
        "pods:get",
        READER,
        "List and show pods with their health.",
        ("GET", "/pods"),
        ("GET", "/pods/{pod_id}"),
    ),
    rule("pods:update", ADMIN, "Change a pod's zone or state.", ("PATCH", "/pods/{pod_id}")),
    rule("pods:delete", ADMIN, "Forget a pod.", ("DELETE", "/pods/{pod_id}")),
]
