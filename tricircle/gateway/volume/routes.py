# SPDX-License-Identifier: Apache-2.0
"""The Block Storage API in one table: every row Cinder has, and the way it is served.

``first`` is the microversion Cinder serves a row from: before it any pod tells the client so.
"""

import dataclasses
from collections.abc import Iterable

from tricircle.gateway import availability_zones
from tricircle.gateway.call import Handler
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.upstream import mirror
from tricircle.gateway.volume import (
    actions,
    backups,
    creation,
    creation_from_source,
    deletion,
    documents,
    lists,
    operators,
    types,
    versions,
)
from tricircle.gateway.volume.quota import quota_sets

ANY, LOCAL = Way.ANY, Way.LOCAL
MIRRORED, ROUTED, SCATTERED, SCHEDULED = Way.MIRRORED, Way.ROUTED, Way.SCATTERED, Way.SCHEDULED

# From where Cinder has whole collections.
_MESSAGES = (3, 3)
_CLUSTERS = (3, 7)
_GROUP_TYPES = (3, 11)
_GROUPS = (3, 13)
_GROUP_SNAPSHOTS = (3, 14)
_ATTACHMENTS = (3, 27)
_DEFAULT_TYPES = (3, 62)


def _lists(path: str) -> tuple[Route, ...]:
    return (
        Route("GET", path, SCATTERED, lists.brief),
        Route("GET", f"{path}/detail", SCATTERED, lists.detail),
    )


def _one(path: str, kind: str, *methods: str, id_param: str = "id") -> tuple[Route, ...]:
    """Rows of what lives in one pod: its document, and what is done to it."""
    handlers = {"DELETE": deletion.delete, "POST": actions.act}
    return tuple(
        Route(method, path, ROUTED, handlers.get(method, documents.routed), kind, id_param)
        for method in methods
    )


def _metadata(path: str, kind: str) -> tuple[Route, ...]:
    """Rows of the metadata of what lives in one pod."""
    param = f"{kind}_id"
    rows = [(method, "") for method in ("GET", "POST", "PUT")]
    rows += [(method, "/{id}") for method in ("GET", "PUT", "DELETE")]
    return tuple(
        Route(method, f"{path}/{{{param}}}/metadata{rest}", ROUTED, None, kind, param)
        for method, rest in rows
    )


def _since(first: tuple[int, int], routes: Iterable[Route]) -> tuple[Route, ...]:
    """Rows that Cinder has from a microversion on."""
    return tuple(dataclasses.replace(route, first=first) for route in routes)


def _type(method: str, path: str, handler: Handler = types.change) -> Route:
    """A row of volume types, group types and QoS specs, which are the same in every pod."""
    return Route(method, path, MIRRORED, handler)


def _operator(
    method: str, path: str, handler: Handler, first: tuple[int, int] | None = None
) -> Route:
    """A row for operators."""
    return Route(method, path, SCATTERED, handler, first=first)


def _manageable(path: str, manage: Handler) -> tuple[Route, ...]:
    """Rows of what a backend has and Cinder does not know yet."""
    return (
        _operator("GET", path, operators.manageable),
        _operator("GET", f"{path}/detail", operators.manageable),
        _operator("POST", path, manage),
    )


