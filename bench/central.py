# SPDX-License-Identifier: Apache-2.0
"""Stock central Neutron in this process, over a MariaDB that is filled; see ``filled``."""

from __future__ import annotations

import argparse
import contextlib
import logging
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import sqlalchemy as sa
from neutron import manager
from neutron.api import extensions
from neutron.common import config as neutron_config
from neutron.db.migration.models import head  # noqa: F401  (every model)
from neutron_lib.api import attributes
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base
from neutron_lib.plugins import directory

import tricircle.conf
from bench import filled, processes
from tricircle.db import pods, session
from tricircle.db.models import Base
from tricircle.network.central import character_set, models
from tricircle.network.plugins import availability_zones

_CONFIG = """
[DEFAULT]
core_plugin = ml2
service_plugins = tricircle-router,tricircle-port-forwarding,qos,trunk
transport_url = fake:///
rpc_workers = 0
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
enable_traditional_dhcp = false
state_path = {folder}
[placement]
auth_section = tricircle_identity
[oslo_concurrency]
lock_path = {folder}
[database]
connection = {url}/neutron
max_pool_size = 30
[ml2]
type_drivers = local,flat,vlan,vxlan
project_network_types = vxlan
mechanism_drivers = tricircle
extension_drivers = port_security,qos
[ml2_type_vxlan]
vni_ranges = 1:99
[tricircle_database]
connection = {url}/tricircle
[pods]
cache_seconds = 60
[markers]
secrets = a secret of the benchmark
[tricircle_identity]
auth_type = password
auth_url = http://127.0.0.1:1/v3
username = tricircle
password = secret
project_name = service
user_domain_id = default
project_domain_id = default
"""


def arguments(words: str) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=words)
    parser.add_argument("--ports", type=int, default=100_000, help="ports of servers")
    parser.add_argument("--pods", type=int, default=100)
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER",
        help="where the filled database stays, for the next run with as many ports",
    )  # fmt: skip
    return parser


@contextlib.contextmanager
def central(options: argparse.Namespace) -> Iterator[list[filled.Pod]]:
    """Central Neutron's plugins over a filled database, which may be there from before."""
    with contextlib.ExitStack() as stack:
        place = options.keep or stack.enter_context(processes.folder())
        place.mkdir(parents=True, exist_ok=True)
        is_new = not (place / "filled").exists()
        url = stack.enter_context(processes.database("mariadb", place, "1G"))
        engine = _load(url.rpartition("/")[0], place)
        if is_new:
            began = time.monotonic()
            session.reset()
            rows = list(filled.pod_rows(options.pods))
            for row in rows:
                pods.create(row)
        known = [filled.Pod(row.id, row.region_name) for row in pods.list_all()]
        if is_new:
            count = filled.fill(engine, model_base.BASEV2.metadata, known, options.ports)
            (place / "filled").touch()
            print(f"{options.ports} ports, {count} realizations are filled in after "
                  f"{time.monotonic() - began:.0f} s", flush=True)  # fmt: skip
        yield known


def _load(url: str, place: Path) -> sa.Engine:
    """Neutron's plugins, and all tables."""
    config = place / "neutron.conf"
    config.write_text(textwrap.dedent(_CONFIG.format(url=url, folder=place)))
    neutron_config.register_common_config_options()
    neutron_config.init(["--config-file", str(config)], prog="neutron-api")
    tricircle.conf.register()
    engine: sa.Engine = db_api.CONTEXT_WRITER.get_engine()
    model_base.BASEV2.metadata.create_all(engine)
    _adapt()
    Base.metadata.create_all(session.engine())
    manager.init()
    availability_zones.install(directory.get_plugin())
    known = extensions.PluginAwareExtensionManager.get_instance()
    known.extend_resources("2.0", attributes.RESOURCES)
    known.get_resources()
    logging.disable(logging.INFO)
    return engine


def _adapt() -> None:
    """Give our tables the character set of Neutron's, as our migrations do."""
    with models.transaction() as tx:
        for statement in character_set.statements(tx):
            tx.execute(sa.text(statement))
