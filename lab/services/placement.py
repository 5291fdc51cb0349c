# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from lab import ini, packages, process
from lab.process import Daemon
from lab.services import driver, program, wsgi
from lab.settings import Lab, Pod


def configure(lab: Lab, pod: Pod) -> None:
    ini.write(
        lab.etc / pod.key / "placement" / "placement.conf",
        {
            "DEFAULT": ini.common(),
            "api": {"auth_strategy": "keystone"},
            "placement_database": ini.database(lab, pod.database("placement"), driver(lab, pod)),
            "keystone_authtoken": ini.authtoken(lab, "placement"),
            "oslo_policy": ini.policies(lab),
        },
    )


def migrate(lab: Lab, pod: Pod) -> None:
    config = lab.etc / pod.key / "placement" / "placement.conf"
    process.run(
        [program(pod.release, "placement-manage"), "--config-file", config, "db", "sync"],
        env=process.environment(lab, packages.environment(pod.release)),
    )


def daemons(lab: Lab, pod: Pod) -> list[Daemon]:
    """Apart from the rest; with three processes a pod, Nova's serves it too."""
    env = {"OS_PLACEMENT_CONFIG_DIR": str(lab.etc / pod.key / "placement")}
    name = f"{pod.key}-placement"
    port = pod.port("placement")
    return [wsgi(name, "placement.wsgi.api", port, env, release=pod.release)]
