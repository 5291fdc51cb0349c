# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from lab import ini, packages, process
from lab.process import Daemon
from lab.services import driver, paste, program, wsgi
from lab.settings import ADDRESS, Lab, Pod

BACKEND = "file1"


def _config(lab: Lab, pod: Pod) -> Path:
    return lab.etc / pod.key / "cinder" / "cinder.conf"


def configure(lab: Lab, pod: Pod) -> None:
    state = lab.var / pod.key
    for name in ("cinder", "volumes", "coordination"):
        (state / name).mkdir(parents=True, exist_ok=True)
    # All pods' backups are in one store, as on a file system that they share.
    backups = lab.var / "backups"
    backups.mkdir(parents=True, exist_ok=True)
    options = ini.common(
        transport_url=lab.transport_url(pod.key),
        host=f"{pod.key}-volume",
        my_ip=ADDRESS,
        auth_strategy="keystone",
        state_path=state / "cinder",
        api_paste_config=paste(pod.release, "cinder"),
        resource_query_filters_file=paste(pod.release, "cinder", "resource_filters.json"),
        enabled_backends=BACKEND,
        storage_availability_zone="nova",
        glance_api_servers=lab.url("image"),
        osapi_volume_workers=1,
        backup_driver="cinder.backup.drivers.posix.PosixBackupDriver",
        backup_posix_path=backups,
        backup_workers=1,
        enable_force_upload=True,
        quota_volumes=100,
        quota_snapshots=100,
        quota_gigabytes=10000,
    )
    if not lab.daemons:
        # Cinder's services keep their own row in a class attribute: of several in one process only
        # the last one's heartbeat is written, so heartbeats cannot tell the dead.
        options |= {"scheduler_driver_init_wait_time": 1, "service_down_time": 100000000}
    ini.write(
        _config(lab, pod),
        {
            "DEFAULT": options,
            BACKEND: {
                "volume_driver": "cinder_file.FileDriver",
                "volume_backend_name": BACKEND,
                "lab_volume_folder": state / "volumes",
            },
            "database": ini.database(lab, pod.database("cinder"), driver(lab, pod)),
            "keystone_authtoken": ini.authtoken(lab, "cinder"),
            "oslo_policy": ini.policies(lab),
            "nova": ini.credentials(lab, "nova", pod.region, interface="internal"),
            "service_user": ini.credentials(
                lab, "cinder", pod.region, send_service_user_token=True
            ),
            "coordination": {"backend_url": f"file://{state / 'coordination'}"},
            "oslo_concurrency": {"lock_path": lab.var / "lock" / pod.key / "cinder"},
            "oslo_messaging_rabbit": ini.MESSAGING,
            "key_manager": {
                "backend": "cinder.keymgr.conf_key_mgr.ConfKeyManager",
                "fixed_key": "0" * 64,
            },
        },
    )


def migrate(lab: Lab, pod: Pod) -> None:
    process.run(
        [program(pod.release, "cinder-manage"), "--config-file", _config(lab, pod), "db", "sync"],
        env=process.environment(lab, packages.environment(pod.release)),
    )


def together(lab: Lab, pod: Pod) -> list[Daemon]:
    argv = [
        *(program(pod.release, "python"), packages.STOCK / "cinder_aio.py"),
        *("--config", _config(lab, pod), "--port", pod.port("volume")),
    ]
    return [Daemon(f"{pod.key}-cinder", argv, packages.environment(pod.release))]


def apart(lab: Lab, pod: Pod) -> list[Daemon]:
    env = packages.environment(pod.release)
    config = _config(lab, pod)
    api = wsgi(
        f"{pod.key}-cinder-api",
        "cinder.wsgi.api",
        pod.port("volume"),
        env | {"OS_CINDER_DISABLE_EVENTLET_PATCHING": "true"},
        *("--config-file", config),
        release=pod.release,
    )
    names = ("cinder-scheduler", "cinder-volume", "cinder-backup")
    return [
        api,
        *(
            Daemon(
                f"{pod.key}-{name}",
                [program(pod.release, name), "--config-file", config],
                env,
            )
            for name in names
        ),
    ]
