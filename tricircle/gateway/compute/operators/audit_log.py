# SPDX-License-Identifier: Apache-2.0
"""How far the audits of usage are: one log of the hosts of all pods."""

from collections.abc import Iterable
from typing import Any

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.http.responses import respond
from tricircle.gateway.upstream import scatter
from tricircle.pods.pod import Pod

Log = dict[str, Any]


async def show(call: Call) -> web.Response:
    """GET /os-instance_usage_audit_log, and of the period before a time."""
    told = await scatter.everywhere(call)
    documents = [(answer.pod, answer.json()) for answer in told.good_or_raise()]
    name, _ = documents[0][1].only()
    return respond({name: merged((pod, document[name]) for pod, document in documents)})


def merged(logs: Iterable[tuple[Pod, Log]]) -> Log:
    """The logs of several pods as one; the period is the first's."""
    whole: Log = {}
    for pod, log in logs:
        if not whole:
            whole = {**log, "hosts_not_run": [], "log": {}}
        else:
            for name, value in log.items():
                if isinstance(value, int):
                    whole[name] += value
        for host, entry in log["log"].items():
            whole["log"][_name(pod, host, whole["log"])] = entry
        for host in log["hosts_not_run"]:
            whole["hosts_not_run"].append(_name(pod, host, whole["hosts_not_run"]))
    done, hosts = whole["num_hosts_done"], whole["num_hosts"]
    part = "ALL" if done == hosts else f"{done} of {hosts}"
    whole["overall_status"] = f"{part} hosts done. {whole['total_errors']} errors."
    return whole


def _name(pod: Pod, host: str, taken: Iterable[str]) -> str:
    """Two pods may each have a host of one name."""
    return f"{host}@{pod.region_name}" if host in taken else host
