# SPDX-License-Identifier: Apache-2.0
"""tricircle-xjob: the reconciler. It reads central Neutron's configuration files.

Stock Neutron's plugins are loaded inside the process, as Neutron's own side processes do it.
"""

import signal
import sys
import threading
from collections.abc import Sequence

from neutron import manager
from neutron.api import extensions
from neutron.common import config as neutron_config
from neutron_lib.api import attributes
from oslo_db import options as db_options
from oslo_log import log as logging

import tricircle.conf  # noqa: F401  (registers our options beside Neutron's)
from tricircle import loglines
from tricircle.conf import CONF
from tricircle.network.central import character_set
from tricircle.network.reconcile import runtime
from tricircle.telemetry import systemd
from tricircle.telemetry.reload import reload
from tricircle.xjob import report
from tricircle.xjob.service import Service

LOG = logging.getLogger(__name__)

# Seconds a stop waits for what was begun; a claim that is left runs out by itself.
_PATIENCE = 20.0
# Connections kept to each database, where none is configured. Each pod has a dozen threads; what
# is opened beyond the pool is closed after one use, and costs more than what it is opened for.
_CONNECTIONS = 30


def load_neutron(args: Sequence[str]) -> None:
    """Read the configuration and load the plugins it names; no API is served."""
    neutron_config.register_common_config_options()
    neutron_config.init(list(args), prog="tricircle-xjob")
    neutron_config.setup_logging()
    loglines.tell_about()
    db_options.set_defaults(CONF, max_pool_size=_CONNECTIONS)
    CONF.set_default("max_pool_size", _CONNECTIONS, group="tricircle_database")
    manager.init()
    known = extensions.PluginAwareExtensionManager.get_instance()
    known.extend_resources("2.0", attributes.RESOURCES)


def main(argv: Sequence[str] | None = None) -> int:
    """Work until told to stop by SIGTERM or SIGINT."""
    load_neutron(sys.argv[1:] if argv is None else argv)
    character_set.check()
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    signal.signal(signal.SIGHUP, lambda *_: threading.Thread(target=reload).start())
    service = Service(runtime.get())
    service.start()
    endpoint = report.observe(runtime.get(), service)
    systemd.notify(systemd.READY)
    LOG.info("tricircle-xjob works, %d threads a pod", CONF.reconciler.threads_per_pod)
    told.wait()
    LOG.info("Stopping")
    systemd.notify(systemd.STOPPING)
    if endpoint is not None:
        endpoint.close()
    if not service.stop(_PATIENCE):
        LOG.warning("Some work was left unfinished; it is done after its claim has run out")
    return 0


if __name__ == "__main__":
    sys.exit(main())
