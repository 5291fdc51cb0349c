# SPDX-License-Identifier: Apache-2.0
"""The Admin API's route table and version document."""

from typing import Any

from aiohttp import web

from tricircle.gateway.admin import (
    adoptions,
    bindings,
    images,
    jobs,
    moves,
    placements,
    pod_access,
    pod_changes,
    pods,
    repairs,
    routings,
    rules,
    usages,
)
from tricircle.gateway.admin.common import ROOT
from tricircle.gateway.call import Handler
from tricircle.gateway.http.responses import respond
from tricircle.gateway.http.routing import Route, Way
from tricircle.gateway.services import Services

_ROWS: tuple[tuple[str, str, Handler], ...] = (
    ("POST", "/pods", pods.create),
    ("GET", "/pods", pods.list_pods),
    ("GET", "/pods/{id}", pods.show),
    ("PATCH", "/pods/{id}", pods.update),
    ("DELETE", "/pods/{id}", pods.delete),
    ("GET", "/pods/{id}/changes", pod_changes.list_changes),
    ("GET", "/pods/{id}/projects", pod_access.list_projects),
    ("PUT", "/pods/{id}/projects/{project}", pod_access.put_project),
    ("PUT", "/pods/{id}/credentials/{project}", pod_access.put_credential),
    ("DELETE", "/pods/{id}/credentials/{project}", pod_access.delete_credential),
    ("POST", "/pods/{id}/adoptions", adoptions.create),
    ("GET", "/pods/{id}/adoptions", adoptions.list_adoptions),
    ("GET", "/pods/{id}/adoptions/{adoption}", adoptions.show),
    ("GET", "/usages", usages.list_usages),
    ("GET", "/projects/{id}/usages", usages.of_project),
    ("POST", "/bindings", bindings.create),
    ("GET", "/bindings", bindings.list_bindings),
    ("GET", "/bindings/{id}", bindings.show),
    ("DELETE", "/bindings/{id}", bindings.delete),
    ("POST", "/images", images.create),
    ("GET", "/images", images.list_images),
    ("GET", "/moves", moves.list_moves),
    ("GET", "/routings", routings.list_routings),
    ("GET", "/routings/{id}", routings.show),
    ("POST", "/rules", rules.create),
    ("GET", "/rules", rules.list_rules),
    ("GET", "/rules/{id}", rules.show),
    ("DELETE", "/rules/{id}", rules.delete),
    ("GET", "/servers/{id}/placement", placements.show),
    ("POST", "/volumes/{id}/move", moves.create),
    ("GET", "/volumes/{id}/move", moves.show),
    ("DELETE", "/volumes/{id}/move", moves.delete),
    ("GET", "/jobs", jobs.list_jobs),
    ("GET", "/jobs/{id}", jobs.show),
    ("PUT", "/jobs/{id}", jobs.retry),
    ("GET", "/repairs", repairs.list_repairs),
)


def routes() -> list[Route]:
    return [Route(method, ROOT + path, Way.LOCAL, handler) for method, path, handler in _ROWS]


def discovery(services: Services, root: str, path: str) -> web.Response | None:
    """The version documents: ``/`` and the API's own root; None for any other path."""
    about: dict[str, Any] = {
        "id": "v1.0",
        "status": "CURRENT",
        "updated": "2026-11-01T00:00:00Z",
        "links": [{"rel": "self", "href": f"{root}{ROOT}/"}],
    }
    if path.rstrip("/") == "":
        return respond({"versions": [about]})
    if path.rstrip("/") == ROOT:
        return respond({"version": about})
    return None
