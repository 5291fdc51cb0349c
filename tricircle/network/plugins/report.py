# SPDX-License-Identifier: Apache-2.0
"""What a process of central Neutron's API tells of its calls to pods."""

from pathlib import Path

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.telemetry import metrics
from tricircle.telemetry.endpoint import Endpoint

LOG = logging.getLogger(__name__)


def observe() -> Endpoint | None:
    """Tell the numbers of this process on [telemetry] neutron_port, if there is one.

    With a neutron_folder, those of all processes that use it: one of them needs the port.
    """
    telemetry = CONF.telemetry
    if not telemetry.neutron_port:
        return None
    if telemetry.neutron_folder:
        metrics.share(Path(telemetry.neutron_folder))
    try:
        return Endpoint(telemetry.neutron_port, lambda: "")
    except OSError as error:
        # Neutron serves without.
        LOG.error("No numbers are told on port %d: %s", telemetry.neutron_port, error)
        return None
