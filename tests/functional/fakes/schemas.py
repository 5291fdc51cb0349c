# SPDX-License-Identifier: Apache-2.0
"""Nova's own JSON schemas, so that the fake refuses what the real one refuses."""

import functools
import warnings
from typing import Any

import jsonschema

from tests.functional.fakes.http import Refusal

#: version from which on -> schema in nova.api.openstack.compute.schemas.servers
CREATE = {
    (2, 1): "create",
    (2, 19): "create_v219",
    (2, 32): "create_v232",
    (2, 33): "create_v233",
    (2, 37): "create_v237",
    (2, 42): "create_v242",
    (2, 52): "create_v252",
    (2, 57): "create_v257",
    (2, 63): "create_v263",
    (2, 67): "create_v267",
    (2, 74): "create_v274",
    (2, 90): "create_v290",
    (2, 94): "create_v294",
}


@functools.cache
def _create_validator(name: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nova.api.openstack.compute.schemas import servers

    # The formats (uuid, base64 ...) are Nova's own; the shape is what matters here.
    return jsonschema.Draft4Validator(getattr(servers, name))


def check_create(body: Any, version: tuple[int, int]) -> None:
    """Raise what Nova answers to a POST /servers whose body does not fit its microversion."""
    name = CREATE[max(since for since in CREATE if since <= version)]
    for error in _create_validator(name).iter_errors(body):
        where = "/".join(str(part) for part in error.path)
        raise Refusal(400, f"Invalid input for field/attribute {where}. {error.message}")
