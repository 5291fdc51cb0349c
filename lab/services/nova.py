# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path

from lab import ini, packages, process
from lab.ini import Sections
from lab.process import Daemon
from lab.services import driver, paste, program, wsgi
from lab.settings import ADDRESS, PASSWORD, REGION, Lab, Pod

FAKE_DRIVER = "nova_fake.FakeDriver"


def _folder(lab: Lab, pod: Pod) -> Path:
    return lab.etc / pod.key / "nova"


def _base(lab: Lab, pod: Pod) -> Sections:
    state = lab.var / pod.key / "nova"
    return {
        "DEFAULT": ini.common(
            transport_url=lab.transport_url(pod.key),
            host=f"{pod.key}-control",
            my_ip=ADDRESS,
            state_path=state,
            compute_driver=FAKE_DRIVER,
            allow_resize_to_same_host=True,
            max_concurrent_builds=10,
            running_deleted_instance_poll_interval=0,
        ),
        "api_database": ini.database(lab, pod.database("nova_api"), driver(lab, pod)),
        "database": ini.database(lab, pod.database("nova_cell1"), driver(lab, pod)),
        "keystone_authtoken": ini.authtoken(lab, "nova"),
        "oslo_policy": ini.policies(lab),
        "service_user": ini.credentials(lab, "nova", pod.region, send_service_user_token=True),
        "keystone": ini.credentials(lab, "nova"),
        "placement": ini.credentials(lab, "placement", pod.region),
        "neutron": ini.credentials(
            lab,
            "neutron",
            pod.region,
            # Not by the catalogue of a user's token, which may be without the pods.
            endpoint_override=pod.url("network"),
            service_metadata_proxy=True,
            metadata_proxy_shared_secret=PASSWORD,
        ),
        "glance": {
            "region_name": REGION,
            "service_type": "image",
            "endpoint_override": lab.url("image"),
        },
        "cinder": ini.credentials(
            lab,
            "nova",
            pod.region,
            os_region_name=pod.region,
            endpoint_template=pod.url("volume") + "/v3/%(project_id)s",
        ),
        "oslo_concurrency": {"lock_path": lab.var / "lock" / pod.key / "nova"},
        "oslo_messaging_rabbit": ini.MESSAGING,
        "conductor": {"workers": 1},
        # One process finds its hosts by itself when it starts.
        "scheduler": {
            "workers": 1,
            "discover_hosts_in_cells_interval": 10 if lab.daemons else -1,
        },
        **_consoles(lab, pod),
        "filter_scheduler": {"track_instance_changes": False},
        # Room for tests; a cloud's own limits are set where a test wants them.
        "quota": {"instances": 200, "cores": 500, "ram": 500000},
    }


def _consoles(lab: Lab, pod: Pod) -> Sections:
    if not lab.consoles(pod):
        return {"vnc": {"enabled": False}}
    return {
        "vnc": {"novncproxy_base_url": pod.url("vnc") + "/vnc_lite.html"},
        "serial_console": {
            "enabled": True,
            "base_url": f"ws://{ADDRESS}:{pod.port('serial')}/",
        },
    }


def configure(lab: Lab, pod: Pod, host_options: dict[str, Sections]) -> None:
    """``host_options``: what the data plane adds for each compute host."""
    folder = _folder(lab, pod)
    base = ini.merge(_base(lab, pod), next(iter(host_options.values()), {}))
    ini.write(folder / "nova.conf", base)
    # The API looks for it beside its configuration only.
    link = folder / "api-paste.ini"
    link.unlink(missing_ok=True)
    link.symlink_to(paste(pod.release, "nova"))
    for host in pod.hosts:
        own = {"DEFAULT": {"host": host, "state_path": lab.var / pod.key / host}}
        # A compute host reaches the databases through the conductor only.
        layer = ini.merge(base, host_options.get(host, {}), own)
        for section in ("api_database", "database"):
            layer.pop(section)
        ini.write(folder / f"{host}.conf", layer)
    (folder / "hosts.json").write_text(json.dumps(host_options, default=str, indent=1))
    for name in ("nova", *pod.hosts):
        state = lab.var / pod.key / name
        state.mkdir(parents=True, exist_ok=True)
        identity = state / "compute_id"
        # Nova refuses to start as another node than it was.
        if not identity.exists():
            identity.write_text(str(uuid.uuid4()))


