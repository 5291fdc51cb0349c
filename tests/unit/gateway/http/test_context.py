# SPDX-License-Identifier: Apache-2.0
"""Who calls."""

import dataclasses
from typing import Any

from tricircle.gateway.http.context import Context


def test_a_caller_of_one_request_differs_in_its_ids_only() -> None:
    every: dict[str, Any] = {
        field.name: f"the {field.name}" for field in dataclasses.fields(Context)
    }
    caller = Context(**every)
    wanted = dataclasses.replace(caller, request_id="req-1", global_id="req-2")
    assert caller.of_request("req-1", "req-2") == wanted
