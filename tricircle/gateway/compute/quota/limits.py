# SPDX-License-Identifier: Apache-2.0
"""Limits: a project's over all pods, and what of them is used in all together."""

from aiohttp import web

from tricircle.gateway import parameters
from tricircle.gateway.call import Call
from tricircle.gateway.compute.quota import project_quota
from tricircle.gateway.upstream.forward import ask_any, reply_with

_LIMITS = {
    "maxTotalRAMSize": "ram",
    "maxTotalInstances": "instances",
    "maxTotalCores": "cores",
    "maxTotalKeypairs": "key_pairs",
    "maxTotalFloatingIps": "floating_ips",
    "maxServerMeta": "metadata_items",
    "maxImageMeta": "metadata_items",
    "maxPersonality": "injected_files",
    "maxPersonalitySize": "injected_file_content_bytes",
    "maxSecurityGroups": "security_groups",
    "maxSecurityGroupRules": "security_group_rules",
    "maxServerGroups": "server_groups",
    "maxServerGroupMembers": "server_group_members",
}
_USED = {
    "totalRAMUsed": "ram",
    "totalCoresUsed": "cores",
    "totalInstancesUsed": "instances",
    "totalFloatingIpsUsed": "floating_ips",
    "totalSecurityGroupsUsed": "security_groups",
    "totalServerGroupsUsed": "server_groups",
}


async def show(call: Call) -> web.Response:
    """GET /limits: a pod's document with our numbers."""
    answer = (await ask_any(call)).raise_for_status()
    project = parameters.LIMITS_PROJECT.of(call) or call.context.project_id
    limits = await project_quota.of_project(call, project)
    used = await project_quota.used(project)
    document = answer.json()
    absolute = document["limits"]["absolute"]
    for names, values in ((_LIMITS, limits), (_USED, used)):
        absolute.update({shown: values[ours] for shown, ours in names.items() if shown in absolute})
    return reply_with(call, answer, document)
