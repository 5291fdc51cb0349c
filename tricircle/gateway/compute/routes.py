# SPDX-License-Identifier: Apache-2.0
"""The Compute API in one table: every row Nova has, and the way it is served.

Ways with one obvious handling (routed, any) name no handler. ``first`` and ``last`` are the
microversions Nova serves a row between: outside any pod tells the client so in Nova's words.
"""

from tricircle.gateway.http.routing import Route, Way

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
    method: str, path: str, handler: str | None = None, first: tuple[int, int] | None = None
) -> Route:
    """A row below one server: served by the pod that holds it."""
    return Route(method, _SERVER + path, ROUTED, handler, id_param="server_id", first=first)


def _volumes_boot(method: str, path: str, way: Way, handler: str) -> Route:
    """A row of the older name of servers that boot from a volume."""
    return Route(method, f"/os-volumes_boot{path}", way, handler, last=_VOLUMES_BOOT)


def _proxy(method: str, path: str, way: Way, handler: str) -> Route:
    """A row of Nova's proxies to other services."""
    return Route(method, path, way, f"compute.proxies.{handler}", last=_PROXIES)


def _operator(
    method: str,
    path: str,
    way: Way,
    handler: str,
    last: tuple[int, int] | None = None,
    first: tuple[int, int] | None = None,
) -> Route:
    """A row for operators."""
    return Route(method, path, way, f"compute.operators.{handler}", last=last, first=first)


