# SPDX-License-Identifier: Apache-2.0
"""Central Neutron, the stock one, loaded in this process over fake pods.

Its plugins are loaded once; each test begins with empty tables and pods of its own.
"""

import gc
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa
from neutron import manager
from neutron.api import extensions
from neutron.common import config as neutron_config
from neutron.db.migration.models import head  # noqa: F401  (every model)
from neutron_lib.api import attributes
from neutron_lib.db import api as db_api
from neutron_lib.db import model_base
from neutron_lib.plugins import directory

from tests import database as databases
from tests.functional import gateway_harness
from tests.functional.fakes.cloud import Cloud
from tests.functional.network.crash_injection import Killer
from tests.functional.network.stage import Stage
from tests.functional.network.statements import Asked
from tests.functional.network.tables import Tables
from tests.functional.network.tunnels import Tunnels, joined_by_vxlan
from tricircle.conf import CONF
from tricircle.db import session
from tricircle.network.central import models as network_models  # noqa: F401  (our table)
from tricircle.network.plugins import availability_zones
from tricircle.network.reconcile import runtime

NEUTRON = """
[DEFAULT]
core_plugin = ml2
service_plugins = tricircle-router,tricircle-port-forwarding,qos,trunk,auto_allocate
transport_url = fake:///
rpc_workers = 0
notify_nova_on_port_status_changes = false
notify_nova_on_port_data_changes = false
enable_traditional_dhcp = false
state_path = {folder}
dns_domain = example.org.
[placement]
auth_section = tricircle_identity
[oslo_concurrency]
lock_path = {folder}
[database]
connection = sqlite:///{folder}/neutron.sqlite?timeout=30
[ml2]
type_drivers = local,flat,vlan,vxlan
project_network_types = local
mechanism_drivers = tricircle
extension_drivers = port_security,qos,subnet_dns_publish_fixed_ip
[ml2_type_vlan]
network_vlan_ranges = physnet1:200:299
[ml2_type_vxlan]
vni_ranges = 20001:20099
"""

OVERRIDES = {
    "backoff_first": 0.05,
    # Most tests look at what follows from one change after the other.
    "pace": 0,
    "bind_deadline": 40,
    "call_deadline": 5,
    "claim_seconds": 60,
    # Who dies in a test is a part of a process that lives on: it must not go on renewing.
    "lease_seconds": 60,
}


@pytest.fixture(scope="session")
def neutron_config_text(tmp_path_factory: pytest.TempPathFactory) -> str:
    return textwrap.dedent(NEUTRON.format(folder=tmp_path_factory.mktemp("central")))


@pytest.fixture
def one_writer() -> Iterator[None]:
    """Let every transaction take SQLite's lock when it begins.

    Neutron's read first and write later: of two at once, SQLite fails the second on the spot.
    """

    def immediate(
        _: object, __: object, statement: str, parameters: object, ___: object, ____: object
    ) -> tuple[str, object]:
        return ("BEGIN IMMEDIATE" if statement == "BEGIN" else statement), parameters

    sa.event.listen(sa.Engine, "before_cursor_execute", immediate, retval=True)
    yield
    sa.event.remove(sa.Engine, "before_cursor_execute", immediate)


@pytest.fixture(scope="session")
def plugins(neutron_config_text: str, tmp_path_factory: pytest.TempPathFactory) -> Tables:
    """Stock Neutron's plugins, and its tables in SQLite as a new Neutron has them."""
    path = tmp_path_factory.mktemp("config") / "neutron.conf"
    path.write_text(neutron_config_text)
    neutron_config.register_common_config_options()
    neutron_config.init(["--config-file", str(path)], prog="neutron-api")
    engine = db_api.CONTEXT_WRITER.get_engine()
    session.keep_connections(engine, 5, 50)
    model_base.BASEV2.metadata.create_all(engine)
    manager.init()
    availability_zones.install(directory.get_plugin())  # as before Neutron's own processes start
    known = extensions.PluginAwareExtensionManager.get_instance()
    known.extend_resources("2.0", attributes.RESOURCES)
    known.get_resources()
    tables = Tables(engine)
    # A million objects that stay: nobody looks through them for what may go.
    gc.collect()
    gc.freeze()
    return tables


@pytest.fixture
def stage(
    plugins: Tables, neutron_config_text: str, cloud: Cloud, tmp_path: Path, database: str
) -> Iterator[Stage]:
    """Central Neutron with nothing in it, over three fresh pods."""
    path = tmp_path / "neutron.conf"
    gateway_harness.write_config(path, cloud, database)
    path.write_text(neutron_config_text + path.read_text().replace("[DEFAULT]", ""))
    session.reset()
    CONF(["--config-file", str(path)], project="neutron")
    for name, value in OVERRIDES.items():
        CONF.set_override(name, value, group="reconciler")
    databases.make(database)
    pod_ids = gateway_harness.add_pods(cloud)
    runtime.use(None)
    plugins.restore()
    yield Stage(cloud, pod_ids)
    for name in OVERRIDES:
        CONF.clear_override(name, group="reconciler")
    runtime.use(None)
    session.reset()


#: What only a mistake of ours raises. The next try may hide it: it begins where this one ended.
MISTAKES = (NameError, TypeError, AttributeError, LookupError)


@pytest.fixture(autouse=True)
def no_mistake(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """No work on a realization ended by a mistake of ours."""
    yield
    raised = [
        record.exc_info[1]
        for when in ("setup", "call")
        for record in caplog.get_records(when)
        if record.exc_info and record.name.startswith("tricircle.")
    ]
    assert not [error for error in raised if isinstance(error, MISTAKES)]


@pytest.fixture
def asked() -> Asked:
    return Asked()


@pytest.fixture
def killer(monkeypatch: pytest.MonkeyPatch) -> Killer:
    return Killer(monkeypatch)


@pytest.fixture
def no_grace() -> Iterator[None]:
    CONF.set_override("orphan_grace", 0, group="reconciler")
    yield
    CONF.clear_override("orphan_grace", group="reconciler")


@pytest.fixture
def tunnels(stage: Stage) -> Iterator[Tunnels]:
    with joined_by_vxlan(stage) as tunnels:
        yield tunnels
