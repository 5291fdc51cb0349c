# SPDX-License-Identifier: Apache-2.0
from oslo_policy import policy

RULES = [
    policy.DocumentedRuleDefault(
        name="tricircle:backups:restore_elsewhere",
        check_str="rule:tricircle_admin or "
        "(role:member and project_id:%(project_id)s and project_id:%(volume_project_id)s)",
        description="Restore a backup (of project_id) into a volume (of volume_project_id) of "
        "another pod. Each pod's Cinder still decides whether one sees the backup and may change "
        "the volume. In the backup's own pod its Cinder decides alone.",
        operations=[{"method": "POST", "path": "/v3/backups/{backup_id}/restore"}],
        scope_types=["system", "project"],
    ),
]
