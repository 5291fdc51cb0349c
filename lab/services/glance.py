# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from lab import ini, packages, process
from lab.process import Daemon
from lab.services import paste, program, wsgi
from lab.settings import CURRENT, Lab


def configure(lab: Lab) -> None:
    state = lab.var / lab.named("glance")
    folders = {name: state / name for name in ("images", "staging", "tasks")}
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    ini.write(
        lab.etc / lab.named("glance") / "glance-api.conf",
        {
            "DEFAULT": ini.common(
                enabled_backends="file:file",
                worker_self_reference_url=lab.url("image"),
                enabled_import_methods="[glance-direct,web-download]",
            ),
            "database": ini.database(
                lab, lab.realm_database("glance"), packages.mysql_driver(CURRENT)
            ),
            "keystone_authtoken": ini.authtoken(lab, "glance"),
            "oslo_policy": ini.policies(lab),
            "glance_store": {"default_backend": "file"},
            "file": {"filesystem_store_datadir": folders["images"]},
            "os_glance_staging_store": {"filesystem_store_datadir": folders["staging"]},
            "os_glance_tasks_store": {"filesystem_store_datadir": folders["tasks"]},
            "oslo_concurrency": {"lock_path": lab.var / "lock" / lab.named("glance")},
            "paste_deploy": {
                "flavor": "keystone",
                "config_file": paste(CURRENT, "glance", "glance-api-paste.ini"),
            },
        },
    )


def migrate(lab: Lab) -> None:
    config = lab.etc / lab.named("glance") / "glance-api.conf"
    process.run(
        [program(CURRENT, "glance-manage"), "--config-file", config, "db_sync"],
        env=process.environment(lab, packages.environment(CURRENT)),
    )


def daemon(lab: Lab) -> Daemon:
    env = {"OS_GLANCE_CONFIG_DIR": str(lab.etc / lab.named("glance"))}
    return wsgi(lab.named("glance"), "glance.wsgi.api", lab.port("image"), env)
