# SPDX-License-Identifier: Apache-2.0
"""The pods there are, as every part of the network code sees them."""

from tricircle.pods.registry import Registry

_registry = Registry()


def get() -> Registry:
    return _registry


def use(registry: Registry) -> None:
    """Take this one from now on; for tests."""
    global _registry
    _registry = registry
