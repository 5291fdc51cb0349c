# SPDX-License-Identifier: Apache-2.0
"""What a project may use in all pods together, where nothing else is said."""

from oslo_config import cfg

GROUP = cfg.OptGroup("quota", title="Quotas over all pods")

_LIMITS = (
    ("instances", 10, "Servers a project may have in all pods together."),
    ("cores", 20, "Virtual processors of a project's servers."),
    ("ram", 51200, "Memory of a project's servers, in MB."),
    ("metadata_items", 128, "Metadata items a server may have."),
    ("injected_files", 5, "Files that may be injected into a server."),
    ("injected_file_content_bytes", 10240, "Bytes an injected file may have."),
    ("injected_file_path_length", 255, "Length an injected file's path may have."),
    ("key_pairs", 100, "Key pairs a user may have."),
    ("server_groups", 10, "Server groups a project may have."),
    ("server_group_members", 10, "Servers a user may have in one server group."),
    ("volumes", 10, "Volumes a project may have."),
    ("snapshots", 10, "Snapshots of volumes a project may have."),
    ("gigabytes", 1000, "GB of a project's volumes and snapshots together."),
    ("per_volume_gigabytes", -1, "GB one volume may have."),
    ("backups", 10, "Backups of volumes a project may have."),
    ("backup_gigabytes", 1000, "GB of a project's backups together."),
    ("groups", 10, "Groups of volumes a project may have."),
)

OPTS = [
    cfg.StrOpt(
        "driver",
        default="database",
        choices=[
            ("database", "the quota sets and quota classes of the Compute API, kept here"),
            ("unified_limits", "Keystone's registered limits and limits, by Nova's names"),
        ],
        help="Where limits come from.",
    ),
    cfg.StrOpt(
        "unified_limits_resource_strategy",
        default="require",
        choices=[
            ("require", "what is listed may not be used without a registered limit"),
            ("ignore", "what is listed is not limited without a registered limit"),
        ],
        help="What unified_limits_resource_list means; what is not listed is the other way round. "
        "As Nova's option.",
    ),
    cfg.ListOpt(
        "unified_limits_resource_list",
        default=["servers"],
        help="Resources by Keystone's names: servers, class:VCPU, class:MEMORY_MB, "
        "server_key_pairs, server_groups, ...",
    ),
    cfg.FloatOpt(
        "limits_cache_seconds",
        default=5.0,
        min=0.0,
        help="Seconds what Keystone says of limits is believed.",
    ),
    cfg.FloatOpt(
        "audit_interval",
        default=600.0,
        min=1.0,
        help="Seconds between looks at what a pod's servers really use.",
    ),
    *(
        cfg.IntOpt(name, default=default, min=-1, help=f"{text} -1: no limit.")
        for name, default, text in _LIMITS
    ),
]
