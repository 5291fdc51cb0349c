# SPDX-License-Identifier: Apache-2.0
"""Tricircle over the lab's pods: gateway, central Neutron and xjob, from the project's own venv.

Everything is given to the processes in configuration files, as an operator would; nothing here
reaches into them.
"""

from __future__ import annotations

import base64
import hashlib
import json
import shutil
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import openstack

from lab import identity, ini, packages, process, schema, settings
from lab.identity import MANAGED_DOMAIN, MANAGER
from lab.services import apache, keystone
from lab.services.neutron import QUOTAS
from lab.settings import ADDRESS, PASSWORD, PROJECT_ROOT, REGION, Lab, LabError, Pod

GATEWAY, CENTRAL, XJOB = "tricircle-gateway", "central-neutron", "tricircle-xjob"
SERVICE_PLUGINS = (
    "tricircle-router",
    "tricircle-port-forwarding",
    "qos",
    "trunk",
    "auto_allocate",
    "network_segment_range",
    "network_ip_availability",
)
PROCESSES = (CENTRAL, GATEWAY, XJOB)
DATABASES = ("tricircle", "central_neutron")
#: Seconds for which a process believes what it read about the pods.
PODS_BELIEVED = 1.0
Sections = Mapping[str, Mapping[str, object]]
Say = Callable[[str], None]


def _bin(program: str) -> Path:
    return Path(sys.executable).parent / program


def _service_auth(lab: Lab, **more: object) -> dict[str, object]:
    return {
        "auth_type": "password",
        "auth_url": lab.identity_url,
        "username": "tricircle",
        "password": PASSWORD,
        "project_name": "service",
        "user_domain_name": "Default",
        "project_domain_name": "Default",
        **more,
    }


def tricircle_sections(lab: Lab) -> Sections:
    """What the gateway, xjob and the driver inside central Neutron all read."""
    return {
        "tricircle_database": {
            "connection": lab.database_url("tricircle"),
            "neutron_connection": lab.database_url("central_neutron"),
        },
        "tricircle_identity": _service_auth(
            lab, region_name=REGION, www_authenticate_uri=lab.identity_url, interface="public"
        ),
        "gateway": {
            "listen": ADDRESS,
            "compute_port": lab.port("compute-gateway"),
            "volume_port": lab.port("volume-gateway"),
            "admin_port": lab.port("admin"),
            "placement_port": lab.port("placement-gateway"),
            # A pod of the lab that is frozen holds a list up for this long, no longer.
            "list_deadline": 8,
        },
        "console": {
            "public_base_url": lab.url("console"),
            "port": lab.port("console"),
            "secret": PASSWORD * 4,
        },
        "markers": {"secrets": PASSWORD * 4},
        "federation": {
            "seal_keys": base64.urlsafe_b64encode(f"{PASSWORD * 7:.32}".encode()).decode(),
            "signing_keys": apache.make_signing_key(lab)
            if any(pod.keystone == "jwt" for pod in lab.pods)
            else "",
        },
        "pods": {"probe_interval": 2, "cache_seconds": PODS_BELIEVED},
        "reconciler": {"creation_grace": 20, "audit_interval": 60, "backoff_most": 10},
        "interconnect": _interconnect(lab),
        "storage": {"backup_stores": "+".join(pod.region for pod in lab.pods)},
        # As much room as each pod has by itself.
        "quota": {
            "instances": 200,
            "cores": 500,
            "ram": 500000,
            "volumes": 100,
            "snapshots": 100,
            "gigabytes": 10000,
            "audit_interval": 60,
        },
    }


def _interconnect(lab: Lab) -> dict[str, object]:
    """Pods with agents are joined by tunnels."""
    if not lab.agents:
        return {"home_returns_after": 20}
    buses = [f"{pod.region}:{lab.network_transport_url(pod.key)}" for pod in lab.pods]
    return {"joined_by": "*/*:vxlan+vlan", "message_buses": buses}


