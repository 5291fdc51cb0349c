# SPDX-License-Identifier: Apache-2.0
"""Configuration: one module a section; ``CONF`` is the process-wide registry of them.

Every section module has ``GROUP``, ``OPTS`` and nothing else; ``setup()`` reads the files.
"""

from collections.abc import Sequence

from oslo_config import cfg
from oslo_log import log as logging

from tricircle import loglines
from tricircle.conf import (
    console,
    coordination,
    database,
    federation,
    gateway,
    identity,
    images,
    interconnect,
    markers,
    pods,
    quota,
    reconciler,
    scheduling,
    storage,
    telemetry,
)

CONF = cfg.CONF
SECTIONS = (
    console,
    database,
    federation,
    gateway,
    identity,
    images,
    interconnect,
    markers,
    pods,
    quota,
    reconciler,
    scheduling,
    storage,
    coordination,
    telemetry,
)


def register(conf: cfg.ConfigOpts = CONF) -> None:
    """Register every option of Tricircle on ``conf``; doing it twice is harmless."""
    for section in SECTIONS:
        conf.register_opts(section.OPTS, group=section.GROUP)
    identity.register_auth(conf)


def setup(
    args: Sequence[str], prog: str, default_config_files: Sequence[str] | None = None
) -> None:
    """Read command line and files into ``CONF`` and start logging.

    Raises SystemExit (from oslo.config) when a file or a value is wrong.
    """
    logging.register_options(CONF)
    register()
    CONF(list(args), project="tricircle", prog=prog, default_config_files=default_config_files)
    logging.setup(CONF, "tricircle")
    loglines.guard()


register()
