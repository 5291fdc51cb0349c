# SPDX-License-Identifier: Apache-2.0
"""The route table of the Placement API. What changes something is for the pods' own services."""

from tricircle.gateway.call import Handler
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.placement import lists

_ALL, _ONE, _ANY = Way.SCATTERED, Way.ROUTED, Way.ANY
_READS: tuple[tuple[str, Way, Handler], ...] = (
    ("/resource_providers", _ALL, lists.providers),
    ("/resource_providers/{uuid}", _ONE, lists.of_provider),
    ("/resource_providers/{uuid}/inventories", _ONE, lists.of_provider),
    ("/resource_providers/{uuid}/inventories/{resource_class}", _ONE, lists.of_provider),
    ("/resource_providers/{uuid}/usages", _ONE, lists.of_provider),
    ("/resource_providers/{uuid}/aggregates", _ONE, lists.of_provider),
    ("/resource_providers/{uuid}/traits", _ONE, lists.of_provider),
    ("/resource_providers/{uuid}/allocations", _ONE, lists.of_provider),
    ("/traits", _ALL, lists.traits),
    ("/traits/{name}", _ANY, lists.anywhere),
    ("/resource_classes", _ALL, lists.resource_classes),
    ("/resource_classes/{name}", _ANY, lists.anywhere),
    ("/allocations/{consumer}", _ALL, lists.allocations),
    ("/usages", _ALL, lists.usages),
)
ROUTES = [Route("GET", path, way, handler) for path, way, handler in _READS]
