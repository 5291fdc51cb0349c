# SPDX-License-Identifier: Apache-2.0
"""What the Admin API has, as openstacksdk's resources. Each field is a member of the document."""

from openstack.resource import Body, QueryParameters, Resource

_OF_PODS = ("pod_id", "region_name")
_OF_RESOURCES = (*_OF_PODS, "resource_type", "resource_id", "project_id")


class Pod(Resource):
    """An OpenStack instance behind the region; ``health`` is {"state": "up", "last_error": …}."""

    resource_key = "pod"
    resources_key = "pods"
    base_path = "/pods"
    commit_method = "PATCH"
    allow_create = allow_fetch = allow_commit = allow_delete = allow_list = True
    _query_mapping = QueryParameters(
        "region_name",
        "availability_zone",
        "dc_name",
        "state",
        "health",
        "project_id",
        "domain_id",
    )

    number = Body("number", type=int)
    region_name = Body("region_name")
    availability_zone = Body("availability_zone")
    pod_availability_zone = Body("pod_availability_zone")
    dc_name = Body("dc_name")
    labels = Body("labels", type=dict)
    state = Body("state")
    #: Only sent, beside a state: why it is changed. ``pod_changes`` tells it.
    state_reason = Body("state_reason")
    health = Body("health", type=dict)
    versions = Body("versions", type=dict)
    endpoints = Body("endpoints", type=dict)
    endpoints_given = Body("endpoints_given", type=bool)
    #: How it is entered: {"kind": "shared"}, or what a Keystone of its own needs, without secrets.
    access = Body("access", type=dict)
    #: Of a list with a ``project_id``: what rules say.
    allowed = Body("allowed", type=bool)
    why_not = Body("why_not")
    is_default = Body("is_default", type=bool)
    created_at = Body("created_at")
    updated_at = Body("updated_at")


class PodChange(Resource):
    """Who changed a pod's state, or that probes found a service down or up, and why."""

    resources_key = "changes"
    base_path = "/pods/%(pod_id)s/changes"
    allow_list = True

    what = Body("what")
    before = Body("before")
    after = Body("after")
    changed_by = Body("changed_by")
    reason = Body("reason")
    created_at = Body("created_at")


class PodProject(Resource):
    """``there`` is the project in a pod's own Keystone that stands for one of the region."""

    resources_key = "projects"
    base_path = "/pods/%(pod_id)s/projects"
    allow_list = True

    project_id = Body("project_id", alternate_id=True)
    there = Body("there")
    created_at = Body("created_at")


class Adoption(Resource):
    """What becomes of what a project had in a pod before. ``objects`` are [{"id": …, …}]."""

    resource_key = "adoption"

    pod_id = Body("pod_id")
    region_name = Body("region_name")
    project_id = Body("project_id")
    action = Body("action")
    dry_run = Body("dry_run", type=bool)
    state = Body("state")
    reason = Body("reason")
    objects = Body("objects", type=list)
    created_at = Body("created_at")
    updated_at = Body("updated_at")


class Rule(Resource):
    """Which pods a project, or all of a domain, may use."""

    resource_key = "rule"
    resources_key = "rules"
    base_path = "/rules"
    allow_create = allow_fetch = allow_delete = allow_list = True
    _query_mapping = QueryParameters("name", "effect", "project_id", "domain_id")

    effect = Body("effect")
    project_id = Body("project_id")
    domain_id = Body("domain_id")
    property = Body("property", type=dict)
    pods = Body("pods", type=dict)
    created_at = Body("created_at")


class Usage(Resource):
    """What a pod holds and has room for; ``capacity`` is None where the pod does not tell."""

    resources_key = "usages"
    base_path = "/usages"
    allow_list = True
    _query_mapping = QueryParameters("region_name", "availability_zone", "dc_name")

    pod_id = Body("pod_id", alternate_id=True)
    region_name = Body("region_name")
    availability_zone = Body("availability_zone")
    resources = Body("resources", type=dict)
    jobs = Body("jobs", type=dict)
    capacity = Body("capacity", type=dict)
    capacity_error = Body("capacity_error")


class ProjectUsage(Resource):
    """What a project uses of its quotas in a pod; ``pod_id`` None: in none yet."""

    resources_key = "usages"
    base_path = "/projects/%(project_id)s/usages"
    allow_list = True

    pod_id = Body("pod_id", alternate_id=True)
    region_name = Body("region_name")
    resources = Body("resources", type=dict)


