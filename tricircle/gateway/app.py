# SPDX-License-Identifier: Apache-2.0
"""The APIs of a gateway and the parts of its process, made from ``CONF``."""

import functools
from collections.abc import Iterable
from typing import Protocol

from aiohttp import web

from tricircle.conf import CONF
from tricircle.gateway import default_handlers
from tricircle.gateway.admin import routes as admin
from tricircle.gateway.caches import CursorCache, RoutingCache
from tricircle.gateway.call import Handler
from tricircle.gateway.compute import resources as compute_resources
from tricircle.gateway.compute import routes as compute_routes
from tricircle.gateway.compute import versions as compute_versions
from tricircle.gateway.http import microversion
from tricircle.gateway.http.authentication import Authenticator
from tricircle.gateway.http.routing import Route, RouteTable
from tricircle.gateway.pipeline import Api
from tricircle.gateway.placement import routes as placement_routes
from tricircle.gateway.placement import versions as placement_versions
from tricircle.gateway.services import Services
from tricircle.gateway.transport.client import PodClient
from tricircle.gateway.transport.id_translation import Names
from tricircle.gateway.volume import resources as volume_resources
from tricircle.gateway.volume import routes as volume_routes
from tricircle.gateway.volume import versions as volume_versions
from tricircle.pods.breaker import Breakers
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.registry import Registry
from tricircle.pods.unified_limits import UnifiedLimits
from tricircle.pods.versions import Range

_RESOURCE_TYPES = {one.name: one for one in (*compute_resources.TYPES, *volume_resources.TYPES)}


def make_services() -> Services:
    """The parts of a process, from ``CONF``. Nothing is asked of anybody yet."""
    breakers, names = Breakers(), Names()
    identity = ServiceIdentity()
    return Services(
        registry=Registry(),
        identity=identity,
        breakers=breakers,
        client=PodClient(breakers, names),
        names=names,
        authenticator=Authenticator(),
        routings=RoutingCache(),
        cursors=CursorCache(),
        limits=UnifiedLimits(identity),
    )


class _Versions(Protocol):
    """What a service's module ``versions`` has: the version's name, and ``Api``'s functions."""

    ID: str
    SCHEME: microversion.Scheme
    FORMATS: bool

    def offered(self, services: Services, /) -> Range: ...
    def discover(self, services: Services, root: str, path: str, /) -> web.Response | None: ...
    def welcome(self, services: Services, root: str, path: str, /) -> web.Response | None: ...


def compute_api() -> Api:
    """The Compute API at /v2.1."""
    return _versioned(
        "compute", "compute", compute_versions, compute_routes.ROUTES,
        CONF.gateway.public_endpoint, CONF.gateway.compute_link_prefix,
    )  # fmt: skip


def volume_api() -> Api:
    """The Block Storage API at /v3."""
    return _versioned(
        "volume", "block-storage", volume_versions, volume_routes.ROUTES,
        CONF.gateway.volume_public_endpoint, CONF.gateway.volume_link_prefix,
    )  # fmt: skip


def _versioned(
    service: str,
    service_type: str,
    versions: _Versions,
    routes: Iterable[Route],
    public_endpoint: str | None,
    link_prefix: str,
) -> Api:
    table, handlers = _served(tuple(routes))
    return Api(
        service=service,
        service_type=service_type,
        table=table,
        handlers=handlers,
        resource_types=_RESOURCE_TYPES,
        base=f"/{versions.ID}",
        scheme=versions.SCHEME,
        offered=versions.offered,
        discovery=versions.discover,
        welcome=versions.welcome,
        formats=versions.FORMATS,
        public_endpoint=public_endpoint,
        link_prefix=link_prefix.rstrip("/"),
    )


def admin_api() -> Api:
    """The Admin API at /tricircle/v1.0."""
    table, handlers = _served(tuple(admin.routes()))
    return Api(
        service="admin",
        service_type="multi-region-network-automation",
        public_endpoint=CONF.gateway.admin_public_endpoint,
        table=table,
        handlers=handlers,
        resource_types=_RESOURCE_TYPES,
        discovery=admin.discovery,
        knows_405=True,
    )


def placement_api() -> Api:
    """The Placement API, to look at."""
    table, handlers = _served(tuple(placement_routes.ROUTES))
    return Api(
        service="placement",
        service_type="placement",
        table=table,
        handlers=handlers,
        resource_types=_RESOURCE_TYPES,
        scheme=placement_versions.SCHEME,
        offered=placement_versions.offered,
        discovery=placement_versions.discover,
        knows_405=True,
    )


@functools.cache
def _served(routes: tuple[Route, ...]) -> tuple[RouteTable, dict[Route, Handler]]:
    """The table of an API's rows, and what serves each: the same as long as the process lives."""
    table = RouteTable(routes)
    return table, {route: default_handlers.handler(route) for route in table.routes}