def migrate(lab: Lab, pod: Pod) -> None:
    """Schema of the API database and of one cell."""
    manage = [program(pod.release, "nova-manage"), "--config-file", _folder(lab, pod) / "nova.conf"]
    env = process.environment(lab, packages.environment(pod.release))
    process.run([*manage, "api_db", "sync"], env=env)
    process.run([*manage, "db", "sync", "--local_cell"], env=env)


def cells(lab: Lab, pod: Pod) -> str:
    """SQL that declares the pod's two cells."""
    cell0, cell1 = (
        lab.database_url(pod.database(name), driver(lab, pod))
        for name in ("nova_cell0", "nova_cell1")
    )
    own = uuid.uuid5(uuid.NAMESPACE_DNS, f"{lab.name}.{pod.key}")
    rows = [
        ("00000000-0000-0000-0000-000000000000", "cell0", "none:///", cell0),
        (own, "cell1", lab.transport_url(pod.key), cell1),
    ]
    values = ", ".join(
        f"(now(), '{cell}', '{name}', '{transport}', '{database}', 0)"
        for cell, name, transport, database in rows
    )
    return (
        "insert into cell_mappings "
        f"(created_at, uuid, name, transport_url, database_connection, disabled) values {values};"
    )


def environment(lab: Lab, pod: Pod) -> dict[str, str]:
    return packages.environment(pod.release) | {
        "OS_NOVA_CONFIG_DIR": str(_folder(lab, pod)),
        "OS_PLACEMENT_CONFIG_DIR": str(lab.etc / pod.key / "placement"),
        "LAB_HOSTS": str(_folder(lab, pod) / "hosts.json"),
        "LAB_PROJECT": str(Path(sys.modules["lab"].__path__[0]).parent),
    }


def together(lab: Lab, pod: Pod) -> list[Daemon]:
    """Nova and Placement in one process."""
    argv = [
        *(program(pod.release, "python"), packages.STOCK / "nova_aio.py"),
        *("--config", _folder(lab, pod) / "nova.conf", "--port", pod.port("compute")),
        *("--placement-port", pod.port("placement")),
    ]
    if lab.consoles(pod):
        argv += ["--vnc-port", pod.port("vnc"), "--serial-port", pod.port("serial")]
        argv += ["--pages", packages.STOCK / "pages"]
    argv += pod.hosts
    return [Daemon(f"{pod.key}-nova", argv, environment(lab, pod))]


def apart(lab: Lab, pod: Pod) -> list[Daemon]:
    """Every daemon as a distribution runs them."""
    folder = _folder(lab, pod)
    env = environment(lab, pod)
    result = [
        wsgi(
            f"{pod.key}-nova-api",
            "nova.wsgi.osapi_compute",
            pod.port("compute"),
            env | {"OS_NOVA_DISABLE_EVENTLET_PATCHING": "true"},
            release=pod.release,
        )
    ]
    for name in ("conductor", "scheduler"):
        argv = [program(pod.release, f"nova-{name}"), "--config-file", folder / "nova.conf"]
        result.append(Daemon(f"{pod.key}-nova-{name}", argv, env))
    for host in pod.hosts:
        argv = [
            *(program(pod.release, "python"), packages.STOCK / "nova_compute.py"),
            *("--config-file", folder / f"{host}.conf"),
        ]
        result.append(Daemon(f"{host}-nova-compute", argv, env))
    return result
