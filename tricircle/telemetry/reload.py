# SPDX-License-Identifier: Apache-2.0
"""What SIGHUP does: the options that may change while a process runs are read anew."""

from oslo_log import log as logging

from tricircle import loglines
from tricircle.conf import CONF

LOG = logging.getLogger(__name__)


def reload() -> None:
    """Read the configuration files again: [DEFAULT] debug and log_config_append count at once.

    Raises nothing: a file that is wrong changes nothing.
    """
    try:
        changed = CONF.mutate_config_files()
    except Exception as error:
        LOG.error("The configuration cannot be read anew: %s", error)
        return
    loglines.guard()
    names = ", ".join(name for _, name in changed) or "nothing that may change"
    LOG.info("The configuration was read anew; changed: %s", names)
