# SPDX-License-Identifier: Apache-2.0
"""What a call as ourselves needs of Keystone: asked for in a thread, and missed like the callee."""

from collections.abc import Callable
from typing import ParamSpec, TypeVar

from tricircle.gateway.threads import KEYSTONE, Busy
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.identity import KeystoneFailed

_Params = ParamSpec("_Params")
_Result = TypeVar("_Result")


async def ask(
    region: str,
    function: Callable[_Params, _Result],
    *args: _Params.args,
    **kwargs: _Params.kwargs,
) -> _Result:
    """Run a function of the service identity for a call to ``region``.

    Raises PodUnreachable when Keystone or a thread is not to be had: whoever goes on without the
    answer of a pod goes on without this one, too.
    """
    try:
        return await KEYSTONE.run(function, *args, **kwargs)
    except (KeystoneFailed, Busy) as error:
        raise PodUnreachable(region, f"cannot be asked now: {error}") from None