ROUTES = (
    # The API itself
    Route("GET", "/", LOCAL, "compute.versions:show_version"),
    Route("GET", "/versions/{id}", LOCAL, "compute.versions:show_version"),
    Route("GET", "/extensions", ANY),
    Route("GET", "/extensions/{id}", ANY),
    Route("GET", "/limits", LOCAL, "compute.quota.limits:show"),
    Route("GET", "/os-availability-zone", LOCAL, "availability_zones:list"),
    Route("GET", "/os-availability-zone/detail", LOCAL, "availability_zones:list"),
    # Servers
    Route("GET", "/servers", SCATTERED, "compute.servers.lists:brief"),
    Route("POST", "/servers", SCHEDULED, "compute.servers.handlers:create"),
    Route("GET", "/servers/detail", SCATTERED, "compute.servers.lists:detail"),
    Route("GET", "/servers/{id}", ROUTED, "compute.servers.document:show"),
    Route("PUT", "/servers/{id}", ROUTED, "compute.servers.document:show"),
    Route("DELETE", "/servers/{id}", ROUTED, "compute.servers.handlers:delete"),
    Route("POST", "/servers/{id}/action", ROUTED, "compute.servers.handlers:action"),
    # Servers by the older name of those that boot from a volume
    _volumes_boot("GET", "", SCATTERED, "compute.servers.lists:brief"),
    _volumes_boot("POST", "", SCHEDULED, "compute.servers.handlers:create"),
    _volumes_boot("GET", "/detail", SCATTERED, "compute.servers.lists:detail"),
    _volumes_boot("GET", "/{id}", ROUTED, "compute.servers.document:show"),
    _volumes_boot("PUT", "/{id}", ROUTED, "compute.servers.document:show"),
    _volumes_boot("DELETE", "/{id}", ROUTED, "compute.servers.handlers:delete"),
    _volumes_boot("POST", "/{id}/action", ROUTED, "compute.servers.handlers:action"),
    # One server's parts
    _server("GET", "/diagnostics"),
    _server("GET", "/ips", "compute.servers.addresses:list_all"),
    _server("GET", "/ips/{id}", "compute.servers.addresses:of_network"),
    _server("GET", "/metadata"),
    _server("POST", "/metadata", "compute.servers.metadata:add"),
    _server("PUT", "/metadata", "compute.servers.metadata:replace"),
    _server("GET", "/metadata/{id}"),
    _server("PUT", "/metadata/{id}", "compute.servers.metadata:add"),
    _server("DELETE", "/metadata/{id}"),
    _server("GET", "/migrations", "compute.operators.migrations:list_for_server", first=(2, 23)),
    _server("GET", "/migrations/{id}", "compute.operators.migrations:one_of_server", first=(2, 23)),
    _server(
        "DELETE", "/migrations/{id}", "compute.operators.migrations:one_of_server", first=(2, 24)
    ),
    _server(
        "POST",
        "/migrations/{id}/action",
        "compute.operators.migrations:one_of_server",
        first=(2, 22),
    ),
    _server("GET", "/os-instance-actions", "compute.servers.document:actions"),
    _server("GET", "/os-instance-actions/{id}", "compute.servers.document:actions"),
    _server("GET", "/os-interface", "compute.servers.interfaces:list"),
    _server("POST", "/os-interface", "compute.servers.interfaces:create"),
    _server("GET", "/os-interface/{id}", "compute.servers.interfaces:show"),
    _server("DELETE", "/os-interface/{id}", "compute.servers.interfaces:delete"),
    _server("GET", "/os-security-groups", "compute.networking.security_groups:list_for_server"),
    _server("GET", "/os-server-password"),
    _server("DELETE", "/os-server-password"),
    _server("GET", "/os-volume_attachments"),
    _server("POST", "/os-volume_attachments", "compute.servers.attachments:change"),
    _server("GET", "/os-volume_attachments/{id}"),
    _server("PUT", "/os-volume_attachments/{id}", "compute.servers.attachments:change"),
    _server("DELETE", "/os-volume_attachments/{id}"),
    _server("POST", "/remote-consoles", "compute.servers.consoles:create", first=(2, 6)),
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
    Route("GET", "/flavors", MIRRORED, "upstream.mirror:read"),
    Route("POST", "/flavors", MIRRORED, "compute.flavors:create"),
    Route("GET", "/flavors/detail", MIRRORED, "upstream.mirror:read"),
    Route("GET", "/flavors/{id}", MIRRORED, "upstream.mirror:read"),
    Route("PUT", "/flavors/{id}", MIRRORED, "compute.flavors:update", first=(2, 55)),
    Route("DELETE", "/flavors/{id}", MIRRORED, "compute.flavors:delete"),
    Route("POST", "/flavors/{id}/action", MIRRORED, "compute.flavors:action"),
    Route("GET", "/flavors/{flavor_id}/os-extra_specs", MIRRORED, "upstream.mirror:read"),
    Route(
        "POST",
        "/flavors/{flavor_id}/os-extra_specs",
        MIRRORED,
        "compute.flavors:create_extra_specs",
    ),
    Route("GET", "/flavors/{flavor_id}/os-extra_specs/{id}", MIRRORED, "upstream.mirror:read"),
    Route(
        "PUT",
        "/flavors/{flavor_id}/os-extra_specs/{id}",
        MIRRORED,
        "compute.flavors:update_extra_spec",
    ),
    Route(
        "DELETE",
        "/flavors/{flavor_id}/os-extra_specs/{id}",
        MIRRORED,
        "compute.flavors:delete_extra_spec",
    ),
    Route("GET", "/flavors/{flavor_id}/os-flavor-access", MIRRORED, "upstream.mirror:read"),
    Route("GET", "/os-keypairs", MIRRORED, "upstream.mirror:read"),
    Route("POST", "/os-keypairs", MIRRORED, "compute.keypairs:create"),
    Route("GET", "/os-keypairs/{id}", MIRRORED, "upstream.mirror:read"),
    Route("DELETE", "/os-keypairs/{id}", MIRRORED, "compute.keypairs:delete"),
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
    _operator("GET", "/os-baremetal-nodes", SCATTERED, "lists:merged", last=_PROXIES),
    Route("POST", "/os-baremetal-nodes", ANY),
    _operator("GET", "/os-baremetal-nodes/{id}", SCATTERED, "items:baremetal_node", last=_PROXIES),
    Route("DELETE", "/os-baremetal-nodes/{id}", ANY),
    Route("POST", "/os-baremetal-nodes/{id}/action", ANY),
    _proxy("GET", "/os-floating-ip-pools", LOCAL, "floating_ips:list_pools"),
    _proxy("GET", "/os-floating-ips", LOCAL, "floating_ips:list_all"),
    _proxy("POST", "/os-floating-ips", LOCAL, "floating_ips:create"),
    _proxy("GET", "/os-floating-ips/{id}", LOCAL, "floating_ips:show"),
    _proxy("DELETE", "/os-floating-ips/{id}", LOCAL, "floating_ips:delete"),
    _proxy("GET", "/os-networks", LOCAL, "networks:list_networks"),
    _proxy("GET", "/os-networks/{id}", LOCAL, "networks:show_network"),
    _proxy("POST", "/os-security-group-rules", LOCAL, "security_groups:create_rule"),
    _proxy("DELETE", "/os-security-group-rules/{id}", LOCAL, "security_groups:delete_rule"),
    _proxy("GET", "/os-security-groups", LOCAL, "security_groups:list_all"),
    _proxy("POST", "/os-security-groups", LOCAL, "security_groups:create"),
    _proxy("GET", "/os-security-groups/{id}", LOCAL, "security_groups:show"),
    _proxy("PUT", "/os-security-groups/{id}", LOCAL, "security_groups:update"),
    _proxy("DELETE", "/os-security-groups/{id}", LOCAL, "security_groups:delete"),
    _proxy("GET", "/os-snapshots", SCATTERED, "volumes:list_all"),
    _proxy("POST", "/os-snapshots", SCHEDULED, "volumes:create_snapshot"),
    _proxy("GET", "/os-snapshots/detail", SCATTERED, "volumes:list_all"),
    _proxy("GET", "/os-snapshots/{id}", SCATTERED, "volumes:one"),
    _proxy("DELETE", "/os-snapshots/{id}", SCATTERED, "volumes:one"),
    _proxy("GET", "/os-tenant-networks", LOCAL, "networks:list_tenant_networks"),
    _proxy("GET", "/os-tenant-networks/{id}", LOCAL, "networks:show_tenant_network"),
    _proxy("GET", "/os-volumes", SCATTERED, "volumes:list_all"),
    _proxy("POST", "/os-volumes", SCHEDULED, "volumes:create"),
    _proxy("GET", "/os-volumes/detail", SCATTERED, "volumes:list_all"),
    _proxy("GET", "/os-volumes/{id}", SCATTERED, "volumes:one"),
    _proxy("DELETE", "/os-volumes/{id}", SCATTERED, "volumes:one"),
    # The operator's side of Nova, and what spans pods
    _operator("GET", "/os-aggregates", SCATTERED, "aggregates:list_all"),
    _operator("POST", "/os-aggregates", SCHEDULED, "aggregates:create"),
    _operator("GET", "/os-aggregates/{id}", SCATTERED, "aggregates:show"),
    _operator("PUT", "/os-aggregates/{id}", SCATTERED, "aggregates:update"),
    _operator("DELETE", "/os-aggregates/{id}", SCATTERED, "aggregates:delete"),
    _operator("POST", "/os-aggregates/{id}/action", SCATTERED, "aggregates:action"),
    _operator("POST", "/os-aggregates/{id}/images", SCATTERED, "aggregates:images", first=(2, 81)),
    _operator("POST", "/os-assisted-volume-snapshots", SCATTERED, "volume_snapshots:act"),
    _operator("DELETE", "/os-assisted-volume-snapshots/{id}", SCATTERED, "volume_snapshots:act"),
    _operator("GET", "/os-console-auth-tokens/{id}", SCATTERED, "items:console"),
    _operator("GET", "/os-hosts", SCATTERED, "hosts:list_all", last=_HOSTS),
    _operator("GET", "/os-hosts/{id}", ROUTED, "hosts:host", last=_HOSTS),
    _operator("PUT", "/os-hosts/{id}", ROUTED, "hosts:host", last=_HOSTS),
    _operator("GET", "/os-hosts/{id}/reboot", ROUTED, "hosts:host", last=_HOSTS),
    _operator("GET", "/os-hosts/{id}/shutdown", ROUTED, "hosts:host", last=_HOSTS),
    _operator("GET", "/os-hosts/{id}/startup", ROUTED, "hosts:host", last=_HOSTS),
    _operator("GET", "/os-hypervisors", SCATTERED, "lists:merged"),
    _operator("GET", "/os-hypervisors/detail", SCATTERED, "lists:merged"),
    _operator("GET", "/os-hypervisors/statistics", SCATTERED, "items:statistics", last=(2, 87)),
    _operator("GET", "/os-hypervisors/{id}", ROUTED, "items:hypervisor"),
    _operator("GET", "/os-hypervisors/{id}/search", SCATTERED, "items:search", last=(2, 52)),
    _operator("GET", "/os-hypervisors/{id}/servers", SCATTERED, "items:search", last=(2, 52)),
    _operator("GET", "/os-hypervisors/{id}/uptime", ROUTED, "items:hypervisor", last=(2, 87)),
    _operator("GET", "/os-instance_usage_audit_log", SCATTERED, "audit_log:show"),
    _operator("GET", "/os-instance_usage_audit_log/{id}", SCATTERED, "audit_log:show"),
    _operator("GET", "/os-migrations", SCATTERED, "migrations:list_all"),
    Route("GET", "/os-quota-class-sets/{id}", LOCAL, "compute.quota.quota_sets:show_class"),
    Route("PUT", "/os-quota-class-sets/{id}", LOCAL, "compute.quota.quota_sets:update_class"),
    Route("GET", "/os-quota-sets/{id}", LOCAL, "compute.quota.quota_sets:show"),
    Route("PUT", "/os-quota-sets/{id}", LOCAL, "compute.quota.quota_sets:update"),
    Route("DELETE", "/os-quota-sets/{id}", LOCAL, "compute.quota.quota_sets:delete"),
    Route("GET", "/os-quota-sets/{id}/detail", LOCAL, "compute.quota.quota_sets:detail"),
    Route("GET", "/os-quota-sets/{id}/defaults", LOCAL, "compute.quota.quota_sets:defaults"),
    _operator("POST", "/os-server-external-events", SCATTERED, "external_events:create"),
    Route("GET", "/os-server-groups", LOCAL, "compute.server_groups:list_groups"),
    Route("POST", "/os-server-groups", LOCAL, "compute.server_groups:create"),
    Route("GET", "/os-server-groups/{id}", LOCAL, "compute.server_groups:show"),
    Route("DELETE", "/os-server-groups/{id}", LOCAL, "compute.server_groups:delete"),
    _operator("GET", "/os-services", SCATTERED, "lists:merged"),
    _operator("PUT", "/os-services/{id}", ROUTED, "items:change_service"),
    _operator("DELETE", "/os-services/{id}", ROUTED, "items:delete_service"),
    _operator("GET", "/os-simple-tenant-usage", SCATTERED, "simple_tenant_usage:list_all"),
    _operator("GET", "/os-simple-tenant-usage/{id}", SCATTERED, "simple_tenant_usage:show"),
)
