# SPDX-License-Identifier: Apache-2.0
"""Tricircle's own rules, held against a caller."""

from collections.abc import Mapping

from tricircle.gateway.call import Call
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import in_thread
from tricircle.policies import Forbidden, Policies

_POLICIES = Policies()


async def authorize(call: Call, rule: str, target: Mapping[str, str] | None = None) -> None:
    """Raises Fault 403 unless ``rule`` (without its prefix) lets the caller do what it is about."""
    credentials = call.context.to_policy()
    try:
        await in_thread(_POLICIES.check, f"tricircle:{rule}", credentials, target)
    except Forbidden as error:
        raise Fault(403, str(error)) from None


async def allows(call: Call, rule: str) -> bool:
    """Whether ``rule`` (without its prefix) lets the caller do what it is about."""
    return await in_thread(_POLICIES.allows, f"tricircle:{rule}", call.context.to_policy())
