# SPDX-License-Identifier: Apache-2.0
"""Paths of requests, as the routers of Nova and Cinder read them."""

import re

_SLASHES = re.compile("//+")
_FORMAT = ".json"


def canonical(raw_path: str, base: str, *, formats: bool) -> str:
    """A percent-encoded path with single slashes; where the service knows ``formats``, without the
    one after a name below ``base``.
    """
    path = _SLASHES.sub("/", raw_path)
    if formats and path.startswith(f"{base}/"):
        return path.removesuffix(_FORMAT)
    return path
