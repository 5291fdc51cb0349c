# SPDX-License-Identifier: Apache-2.0
"""The Compute API in one table: every row Nova has, and the way it is served.

Ways with one obvious handling (routed, any) name no handler. ``first`` and ``last`` are the
microversions Nova serves a row between: outside any pod tells the client so in Nova's words.
"""

from tricircle.gateway import availability_zones
from tricircle.gateway.call import Handler
from tricircle.gateway.compute import flavors, keypairs, server_groups, versions
from tricircle.gateway.compute.networking import security_groups as server_security_groups
from tricircle.gateway.compute.operators import (
    aggregates,
    audit_log,
    external_events,
    hosts,
    items,
    migrations,
    simple_tenant_usage,
    volume_snapshots,
)
from tricircle.gateway.compute.operators import lists as operator_lists
from tricircle.gateway.compute.proxies import floating_ips, networks, security_groups, volumes
from tricircle.gateway.compute.quota import limits, quota_sets
from tricircle.gateway.compute.servers import (
    addresses,
    attachments,
    consoles,
    document,
    handlers,
    interfaces,
    metadata,
)
from tricircle.gateway.compute.servers import lists as server_lists
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.upstream import mirror

ANY, LOCAL = Way.ANY, Way.LOCAL
MIRRORED, ROUTED, SCATTERED, SCHEDULED = Way.MIRRORED, Way.ROUTED, Way.SCATTERED, Way.SCHEDULED

# Nova's proxies to Neutron, Cinder, Glance and Ironic end here.
_PROXIES = (2, 35)
_HOSTS = (2, 42)
_VOLUMES_BOOT = (2, 102)
# From where Nova has tags of servers, and shares of theirs.
_TAGS = (2, 26)
_SHARES = (2, 97)

_SERVER = "/servers/{server_id}"


def _server(
    method: str, path: str, handler: Handler | None = None, first: tuple[int, int] | None = None
) -> Route:
    """A row below one server: served by the pod that holds it."""
    return Route(method, _SERVER + path, ROUTED, handler, "server", "server_id", first=first)


def _volumes_boot(method: str, path: str, way: Way, handler: Handler) -> Route:
    """A row of the older name of servers that boot from a volume."""
    return Route(method, f"/os-volumes_boot{path}", way, handler, last=_VOLUMES_BOOT)


def _proxy(method: str, path: str, way: Way, handler: Handler) -> Route:
    """A row of Nova's proxies to other services."""
    return Route(method, path, way, handler, last=_PROXIES)


def _operator(
    method: str,
    path: str,
    way: Way,
    handler: Handler,
    last: tuple[int, int] | None = None,
    first: tuple[int, int] | None = None,
) -> Route:
    """A row for operators."""
    return Route(method, path, way, handler, last=last, first=first)


