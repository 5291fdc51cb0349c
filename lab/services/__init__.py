# SPDX-License-Identifier: Apache-2.0
"""The stock services: for each, its configuration, its databases' schema and its daemons."""

from __future__ import annotations

from lab import packages
from lab.process import Daemon
from lab.settings import CURRENT, MYSQL_DRIVER, Lab, Pod


def program(release: str, name: str) -> str:
    """Path of a program of that series."""
    return str(packages.venv(release) / "bin" / name)


def paste(release: str, service: str, name: str = "api-paste.ini") -> str:
    """Path of a file that the series itself ships under etc/."""
    return str(packages.venv(release) / "etc" / service / name)


def driver(lab: Lab, pod: Pod) -> str:
    """The MySQL client of a pod's Nova, Placement and Cinder, which share processes and their kind
    of threads."""
    return packages.mysql_driver(pod.release) if lab.on_threads(pod) else MYSQL_DRIVER


def wsgi(
    name: str,
    module: str,
    port: int,
    env: dict[str, str],
    *arguments: object,
    release: str = CURRENT,
    server: str = "wsgi_api.py",
) -> Daemon:
    """A WSGI API in a process of its own; the arguments are the service's own."""
    argv = [program(release, "python"), packages.STOCK / server, module, port]
    return Daemon(name, [*argv, *map(str, arguments)], packages.environment(release) | env)
