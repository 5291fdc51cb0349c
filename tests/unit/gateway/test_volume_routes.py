# SPDX-License-Identifier: Apache-2.0
"""The volume route table against the routes of the installed Cinder."""

import json
import subprocess
import sys

import pytest

from tricircle.gateway import ways
from tricircle.gateway.routes import RouteTable, Way
from tricircle.gateway.volume.routes import ROUTES

# In a process of its own: Cinder's options are not to meet ours, and its router wants a database
# and a message bus to be there, which are of no matter to what it routes.
_DUMP = """
import json
import re
import sys

from oslo_config import cfg

from cinder import objects, rpc
from cinder.common import config
from cinder.db import base

cfg.CONF([], project="cinder", default_config_files=[])
base.Base.__init__ = lambda self, *more: None
rpc.RPCAPI.determine_rpc_version_cap = lambda self: None
rpc.RPCAPI.determine_obj_version_cap = lambda self: None
rpc.get_client = lambda *all, **more: None
objects.register_all()

from cinder.api.v3 import router

rows = set()
for route in router.APIRouter().map.matchlist:
    path, action = route.routepath, route.defaults.get("action")
    if path is None or "project_id" in path or "format" in path or action is None:
        continue
    resource = route.defaults["controller"]
    served = hasattr(resource.controller, action) or action in resource.wsgi_actions
    if action == "action":
        served = served or bool(set(resource.wsgi_actions) - {"create", "update", "delete"})
    path = re.sub(r":\\(?(\\w+)\\)?", r"{\\1}", path)
    if served and not path.endswith(("/new", "/edit")):
        for method in (route.conditions or {}).get("method") or ["GET"]:
            rows.add((method, path))
json.dump(sorted(rows), sys.stdout)
"""


@pytest.fixture(scope="module")
def cinder_rows() -> set[tuple[str, str]]:
    pytest.importorskip("cinder")
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _DUMP], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return {(method, path) for method, path in json.loads(done.stdout)}


def test_every_row_of_cinder_is_here_and_no_other(cinder_rows: set[tuple[str, str]]) -> None:
    ours = {(route.method, route.path) for route in ROUTES}
    assert cinder_rows - ours == set()
    assert ours - cinder_rows == set()


def test_each_row_matches_itself_with_and_without_a_project() -> None:
    table = RouteTable(ROUTES)
    for route in ROUTES:
        path = route.path.replace("{", "x-").replace("}", "")
        plain = table.match(route.method, path)
        assert plain is not None
        assert plain.route is route
        project = table.match(route.method, "/0123456789abcdef" + path)
        assert project is not None
        assert project.route is route
        assert project.project_id == "0123456789abcdef"


def test_every_row_is_served() -> None:
    for route in ROUTES:
        assert route.way is not Way.LATER
        assert callable(ways.handler(route))
