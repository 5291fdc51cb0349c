# SPDX-License-Identifier: Apache-2.0
"""Whether routers are distributed or highly available, in pods with L3 agents that know of it.

Neutron's own code for these flags is about its agents; here they are words to the pods. Pods
whose agents are asked are told what central Neutron shows, whatever their own default is.
"""

from typing import Any

from neutron_lib import exceptions as n_exc
from neutron_lib.api.definitions import dvr, l3_ext_ha_mode

from tricircle.network.central import central_neutron
from tricircle.network.pod_api.neutron_client import PodNeutron

#: {attribute: the extension of a Neutron that has it}.
MODES = {"distributed": dvr.ALIAS, "ha": l3_ext_ha_mode.ALIAS}


def told(neutron: PodNeutron, router: central_neutron.Resource) -> dict[str, bool]:
    """What a pod is told of a router. One without distributed routers has no L3 agents: ML2/OVN
    knows of ``ha`` and refuses whoever says no to it. Where we are no administrator we may not even
    say no: the pod decides, unless somebody wants such a router."""
    if not neutron.has(dvr.ALIAS):
        return {}
    modes = {name: router[name] for name, alias in MODES.items() if neutron.has(alias)}
    return {name: on for name, on in modes.items() if on or neutron.pod.is_privileged}


def keep(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """A router is being made: keep what was asked for."""
    _keep(payload.metadata["router_db"], payload.latest_state)


def change(resource: str, event: str, trigger: Any, payload: Any) -> None:
    """A router is being changed. Raises BadRequest for one that was up until now or is to be, as
    Neutron does (router-admin-state-down-before-update)."""
    row, asked = payload.desired_state, payload.request_body or {}
    changed = [name for name in MODES if _differs(row, asked, name)]
    if changed and (payload.states[0]["admin_state_up"] or row.admin_state_up):
        what = " and ".join(changed)
        reason = f"Cannot change {what} of active routers: set admin_state_up to False"
        raise n_exc.BadRequest(resource="router", msg=reason)
    _keep(row, asked)


def _keep(row: Any, asked: dict[str, Any]) -> None:
    for name in MODES:
        if _differs(row, asked, name):
            central_neutron.routers().set_extra_attr_value(row, name, asked[name])


def _differs(row: Any, asked: dict[str, Any], name: str) -> bool:
    """Whether something else is asked for; other words than yes and no ask for nothing."""
    return isinstance(asked.get(name), bool) and asked[name] != row.extra_attributes[name]
