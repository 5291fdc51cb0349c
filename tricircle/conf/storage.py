# SPDX-License-Identifier: Apache-2.0
"""What pods' storage has in common."""

from oslo_config import cfg

GROUP = cfg.OptGroup("storage", title="Block storage over pods")

OPTS = [
    cfg.ListOpt(
        "backup_stores",
        default=[],
        help="Pods whose backups are in one store, reached by one driver with one configuration: "
        "Pod1+Pod2, Pod3+Pod4. A backup of one is restored into volumes of the others.",
    ),
]