def neutron_sections(lab: Lab) -> Sections:
    """Central Neutron's own configuration: stock, but for the driver and the router plugin."""
    var = lab.var / "central"
    auth = _service_auth(lab, region_name=REGION)
    return {
        "DEFAULT": {
            "core_plugin": "ml2",
            "service_plugins": ",".join(SERVICE_PLUGINS),
            "auth_strategy": "keystone",
            "transport_url": "fake:///",
            "rpc_workers": 0,
            "rpc_state_report_workers": 0,
            "notify_nova_on_port_status_changes": "false",
            "notify_nova_on_port_data_changes": "false",
            "state_path": var,
            "dns_domain": "tricircle.lab.",
            "max_dns_nameservers": 10,
            "max_allowed_address_pair": 250,
            "use_stderr": "true",
        },
        "oslo_concurrency": {"lock_path": var / "lock"},
        "oslo_policy": ini.policies(lab),
        "database": {
            "connection": lab.database_url("central_neutron"),
            "max_pool_size": 30,
            "max_overflow": 20,
        },
        "keystone_authtoken": {
            **auth,
            "www_authenticate_uri": lab.identity_url,
            "memcached_servers": lab.memcached,
            "service_token_roles": "service",
            "service_token_roles_required": "true",
        },
        "ml2": {
            "type_drivers": "local,flat,vlan,vxlan",
            "tenant_network_types": "vxlan,vlan,local" if lab.agents else "vlan,local",
            "mechanism_drivers": "tricircle",
            "extension_drivers": "port_security,qos,subnet_dns_publish_fixed_ip",
        },
        "quotas": dict(QUOTAS),
        "ml2_type_vlan": {"network_vlan_ranges": "physnet1:1000:1999"},
        "ml2_type_flat": {"flat_networks": "*"},
        "ml2_type_vxlan": {"vni_ranges": "20001:29999"},
        "oslo_middleware": {"enable_proxy_headers_parsing": "true"},
        **tricircle_sections(lab),
    }


def _write(path: Path, sections: Sections) -> None:
    ini.write(path, sections)
    path.chmod(0o600)


def config_file(lab: Lab) -> Path:
    return lab.etc / "tricircle" / "tricircle.conf"


def neutron_config_file(lab: Lab) -> Path:
    return lab.etc / "central" / "neutron.conf"


def configure(lab: Lab) -> None:
    """Write the configuration files."""
    (lab.var / "central" / "lock").mkdir(parents=True, exist_ok=True)
    _write(config_file(lab), {"DEFAULT": {"use_stderr": "true"}, **tricircle_sections(lab)})
    paste = Path(sys.prefix) / "etc" / "neutron" / "api-paste.ini"
    sections = {key: dict(value) for key, value in neutron_sections(lab).items()}
    sections["DEFAULT"]["api_paste_config"] = paste
    _write(neutron_config_file(lab), sections)


def start(lab: Lab, name: str) -> None:
    """Start one of PROCESSES unless it runs."""
    config = config_file(lab)
    neutron = neutron_config_file(lab)
    if name == CENTRAL:
        # Neutron tells the first of its workers by files in TMPDIR named after the parent's pid.
        temporary = lab.var / "central" / "tmp"
        if process.alive(lab, CENTRAL) is None:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        process.start(
            lab,
            CENTRAL,
            [
                sys.executable,
                Path(__file__).parent / "stock" / "wsgi_api.py",
                "neutron.wsgi.api",
                lab.port("central-network"),
            ],
            env={
                "OS_NEUTRON_CONFIG_DIR": str(neutron.parent),
                "OS_NEUTRON_CONFIG_FILES": neutron.name,
                # uWSGI would tell how many processes serve the API; here it is one.
                "ASGI_WORKERS": "1",
                "TMPDIR": str(temporary),
                "PYTHONPATH": str(packages.STOCK),
            },
        )
    elif name == GATEWAY:
        process.start(lab, GATEWAY, [_bin(GATEWAY), "--config-file", config])
    else:
        process.start(lab, XJOB, [_bin(XJOB), "--config-file", neutron])


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as reply:
            return reply.status < 500
    except urllib.error.HTTPError as error:
        return error.code < 500


def wait(lab: Lab) -> None:
    """Wait until every process answers. Raises LabError with a dead one's last words."""
    process.wait_for(
        "central Neutron", lambda: _answers(lab.url("central-network")), 90, lab, CENTRAL
    )
    process.wait_for(
        "the gateway",
        lambda: _answers(lab.url("compute-gateway") + "/healthcheck"),
        60,
        lab,
        GATEWAY,
    )
    process.wait_for(
        "the Admin API", lambda: _answers(lab.url("admin") + "/healthcheck"), 30, lab, GATEWAY
    )
    if process.alive(lab, XJOB) is None:
        raise LabError(f"{XJOB} has died\n{process.tail(lab, XJOB)}")


def connect(lab: Lab, cloud: str = "admin", region: str = REGION) -> Any:
    """An openstacksdk connection by the lab's clouds.yaml."""
    config = openstack.config.OpenStackConfig(config_files=[str(lab.clouds_yaml)])
    return openstack.connection.Connection(config=config.get_one(cloud, region_name=region))


def register_endpoints(lab: Lab) -> None:
    """Put Tricircle into the catalogue: the services of the region users see."""
    identity = connect(lab).identity
    services = {service.type: service for service in identity.services()}
    present = {
        (endpoint.service_id, endpoint.region_id, endpoint.interface)
        for endpoint in identity.endpoints()
    }
    for kind, name, url in (
        ("compute", "nova", lab.url("compute-gateway") + "/v2.1"),
        ("volumev3", "cinderv3", lab.url("volume-gateway") + "/v3"),
        ("block-storage", "cinder", lab.url("volume-gateway") + "/v3"),
        ("network", "neutron", lab.url("central-network")),
        ("placement", "placement", lab.url("placement-gateway")),
        (
            "multi-region-network-automation",
            "tricircle",
            lab.url("admin") + "/tricircle/v1.0",
        ),
    ):
        service = services.get(kind) or identity.create_service(name=name, type=kind)
        for interface in ("public", "internal", "admin"):
            if (service.id, REGION, interface) not in present:
                identity.create_endpoint(
                    service_id=service.id, region_id=REGION, interface=interface, url=url
                )


