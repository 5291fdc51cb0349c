# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from pathlib import Path

from lab import ini, packages, process
from lab.ini import Sections
from lab.process import Daemon
from lab.services import paste, program
from lab.settings import CURRENT, Lab, Pod

#: Network without agents or packets: any port binds on any host.
FAKE_NETWORK: Sections = {
    "DEFAULT": {
        "service_plugins": "router,qos,segments,trunk,port_forwarding,auto_allocate",
        "l3_ha": False,
    },
    "ml2": {
        "type_drivers": "local,flat,vlan,geneve",
        "tenant_network_types": "geneve",
        "mechanism_drivers": "labfake",
        "extension_drivers": "port_security,qos,subnet_dns_publish_fixed_ip",
    },
    "ml2_type_flat": {"flat_networks": "*"},
    "ml2_type_vlan": {"network_vlan_ranges": "physnet1:100:399"},
    "ml2_type_geneve": {"vni_ranges": "1:1000", "max_header_size": 38},
    "securitygroup": {"enable_security_group": True},
}
QUOTAS = {
    "quota_network": 200,
    "quota_subnet": 200,
    "quota_port": 1000,
    "quota_router": 100,
    "quota_floatingip": 200,
    "quota_security_group": 200,
    "quota_security_group_rule": 1000,
}


def _config(lab: Lab, pod: Pod) -> Path:
    return lab.etc / pod.key / "neutron" / "neutron.conf"


def _in_python(lab: Lab, pod: Pod) -> Path:
    """What differs for those of its processes that run on eventlet or fork: their MySQL client."""
    return _config(lab, pod).with_name("in-python.conf")


def configure(lab: Lab, pod: Pod, network_options: Sections | None) -> None:
    """``network_options``: what the data plane wants; None for the network without packets."""
    state = lab.var / pod.key / "neutron"
    state.mkdir(parents=True, exist_ok=True)
    base: Sections = {
        "DEFAULT": ini.common(
            transport_url=lab.network_transport_url(pod.key),
            host=f"{pod.key}-control",
            core_plugin="ml2",
            auth_strategy="keystone",
            state_path=state,
            api_paste_config=paste(pod.release, "neutron"),
            rpc_workers=1 if lab.broker else 0,
            rpc_state_report_workers=0,
            api_workers=1,
            notify_nova_on_port_status_changes=True,
            notify_nova_on_port_data_changes=True,
            dns_domain=f"{pod.key}.lab.",
            max_dns_nameservers=10,
            max_allowed_address_pair=250,
        ),
        "database": ini.database(lab, pod.database("neutron"), packages.mysql_driver(pod.release)),
        "keystone_authtoken": ini.authtoken(lab, "neutron"),
        "oslo_policy": ini.policies(lab),
        "nova": ini.credentials(lab, "nova", pod.region),
        "placement": ini.credentials(lab, "placement", pod.region),
        "oslo_concurrency": {"lock_path": lab.var / "lock" / pod.key / "neutron"},
        "oslo_messaging_rabbit": ini.MESSAGING,
        "oslo_middleware": {"enable_proxy_headers_parsing": True},
        "quotas": dict(QUOTAS),
    }
    ini.write(_config(lab, pod), ini.merge(base, network_options or FAKE_NETWORK))
    ini.write(_in_python(lab, pod), {"database": ini.database(lab, pod.database("neutron"))})


def migrate(lab: Lab, pod: Pod) -> None:
    process.run(
        [
            *(program(pod.release, "neutron-db-manage"), "--config-file", _config(lab, pod)),
            *("upgrade", "heads"),
        ],
        env=process.environment(lab, packages.environment(pod.release)),
    )


def environment(lab: Lab, pod: Pod) -> dict[str, str]:
    config = _config(lab, pod)
    return packages.environment(pod.release) | {
        "OS_NEUTRON_CONFIG_DIR": str(config.parent),
        "OS_NEUTRON_CONFIG_FILES": config.name,
        # Outside uwsgi and mod_wsgi, ML2/OVN learns the number of API processes from here.
        "ASGI_WORKERS": "1",
    }


def _workers(lab: Lab, pod: Pod) -> list[Daemon]:
    """What Neutron runs beside its API for the network it has."""
    names = []
    if lab.daemons:
        names += ["neutron-periodic-workers"]
    if lab.profile == "ovn":
        names += ["neutron-ovn-maintenance-worker"]
    elif lab.broker:
        names += ["neutron-rpc-server"]  # OVN has no agents that would call it
    config = ["--config-file", _config(lab, pod)]
    if pod.release != CURRENT or lab.broker:
        config += ["--config-file", _in_python(lab, pod)]
    return [
        Daemon(
            f"{pod.key}-{name}",
            [program(pod.release, name), *config],
            environment(lab, pod),
        )
        for name in names
    ]


def _api(lab: Lab, pod: Pod, name: str) -> Daemon:
    argv = [
        *(program(pod.release, "python"), packages.STOCK / "neutron_aio.py"),
        *("--port", pod.port("network")),
    ]
    temporary = {"TMPDIR": str(lab.var / pod.key / "neutron" / "tmp")}
    return Daemon(name, argv, environment(lab, pod) | temporary)


def together(lab: Lab, pod: Pod) -> list[Daemon]:
    return [_api(lab, pod, f"{pod.key}-neutron"), *_workers(lab, pod)]


def apart(lab: Lab, pod: Pod) -> list[Daemon]:
    return [_api(lab, pod, f"{pod.key}-neutron-api"), *_workers(lab, pod)]