ROUTES = (
    # The API itself
    Route("GET", "/", LOCAL, versions.show_version),
    Route("GET", "/versions/{id}", LOCAL, versions.show_version),
    Route("GET", "/extensions", ANY),
    Route("GET", "/extensions/{id}", ANY),
    Route("GET", "/limits", LOCAL, limits.show),
    Route("GET", "/os-availability-zone", LOCAL, availability_zones.list),
    Route("GET", "/os-availability-zone/detail", LOCAL, availability_zones.list),
    # Servers
    Route("GET", "/servers", SCATTERED, server_lists.brief),
    Route("POST", "/servers", SCHEDULED, handlers.create),
    Route("GET", "/servers/detail", SCATTERED, server_lists.detail),
    Route("GET", "/servers/{id}", ROUTED, document.show),
    Route("PUT", "/servers/{id}", ROUTED, document.show),
    Route("DELETE", "/servers/{id}", ROUTED, handlers.delete),
    Route("POST", "/servers/{id}/action", ROUTED, handlers.action),
    # Servers by the older name of those that boot from a volume
    _volumes_boot("GET", "", SCATTERED, server_lists.brief),
    _volumes_boot("POST", "", SCHEDULED, handlers.create),
    _volumes_boot("GET", "/detail", SCATTERED, server_lists.detail),
    _volumes_boot("GET", "/{id}", ROUTED, document.show),
    _volumes_boot("PUT", "/{id}", ROUTED, document.show),
    _volumes_boot("DELETE", "/{id}", ROUTED, handlers.delete),
    _volumes_boot("POST", "/{id}/action", ROUTED, handlers.action),
    # One server's parts
    _server("GET", "/diagnostics"),
    _server("GET", "/ips", addresses.list_all),
    _server("GET", "/ips/{id}", addresses.of_network),
    _server("GET", "/metadata"),
    _server("POST", "/metadata", metadata.add),
    _server("PUT", "/metadata", metadata.replace),
    _server("GET", "/metadata/{id}"),
    _server("PUT", "/metadata/{id}", metadata.add),
    _server("DELETE", "/metadata/{id}"),
    _server("GET", "/migrations", migrations.list_for_server, first=(2, 23)),
    _server("GET", "/migrations/{id}", migrations.one_of_server, first=(2, 23)),
    _server("DELETE", "/migrations/{id}", migrations.one_of_server, first=(2, 24)),
    _server("POST", "/migrations/{id}/action", migrations.one_of_server, first=(2, 22)),
    _server("GET", "/os-instance-actions", document.actions),
    _server("GET", "/os-instance-actions/{id}", document.actions),
    _server("GET", "/os-interface", interfaces.list),
    _server("POST", "/os-interface", interfaces.create),
    _server("GET", "/os-interface/{id}", interfaces.show),
    _server("DELETE", "/os-interface/{id}", interfaces.delete),
    _server("GET", "/os-security-groups", server_security_groups.list_for_server),
    _server("GET", "/os-server-password"),
    _server("DELETE", "/os-server-password"),
    _server("GET", "/os-volume_attachments"),
    _server("POST", "/os-volume_attachments", attachments.change),
    _server("GET", "/os-volume_attachments/{id}"),
    _server("PUT", "/os-volume_attachments/{id}", attachments.change),
    _server("DELETE", "/os-volume_attachments/{id}"),
    _server("POST", "/remote-consoles", consoles.create, first=(2, 6)),
    _server("GET", "/shares", first=_SHARES),
    _server("POST", "/shares", first=_SHARES),
    _server("GET", "/shares/{id}", first=_SHARES),
    _server("DELETE", "/shares/{id}", first=_SHARES),
    _server("GET", "/tags", first=_TAGS),
    _server("PUT", "/tags", first=_TAGS),
    _server("DELETE", "/tags", first=_TAGS),
    _server("GET", "/tags/{id}", first=_TAGS),
    _server("PUT", "/tags/{id}", first=_TAGS),
    _server("DELETE", "/tags/{id}", first=_TAGS),
    _server("GET", "/topology", first=(2, 78)),
    # Definitions that are the same in every pod
    Route("GET", "/flavors", MIRRORED, mirror.read),
    Route("POST", "/flavors", MIRRORED, flavors.create),
    Route("GET", "/flavors/detail", MIRRORED, mirror.read),
    Route("GET", "/flavors/{id}", MIRRORED, mirror.read),
    Route("PUT", "/flavors/{id}", MIRRORED, flavors.update, first=(2, 55)),
    Route("DELETE", "/flavors/{id}", MIRRORED, flavors.delete),
    Route("POST", "/flavors/{id}/action", MIRRORED, flavors.action),
    Route("GET", "/flavors/{flavor_id}/os-extra_specs", MIRRORED, mirror.read),
    Route("POST", "/flavors/{flavor_id}/os-extra_specs", MIRRORED, flavors.create_extra_specs),
    Route("GET", "/flavors/{flavor_id}/os-extra_specs/{id}", MIRRORED, mirror.read),
    Route("PUT", "/flavors/{flavor_id}/os-extra_specs/{id}", MIRRORED, flavors.update_extra_spec),
    Route(
        "DELETE", "/flavors/{flavor_id}/os-extra_specs/{id}", MIRRORED, flavors.delete_extra_spec
    ),
    Route("GET", "/flavors/{flavor_id}/os-flavor-access", MIRRORED, mirror.read),
    Route("GET", "/os-keypairs", MIRRORED, mirror.read),
    Route("POST", "/os-keypairs", MIRRORED, keypairs.create),
    Route("GET", "/os-keypairs/{id}", MIRRORED, mirror.read),
    Route("DELETE", "/os-keypairs/{id}", MIRRORED, keypairs.delete),
    # Nova's proxy to Glance, which all pods share: any pod answers alike
    Route("GET", "/images", ANY),
    Route("GET", "/images/detail", ANY),
    Route("GET", "/images/{id}", ANY),
    Route("DELETE", "/images/{id}", ANY),
    Route("GET", "/images/{image_id}/metadata", ANY),
    Route("POST", "/images/{image_id}/metadata", ANY),
    Route("PUT", "/images/{image_id}/metadata", ANY),
    Route("GET", "/images/{image_id}/metadata/{id}", ANY),
    Route("PUT", "/images/{image_id}/metadata/{id}", ANY),
    Route("DELETE", "/images/{image_id}/metadata/{id}", ANY),
    # What Nova has retired: any pod answers 410 for all
    Route("GET", "/os-agents", ANY),
    Route("POST", "/os-agents", ANY),
    Route("PUT", "/os-agents/{id}", ANY),
    Route("DELETE", "/os-agents/{id}", ANY),
    Route("POST", "/os-cells", ANY),
    Route("GET", "/os-cells", ANY),
    Route("GET", "/os-cells/capacities", ANY),
    Route("GET", "/os-cells/detail", ANY),
    Route("GET", "/os-cells/info", ANY),
    Route("POST", "/os-cells/sync_instances", ANY),
    Route("GET", "/os-cells/{id}", ANY),
    Route("PUT", "/os-cells/{id}", ANY),
    Route("DELETE", "/os-cells/{id}", ANY),
    Route("GET", "/os-cells/{id}/capacities", ANY),
    Route("POST", "/os-certificates", ANY),
    Route("GET", "/os-certificates/{id}", ANY),
    Route("GET", "/os-cloudpipe", ANY),
    Route("POST", "/os-cloudpipe", ANY),
    Route("PUT", "/os-cloudpipe/{id}", ANY),
    Route("GET", "/os-fixed-ips/{id}", ANY),
    Route("POST", "/os-fixed-ips/{id}/action", ANY),
    Route("GET", "/os-floating-ip-dns", ANY),
    Route("PUT", "/os-floating-ip-dns/{id}", ANY),
    Route("DELETE", "/os-floating-ip-dns/{id}", ANY),
    Route("GET", "/os-floating-ip-dns/{domain_id}/entries/{id}", ANY),
    Route("PUT", "/os-floating-ip-dns/{domain_id}/entries/{id}", ANY),
    Route("DELETE", "/os-floating-ip-dns/{domain_id}/entries/{id}", ANY),
    Route("GET", "/os-floating-ips-bulk", ANY),
    Route("POST", "/os-floating-ips-bulk", ANY),
    Route("GET", "/os-floating-ips-bulk/{id}", ANY),
    Route("PUT", "/os-floating-ips-bulk/{id}", ANY),
    Route("GET", "/os-fping", ANY),
    Route("GET", "/os-fping/{id}", ANY),
    Route("POST", "/os-networks", ANY),
    Route("POST", "/os-networks/add", ANY),
    Route("DELETE", "/os-networks/{id}", ANY),
    Route("POST", "/os-networks/{id}/action", ANY),
    Route("GET", "/os-security-group-default-rules", ANY),
    Route("POST", "/os-security-group-default-rules", ANY),
    Route("GET", "/os-security-group-default-rules/{id}", ANY),
    Route("DELETE", "/os-security-group-default-rules/{id}", ANY),
    Route("POST", "/os-tenant-networks", ANY),
    Route("DELETE", "/os-tenant-networks/{id}", ANY),
    Route("GET", _SERVER + "/consoles", ANY),
    Route("POST", _SERVER + "/consoles", ANY),
    Route("GET", _SERVER + "/consoles/{id}", ANY),
    Route("DELETE", _SERVER + "/consoles/{id}", ANY),
    Route("GET", _SERVER + "/os-virtual-interfaces", ANY),
    # Proxies: networks are central Neutron's, volumes and bare metal the pods' own
    _operator("GET", "/os-baremetal-nodes", SCATTERED, operator_lists.merged, last=_PROXIES),
    Route("POST", "/os-baremetal-nodes", ANY),
    _operator("GET", "/os-baremetal-nodes/{id}", SCATTERED, items.baremetal_node, last=_PROXIES),
    Route("DELETE", "/os-baremetal-nodes/{id}", ANY),
    Route("POST", "/os-baremetal-nodes/{id}/action", ANY),
    _proxy("GET", "/os-floating-ip-pools", LOCAL, floating_ips.list_pools),
    _proxy("GET", "/os-floating-ips", LOCAL, floating_ips.list_all),
    _proxy("POST", "/os-floating-ips", LOCAL, floating_ips.create),
    _proxy("GET", "/os-floating-ips/{id}", LOCAL, floating_ips.show),
    _proxy("DELETE", "/os-floating-ips/{id}", LOCAL, floating_ips.delete),
    _proxy("GET", "/os-networks", LOCAL, networks.list_networks),
    _proxy("GET", "/os-networks/{id}", LOCAL, networks.show_network),
    _proxy("POST", "/os-security-group-rules", LOCAL, security_groups.create_rule),
    _proxy("DELETE", "/os-security-group-rules/{id}", LOCAL, security_groups.delete_rule),
    _proxy("GET", "/os-security-groups", LOCAL, security_groups.list_all),
    _proxy("POST", "/os-security-groups", LOCAL, security_groups.create),
    _proxy("GET", "/os-security-groups/{id}", LOCAL, security_groups.show),
    _proxy("PUT", "/os-security-groups/{id}", LOCAL, security_groups.update),
    _proxy("DELETE", "/os-security-groups/{id}", LOCAL, security_groups.delete),
    _proxy("GET", "/os-snapshots", SCATTERED, volumes.list_all),
    _proxy("POST", "/os-snapshots", SCHEDULED, volumes.create_snapshot),
    _proxy("GET", "/os-snapshots/detail", SCATTERED, volumes.list_all),
    _proxy("GET", "/os-snapshots/{id}", SCATTERED, volumes.one),
    _proxy("DELETE", "/os-snapshots/{id}", SCATTERED, volumes.one),
    _proxy("GET", "/os-tenant-networks", LOCAL, networks.list_tenant_networks),
    _proxy("GET", "/os-tenant-networks/{id}", LOCAL, networks.show_tenant_network),
    _proxy("GET", "/os-volumes", SCATTERED, volumes.list_all),
    _proxy("POST", "/os-volumes", SCHEDULED, volumes.create),
    _proxy("GET", "/os-volumes/detail", SCATTERED, volumes.list_all),
    _proxy("GET", "/os-volumes/{id}", SCATTERED, volumes.one),
    _proxy("DELETE", "/os-volumes/{id}", SCATTERED, volumes.one),
    # The operator's side of Nova, and what spans pods
    _operator("GET", "/os-aggregates", SCATTERED, aggregates.list_all),
    _operator("POST", "/os-aggregates", SCHEDULED, aggregates.create),
    _operator("GET", "/os-aggregates/{id}", SCATTERED, aggregates.show),
    _operator("PUT", "/os-aggregates/{id}", SCATTERED, aggregates.update),
    _operator("DELETE", "/os-aggregates/{id}", SCATTERED, aggregates.delete),
    _operator("POST", "/os-aggregates/{id}/action", SCATTERED, aggregates.action),
    _operator("POST", "/os-aggregates/{id}/images", SCATTERED, aggregates.images, first=(2, 81)),
    _operator("POST", "/os-assisted-volume-snapshots", SCATTERED, volume_snapshots.act),
    _operator("DELETE", "/os-assisted-volume-snapshots/{id}", SCATTERED, volume_snapshots.act),
    _operator("GET", "/os-console-auth-tokens/{id}", SCATTERED, items.console),
    _operator("GET", "/os-hosts", SCATTERED, hosts.list_all, last=_HOSTS),
    _operator("GET", "/os-hosts/{id}", ROUTED, hosts.host, last=_HOSTS),
    _operator("PUT", "/os-hosts/{id}", ROUTED, hosts.host, last=_HOSTS),
    _operator("GET", "/os-hosts/{id}/reboot", ROUTED, hosts.host, last=_HOSTS),
    _operator("GET", "/os-hosts/{id}/shutdown", ROUTED, hosts.host, last=_HOSTS),
    _operator("GET", "/os-hosts/{id}/startup", ROUTED, hosts.host, last=_HOSTS),
    _operator("GET", "/os-hypervisors", SCATTERED, operator_lists.merged),
    _operator("GET", "/os-hypervisors/detail", SCATTERED, operator_lists.merged),
    _operator("GET", "/os-hypervisors/statistics", SCATTERED, items.statistics, last=(2, 87)),
    _operator("GET", "/os-hypervisors/{id}", ROUTED, items.hypervisor),
    _operator("GET", "/os-hypervisors/{id}/search", SCATTERED, items.search, last=(2, 52)),
    _operator("GET", "/os-hypervisors/{id}/servers", SCATTERED, items.search, last=(2, 52)),
    _operator("GET", "/os-hypervisors/{id}/uptime", ROUTED, items.hypervisor, last=(2, 87)),
    _operator("GET", "/os-instance_usage_audit_log", SCATTERED, audit_log.show),
    _operator("GET", "/os-instance_usage_audit_log/{id}", SCATTERED, audit_log.show),
    _operator("GET", "/os-migrations", SCATTERED, migrations.list_all),
    Route("GET", "/os-quota-class-sets/{id}", LOCAL, quota_sets.show_class),
    Route("PUT", "/os-quota-class-sets/{id}", LOCAL, quota_sets.update_class),
    Route("GET", "/os-quota-sets/{id}", LOCAL, quota_sets.show),
    Route("PUT", "/os-quota-sets/{id}", LOCAL, quota_sets.update),
    Route("DELETE", "/os-quota-sets/{id}", LOCAL, quota_sets.delete),
    Route("GET", "/os-quota-sets/{id}/detail", LOCAL, quota_sets.detail),
    Route("GET", "/os-quota-sets/{id}/defaults", LOCAL, quota_sets.defaults),
    _operator("POST", "/os-server-external-events", SCATTERED, external_events.create),
    Route("GET", "/os-server-groups", LOCAL, server_groups.list_groups),
    Route("POST", "/os-server-groups", LOCAL, server_groups.create),
    Route("GET", "/os-server-groups/{id}", LOCAL, server_groups.show),
    Route("DELETE", "/os-server-groups/{id}", LOCAL, server_groups.delete),
    _operator("GET", "/os-services", SCATTERED, operator_lists.merged),
    _operator("PUT", "/os-services/{id}", ROUTED, items.change_service),
    _operator("DELETE", "/os-services/{id}", ROUTED, items.delete_service),
    _operator("GET", "/os-simple-tenant-usage", SCATTERED, simple_tenant_usage.list_all),
    _operator("GET", "/os-simple-tenant-usage/{id}", SCATTERED, simple_tenant_usage.show),
)
