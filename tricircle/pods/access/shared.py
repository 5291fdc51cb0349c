# SPDX-License-Identifier: Apache-2.0
"""The pod has our own Keystone: the caller's own token is good there, and so are all ids."""

from typing import Any, NoReturn

from tricircle.pods.access.base import Access


class Shared(Access):
    """Nothing has to be done: whoever sees such a pod (``Pod.is_shared``) asks no access."""

    def _none(self, *_: Any, **__: Any) -> NoReturn:
        raise NotImplementedError("A pod with our own Keystone needs no access of its own.")

    exchange = service = service_project = project = user = catalogue = try_out = _none
