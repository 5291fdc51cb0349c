# SPDX-License-Identifier: Apache-2.0
from tricircle.policies.base import ADMIN, ALL_PROJECTS, READER, rule

_READS = (("GET", "/pods"), ("GET", "/pods/{pod_id}"))

RULES = [
    rule("pods:create", ADMIN, "Register a pod.", ("POST", "/pods")),
    rule(
        "pods:get",
        READER,
        "List and show pods: their names, zones and states, and whether they are up.",
        *_READS,
    ),
    rule(
        "pods:get_details",
        ALL_PROJECTS,
        "See in these where pods are, the versions they offer, and what is wrong with them; what "
        "they hold, and what became of them.",
        *_READS,
        ("GET", "/usages"),
        ("GET", "/pods/{pod_id}/changes"),
        ("GET", "/pods/{pod_id}/projects"),
        ("GET", "/pods/{pod_id}/adoptions"),
        ("GET", "/pods/{pod_id}/adoptions/{adoption_id}"),
    ),
    rule(
        "pods:update",
        ADMIN,
        "Change a pod's zone or state, how it is entered, and which projects there stand for ours.",
        ("PATCH", "/pods/{pod_id}"),
        ("PUT", "/pods/{pod_id}/projects/{project_id}"),
        ("PUT", "/pods/{pod_id}/credentials/{project_id}"),
        ("DELETE", "/pods/{pod_id}/credentials/{project_id}"),
    ),
    rule(
        "pods:adopt",
        ADMIN,
        "Have what a project had in a pod before become the region's, or the pod's own again.",
        ("POST", "/pods/{pod_id}/adoptions"),
    ),
    rule("pods:delete", ADMIN, "Forget a pod.", ("DELETE", "/pods/{pod_id}")),
]
