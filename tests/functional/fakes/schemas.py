# SPDX-License-Identifier: Apache-2.0
"""Nova's own JSON schemas, so that the fake refuses what the real one refuses."""

import functools
import importlib
import importlib.util
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import jsonschema
from oslo_config import cfg

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
_PACKAGES = ("api", "api.openstack", "api.openstack.compute", "api.openstack.compute.schemas",
             "api.validation", "objects")  # fmt: skip
#: What the schemas take from Nova's objects.
_VALUES = {"objects.instance": {"MAX_TAG_COUNT": 50}, "objects.tag": {"MAX_TAG_LENGTH": 60}}


@contextmanager
def _hollow_packages() -> Iterator[None]:
    """Nova's packages without what they import: the schemas need none of it.

    It would take seconds, and register Nova's options beside Neutron's of the same names.
    Everything of Nova is forgotten afterwards, for tests that want the real thing.
    """
    spec = importlib.util.find_spec("nova")
    assert spec is not None
    assert spec.origin is not None
    before = {name: module for name, module in sys.modules.items() if name.startswith("nova.")}
    for name in before:
        del sys.modules[name]
    try:
        for name in _PACKAGES:
            package = types.ModuleType(f"nova.{name}")
            package.__path__ = [str(Path(spec.origin).parent.joinpath(*name.split(".")))]
            sys.modules[package.__name__] = package
        for name, values in _VALUES.items():
            module = types.ModuleType(f"nova.{name}")
            vars(module).update(values)
            sys.modules[module.__name__] = module
        yield
    finally:
        for name in [name for name in sys.modules if name.startswith("nova.")]:
            del sys.modules[name]
        sys.modules.update(before)


@functools.cache
def _schemas(module: str) -> Any:
    # Nova's options are kept out of the process's: Neutron has some of the same names.
    apart = mock.patch.object(cfg, "CONF", cfg.ConfigOpts())
    with warnings.catch_warnings(), _hollow_packages(), apart:
        warnings.simplefilter("ignore")
        return importlib.import_module(f"nova.api.openstack.compute.schemas.{module}")


@functools.cache
def _formats() -> Any:
    """Nova's own formats (uuid, name, base64 ...)."""
    with warnings.catch_warnings(), _hollow_packages():
        warnings.simplefilter("ignore")
        return importlib.import_module("nova.api.validation.validators")._FORMAT_CHECKER


@functools.cache
def validator(module: str, name: str) -> Any:
    """Of a schema of ``module`` in nova.api.openstack.compute.schemas, as Nova applies it."""
    kind = jsonschema.Draft4Validator if module == "servers" else jsonschema.Draft202012Validator
    return kind(getattr(_schemas(module), name), format_checker=_formats())


def preload() -> None:
    """Import Nova's schemas now rather than inside the first request."""
    for module in ("servers", "server_groups", "quota_sets", "quota_classes", "keypairs"):
        _schemas(module)


def check_create(body: Any, version: tuple[int, int]) -> None:
    """Raise what Nova answers to a POST /servers whose body does not fit its microversion."""
    name = CREATE[max(since for since in CREATE if since <= version)]
    check("servers", name, body)


def check(module: str, name: str, document: Any) -> None:
    """Raise what Nova answers to what does not fit a schema of ``module``."""
    for error in validator(module, name).iter_errors(document):
        where = "/".join(str(part) for part in error.path)
        raise Refusal(400, f"Invalid input for field/attribute {where}. {error.message}")