class Binding(Resource):
    """A project uses a pod."""

    resource_key = "binding"
    resources_key = "bindings"
    base_path = "/bindings"
    allow_create = allow_fetch = allow_delete = allow_list = True
    _query_mapping = QueryParameters("project_id", *_OF_PODS)

    project_id = Body("project_id")
    pod_id = Body("pod_id")
    region_name = Body("region_name")
    by_operator = Body("by_operator", type=bool)
    created_at = Body("created_at")


class ImageCopy(Resource):
    """An image is in a pod that has a Glance of its own, or on its way."""

    resource_key = "image"
    resources_key = "images"
    base_path = "/images"
    allow_create = allow_list = True
    _query_mapping = QueryParameters("image_id", "state", "why", *_OF_PODS)

    image_id = Body("image_id")
    name = Body("name")
    pod_id = Body("pod_id")
    region_name = Body("region_name")
    pod_image_id = Body("pod_image_id")
    state = Body("state")
    why = Body("why")
    size = Body("size", type=int)
    done = Body("done", type=int)
    percent = Body("percent", type=int)
    last_error = Body("last_error")
    used_at = Body("used_at")
    created_at = Body("created_at")


class Routing(Resource):
    """Where a resource lives."""

    resource_key = "routing"
    resources_key = "routings"
    base_path = "/routings"
    allow_fetch = allow_list = True
    _query_mapping = QueryParameters(*_OF_RESOURCES)

    resource_type = Body("resource_type")
    resource_id = Body("resource_id", alternate_id=True)
    pod_id = Body("pod_id")
    region_name = Body("region_name")
    project_id = Body("project_id")
    created_at = Body("created_at")


class Placement(Resource):
    """Why a server is in its pod."""

    resource_key = "placement"

    server_id = Body("server_id", alternate_id=True)
    project_id = Body("project_id")
    pod_id = Body("pod_id")
    region_name = Body("region_name")
    server_group_id = Body("server_group_id")
    vcpus = Body("vcpus", type=int)
    ram = Body("ram", type=int)
    chosen = Body("chosen", type=bool)
    chosen_at = Body("chosen_at")
    availability_zone = Body("availability_zone")
    weights = Body("weights", type=dict)
    left_out = Body("left_out", type=dict)
    refused = Body("refused", type=list)
    created_at = Body("created_at")


class Job(Resource):
    """What a pod does not have yet as it is wanted."""

    resource_key = "job"
    resources_key = "jobs"
    base_path = "/jobs"
    allow_fetch = allow_list = True
    _query_mapping = QueryParameters(*_OF_RESOURCES, "state")

    state = Body("state")
    action = Body("action")
    resource_type = Body("resource_type")
    resource_id = Body("resource_id")
    pod_id = Body("pod_id")
    region_name = Body("region_name")
    pod_resource_id = Body("pod_resource_id")
    project_id = Body("project_id")
    attempts = Body("attempts", type=int)
    last_error = Body("last_error")
    failing_since = Body("failing_since")
    next_try_at = Body("next_try_at")
    created_at = Body("created_at")


class Repair(Resource):
    """What was changed in a pod behind Tricircle's back, and was put right."""

    resources_key = "repairs"
    base_path = "/repairs"
    allow_list = True
    _query_mapping = QueryParameters(*_OF_RESOURCES)

    resource_type = Body("resource_type")
    resource_id = Body("resource_id")
    pod_id = Body("pod_id")
    region_name = Body("region_name")
    project_id = Body("project_id")
    done = Body("done")
    created_at = Body("created_at")


class VolumeMove(Resource):
    """A volume on its way to another pod; ``progress`` is in percent."""

    resource_key = "move"
    resources_key = "moves"
    base_path = "/moves"
    allow_list = True
    _query_mapping = QueryParameters("volume_id", "project_id", "state", *_OF_PODS)

    volume_id = Body("volume_id", alternate_id=True)
    project_id = Body("project_id")
    source = Body("from")
    target = Body("to")
    state = Body("state")
    progress = Body("progress", type=int)
    reason = Body("reason")
    created_at = Body("created_at")
    updated_at = Body("updated_at")