ROUTES = (
    # The API itself
    Route("GET", "/", LOCAL, versions.no_version),
    Route("GET", "/extensions", ANY),
    Route("GET", "/extensions/{id}", ANY),
    Route("GET", "/resource_filters", ANY, first=(3, 33)),
    Route("GET", "/limits", LOCAL, quota_sets.show_limits),
    Route("GET", "/os-availability-zone", LOCAL, availability_zones.list),
    # Volumes
    *_lists("/volumes"),
    Route("GET", "/volumes/summary", SCATTERED, lists.summary, first=(3, 12)),
    Route("POST", "/volumes", SCHEDULED, creation.volume),
    *_one("/volumes/{id}", "volume", "GET", "PUT", "DELETE"),
    *_one("/volumes/{id}/action", "volume", "POST"),
    *_metadata("/volumes", "volume"),
    Route("GET", "/volumes/{volume_id}/encryption", ROUTED, None, "volume", "volume_id"),
    Route("GET", "/volumes/{volume_id}/encryption/{id}", ROUTED, None, "volume", "volume_id"),
    # Snapshots
    *_lists("/snapshots"),
    Route("POST", "/snapshots", SCHEDULED, creation_from_source.create),
    *_one("/snapshots/{id}", "snapshot", "GET", "PUT", "DELETE"),
    *_one("/snapshots/{id}/action", "snapshot", "POST"),
    *_metadata("/snapshots", "snapshot"),
    # Backups
    *_lists("/backups"),
    Route("POST", "/backups", SCHEDULED, creation_from_source.create),
    *_one("/backups/{id}", "backup", "GET", "DELETE"),
    *_since((3, 9), _one("/backups/{id}", "backup", "PUT")),
    *_one("/backups/{id}/action", "backup", "POST"),
    *_one("/backups/{id}/export_record", "backup", "GET"),
    Route("POST", "/backups/{id}/restore", ROUTED, backups.restore),
    Route("POST", "/backups/import_record", SCHEDULED, backups.import_record),
    # Transfers, by both names
    *_lists("/volume-transfers"),
    Route("POST", "/volume-transfers", SCHEDULED, creation_from_source.create),
    *_one("/volume-transfers/{id}", "transfer", "GET", "DELETE"),
    Route("POST", "/volume-transfers/{id}/accept", ROUTED, creation_from_source.accept),
    *_lists("/os-volume-transfer"),
    Route("POST", "/os-volume-transfer", SCHEDULED, creation_from_source.create),
    *_one("/os-volume-transfer/{id}", "transfer", "GET", "DELETE"),
    Route("POST", "/os-volume-transfer/{id}/accept", ROUTED, creation_from_source.accept),
    # Attachments
    *_since(
        _ATTACHMENTS,
        (
            *_lists("/attachments"),
            Route("POST", "/attachments", SCHEDULED, creation_from_source.attach),
            *_one("/attachments/{id}", "attachment", "GET", "PUT", "DELETE"),
        ),
    ),
    *_since((3, 44), _one("/attachments/{id}/action", "attachment", "POST")),
    # Groups of volumes and their snapshots, by both names
    *_since(
        _GROUPS,
        (
            *_lists("/groups"),
            Route("POST", "/groups", SCHEDULED, creation.group),
            Route("POST", "/groups/action", SCHEDULED, creation_from_source.create),
            *_one("/groups/{id}", "group", "GET", "PUT", "DELETE"),
            *_one("/groups/{id}/action", "group", "POST"),
        ),
    ),
    *_since(
        _GROUP_SNAPSHOTS,
        (
            *_lists("/group_snapshots"),
            Route("POST", "/group_snapshots", SCHEDULED, creation_from_source.create),
            *_one("/group_snapshots/{id}", "group_snapshot", "GET", "DELETE"),
        ),
    ),
    *_since((3, 19), _one("/group_snapshots/{id}/action", "group_snapshot", "POST")),
    *_lists("/consistencygroups"),
    Route("POST", "/consistencygroups", SCHEDULED, creation.consistencygroup),
    Route("POST", "/consistencygroups/create_from_src", SCHEDULED, creation_from_source.create),
    *_one("/consistencygroups/{id}", "consistencygroup", "GET", "PUT", "DELETE"),
    *_one("/consistencygroups/{id}/delete", "consistencygroup", "POST"),
    *_one("/consistencygroups/{id}/update", "consistencygroup", "PUT"),
    *_lists("/cgsnapshots"),
    Route("POST", "/cgsnapshots", SCHEDULED, creation_from_source.create),
    *_one("/cgsnapshots/{id}", "cgsnapshot", "GET", "DELETE"),
    # Messages about what went wrong
    *_since(
        _MESSAGES,
        (
            Route("GET", "/messages", SCATTERED, lists.brief),
            *_one("/messages/{id}", "message", "GET", "DELETE"),
        ),
    ),
    # Volume types: the same in every pod
    _type("GET", "/types", mirror.read),
    _type("POST", "/types", types.create),
    _type("GET", "/types/{id}", mirror.read),
    _type("PUT", "/types/{id}"),
    _type("DELETE", "/types/{id}", types.delete),
    _type("POST", "/types/{id}/action"),
    _type("GET", "/types/{type_id}/extra_specs", mirror.read),
    _type("POST", "/types/{type_id}/extra_specs"),
    _type("GET", "/types/{type_id}/extra_specs/{id}", mirror.read),
    _type("PUT", "/types/{type_id}/extra_specs/{id}"),
    _type("DELETE", "/types/{type_id}/extra_specs/{id}"),
    _type("GET", "/types/{type_id}/encryption", mirror.read),
    _type("POST", "/types/{type_id}/encryption"),
    _type("GET", "/types/{type_id}/encryption/{id}", mirror.read),
    _type("PUT", "/types/{type_id}/encryption/{id}"),
    _type("DELETE", "/types/{type_id}/encryption/{id}"),
    _type("GET", "/types/{type_id}/os-volume-type-access", mirror.read),
    *_since(
        _DEFAULT_TYPES,
        (
            _type("GET", "/default-types", mirror.read),
            _type("GET", "/default-types/{id}", mirror.read),
            _type("PUT", "/default-types/{id}", types.set_default),
            _type("DELETE", "/default-types/{id}", types.unset_default),
        ),
    ),
    # Group types
    *_since(
        _GROUP_TYPES,
        (
            _type("GET", "/group_types", mirror.read),
            _type("POST", "/group_types", types.create),
            _type("GET", "/group_types/{id}", mirror.read),
            _type("PUT", "/group_types/{id}"),
            _type("DELETE", "/group_types/{id}", types.delete),
            _type("GET", "/group_types/{group_type_id}/group_specs", mirror.read),
            _type("POST", "/group_types/{group_type_id}/group_specs"),
            _type("GET", "/group_types/{group_type_id}/group_specs/{id}", mirror.read),
            _type("PUT", "/group_types/{group_type_id}/group_specs/{id}"),
            _type("DELETE", "/group_types/{group_type_id}/group_specs/{id}"),
        ),
    ),
    # QoS specs; what they are associated with is a matter of the volume type
    _type("GET", "/qos-specs", mirror.read),
    _type("POST", "/qos-specs", types.create),
    _type("GET", "/qos-specs/{id}", mirror.read),
    _type("PUT", "/qos-specs/{id}"),
    _type("DELETE", "/qos-specs/{id}", types.delete),
    _type("PUT", "/qos-specs/{id}/delete_keys"),
    _type("GET", "/qos-specs/{id}/associations", mirror.read),
    _type("GET", "/qos-specs/{id}/associate", types.associate),
    _type("GET", "/qos-specs/{id}/disassociate", types.associate),
    _type("GET", "/qos-specs/{id}/disassociate_all", types.disassociate_all),
    # Quotas, over all pods
    Route("GET", "/os-quota-sets/{id}", LOCAL, quota_sets.show),
    Route("PUT", "/os-quota-sets/{id}", LOCAL, quota_sets.update),
    Route("DELETE", "/os-quota-sets/{id}", LOCAL, quota_sets.delete),
    Route("GET", "/os-quota-sets/{id}/defaults", LOCAL, quota_sets.defaults),
    Route("GET", "/os-quota-class-sets/{id}", LOCAL, quota_sets.show_class),
    Route("PUT", "/os-quota-class-sets/{id}", LOCAL, quota_sets.update_class),
    # For operators
    _operator("GET", "/os-services", operators.services),
    *(
        _operator("PUT", f"/os-services/{action}", operators.change_service)
        for action in ("enable", "disable", "disable-log-reason", "freeze", "thaw", "failover_host")
    ),
    _operator("PUT", "/os-services/get-log", operators.logs, first=(3, 32)),
    _operator("PUT", "/os-services/set-log", operators.logs, first=(3, 32)),
    _operator("GET", "/os-hosts", operators.hosts),
    _operator("PUT", "/os-hosts", operators.host),
    _operator("GET", "/os-hosts/{id}", operators.host),
    _operator("PUT", "/os-hosts/{id}", operators.host),
    _operator("GET", "/scheduler-stats/get_pools", operators.pools),
    _operator("GET", "/capabilities/{id}", operators.host),
    *_since(
        _CLUSTERS,
        (
            _operator("GET", "/clusters", operators.clusters),
            _operator("GET", "/clusters/detail", operators.clusters),
            _operator("GET", "/clusters/{id}", operators.cluster),
            _operator("PUT", "/clusters/enable", operators.change_cluster),
            _operator("PUT", "/clusters/disable", operators.change_cluster),
        ),
    ),
    _operator("POST", "/workers/cleanup", operators.cleanup, first=(3, 24)),
    # By the older names from the beginning on, by the newer ones later
    *_manageable("/os-volume-manage", operators.manage_volume),
    *_manageable("/os-snapshot-manage", operators.manage_snapshot),
    *_since((3, 8), _manageable("/manageable_volumes", operators.manage_volume)),
    *_since((3, 8), _manageable("/manageable_snapshots", operators.manage_snapshot)),
)