def register_pods(lab: Lab) -> None:
    """Register each pod of the lab by the Admin API; those there already stay as they are."""
    session = connect(lab).session
    url = lab.url("admin") + "/tricircle/v1.0/pods"
    listed = session.get(url).json()["pods"]
    known = {pod["region_name"] for pod in listed}
    for pod in lab.pods:
        if pod.region in known:
            continue
        if pod.keystone in settings.FEDERATED:
            _federate(lab, pod)
        made = session.post(url, json={"pod": pod_body(lab, pod)}).json()["pod"]
        if pod.keystone == "credentials":
            _give_credentials(lab, pod, f"{url}/{made['id']}/credentials")


def _federate(lab: Lab, pod: Pod) -> None:
    """What the operators of both sides do, by Tricircle's own words."""
    realm, manage = lab.of(pod), [_bin("tricircle-manage"), "--config-file", config_file(lab)]
    rules = json.loads(process.run([*manage, "access", "mapping", pod.keystone]))
    remote = keystone.entity_id(lab) if pod.keystone == "k2k" else "urn:tricircle"
    identity.trust(realm, apache.PROVIDER, apache.PROTOCOLS[pod.keystone], remote, rules)
    if pod.keystone == "k2k":
        identity.vouch(lab, pod.region, apache.sp_url(realm), apache.auth_url(realm))


def _give_credentials(lab: Lab, pod: Pod, url: str) -> None:
    """Each project has one of the project of its name there."""
    here, session = identity.connection(lab).identity, connect(lab).session
    for name in ("demo", "demo2"):
        credential = identity.application_credential(lab.of(pod), name, name)
        project = here.find_project(name, ignore_missing=False)
        session.put(f"{url}/{project.id}", json={"credential": credential})


def pod_body(lab: Lab, pod: Pod) -> dict[str, object]:
    body: dict[str, object] = {
        "region_name": pod.region,
        "availability_zone": pod.az,
        "pod_availability_zone": "",
        "dc_name": f"dc{pod.index}",
    }
    return body | ({"access": access(lab, pod)} if pod.keystone else {})


def access(lab: Lab, pod: Pod) -> dict[str, object]:
    """How Tricircle enters a pod with a Keystone of its own."""
    more: dict[str, dict[str, object]] = {
        "managed": {
            "domain": MANAGED_DOMAIN,
            "manager": {"username": MANAGER, "password": PASSWORD},
        },
        "k2k": {"service_provider": pod.region},
    }
    return {
        "kind": pod.keystone,
        "auth_url": lab.of(pod).identity_url,
        "insecure": True,
        "region": pod.region,
        "service": {"username": "tricircle", "password": PASSWORD, "project_name": "service"},
        **more.get(pod.keystone, {}),
    }


def begin(lab: Lab) -> None:
    """Start its processes as soon as there are databases and Keystone; harmless when they run."""
    if all(process.alive(lab, name) for name in PROCESSES):
        return
    configure(lab)
    schema.from_template(lab, packages.cache() / f"tricircle-{_digest()}", DATABASES,
                         lambda: _migrate(lab))  # fmt: skip
    register_endpoints(lab)
    for name in PROCESSES:
        start(lab, name)


def _migrate(lab: Lab) -> None:
    for program, config, what in (
        ("tricircle-manage", config_file(lab), ("db", "sync")),
        ("neutron-db-manage", neutron_config_file(lab), ("upgrade", "heads")),
    ):
        process.run([_bin(program), "--config-file", config, *what], env=process.environment(lab))


def _digest() -> str:
    """Of all migrations: ours, and those of the packages that are locked."""
    found = hashlib.sha256((PROJECT_ROOT / "uv.lock").read_bytes())
    for path in sorted((PROJECT_ROOT / "tricircle").glob("**/migrations/**/*.py")):
        found.update(f"{path.relative_to(PROJECT_ROOT)}\n".encode() + path.read_bytes())
    return found.hexdigest()[:12]


def up(lab: Lab, say: Say = print) -> None:
    """Bring Tricircle up over pods that are up; harmless when it is up already."""
    begin(lab)
    wait(lab)
    register_pods(lab)
    say("Tricircle is up")


def down(lab: Lab) -> None:
    """Stop Tricircle's processes; the pods stay."""
    process.stop(lab, PROCESSES)
