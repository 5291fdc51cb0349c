# SPDX-License-Identifier: Apache-2.0
"""Central Neutron's configuration, and the message buses of the pods' own Neutrons."""

import contextlib
import socket
import urllib.parse

from oslo_config import cfg

from tricircle.checks.finding import Finding, Grade, of
from tricircle.conf import CONF
from tricircle.pods.registry import Registry

# As Neutron has them, where it is not installed here.
_OPTS = (
    cfg.StrOpt("core_plugin"),
    cfg.ListOpt("service_plugins", default=[]),
)
_ML2 = cfg.ListOpt("mechanism_drivers", default=[])
_NEEDED = "tricircle-router"
_NEVER = {"router": "tricircle-router", "port_forwarding": "tricircle-port-forwarding",
          "metering": "", "segments": ""}  # fmt: skip
# Seconds to reach a bus, and the port of one that names none.
_REACHING, _PORT = 3.0, 5672


def plugins() -> Finding:
    with contextlib.suppress(cfg.DuplicateOptError):
        CONF.register_opts(_OPTS)
    with contextlib.suppress(cfg.DuplicateOptError):
        CONF.register_opt(_ML2, group="ml2")
    if not CONF.core_plugin:
        text = "No core_plugin is set: give central Neutron's configuration files, too."
        return Finding(Grade.DOUBTFUL, text)
    problems = []
    if CONF.core_plugin.rpartition(".")[2] not in ("ml2", "Ml2Plugin"):
        problems.append(f"core_plugin is {CONF.core_plugin}, not ml2.")
    if "tricircle" not in CONF.ml2.mechanism_drivers:
        problems.append("[ml2] mechanism_drivers lacks tricircle.")
    named = [name.rpartition(".")[2] for name in CONF.service_plugins]
    if _NEEDED not in named:
        problems.append(f"service_plugins lacks {_NEEDED}.")
    for name, instead in _NEVER.items():
        if name in named:
            hint = f": use {instead}" if instead else ": pods cannot honour it"
            problems.append(f"service_plugins has {name}{hint}.")
    return of(problems)


def buses() -> Finding:
    """Those that are named are there; none is missing where VXLAN joins pods."""
    section = CONF.interconnect
    named = [line.partition(":")[::2] for line in section.message_buses if line]
    known = {pod.region_name for pod in Registry().fresh().all()}
    problems = []
    if any("vxlan" in ways for ways in section.joined_by.values()) and not named:
        problems.append("[interconnect] joined_by says vxlan, and there are no message_buses.")
    for region, url in named:
        name = region.strip()
        if name not in known:
            problems.append(f"message_buses names {name}, which is no pod.")
        elif not _reached(url.strip()):
            problems.append(f"The message bus of {name} cannot be reached.")
    return of(problems)


def _reached(url: str) -> bool:
    """Whether anybody listens at any host of a bus. Its secrets are told nobody."""
    for host in urllib.parse.urlsplit(url).netloc.split(","):
        place = urllib.parse.urlsplit(f"//{host}")
        with contextlib.suppress(OSError, ValueError):
            socket.create_connection((place.hostname or "", place.port or _PORT), _REACHING).close()
            return True
    return False
