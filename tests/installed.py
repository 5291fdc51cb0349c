# SPDX-License-Identifier: Apache-2.0
"""What the installed Nova and Cinder say of their own APIs: rows, microversions, default policies.

``python -m tests.installed`` writes what the fakes judge by anew.

Each is asked in a process of its own: their options are not to meet ours, and Cinder's router
wants a database and a message bus to be there, which are of no matter to what it routes.
"""

import fcntl
import functools
import hashlib
import importlib.metadata
import json
import pathlib
import re
import subprocess
import sys
from typing import Any

import pytest

_RULES = """
def rules(module):
    return [
        {"name": rule.name, "check": rule.check_str, "scopes": rule.scope_types,
         "operations": [[one["method"], one["path"]] for one in getattr(rule, "operations", ())]}
        for rule in module.list_rules()
    ]
"""

_NOVA = """
import json
import sys

from nova import policies
from nova.api.openstack.compute import routes

def span(function):
    ends = [getattr(function, name, None) for name in ("min_version", "max_version")]
    return [end and [int(part) for part in end.split(".")] for end in ends]

rows = []
for path, methods in routes.ROUTE_LIST:
    if isinstance(methods, str):
        continue  # a redirect of the empty path
    for method, (controller, action) in methods.items():
        first, *others = controller.args
        actions = {
            key: span(getattr(one, name))
            for one in (first, *(others[0] if others else ()))
            for key, name in getattr(one, "wsgi_actions", {}).items()
        }
        function = getattr(first, action, None)
        rows.append({
            "method": method, "path": path, "actions": {} if function else actions,
            "span": span(function), "removed": getattr(function, "removed", False),
        })
json.dump({"rows": rows, "rules": rules(policies)}, sys.stdout)
"""

_CINDER = """
import inspect
import json
import re
import sys

from oslo_config import cfg

from cinder import objects, policies, rpc
from cinder.api import microversions
from cinder.common import config
from cinder.db import base

cfg.CONF([], project="cinder", default_config_files=[])
base.Base.__init__ = lambda self, *more: None
rpc.RPCAPI.determine_rpc_version_cap = lambda self: None
rpc.RPCAPI.determine_obj_version_cap = lambda self: None
rpc.get_client = lambda *all, **more: None
objects.register_all()

from cinder.api.v3 import router

def numbers(version):
    return [int(part) for part in version.get_string().split(".")] if version else None

def span(controller, name):
    # What is marked with a range, and what looks at the version first thing itself.
    found = getattr(controller, "versioned_methods", {}).get(name)
    if found:
        last = max(found, key=lambda one: numbers(one.start_version))
        return [min(numbers(one.start_version) for one in found), numbers(last.end_version)]
    source = inspect.getsource(getattr(controller, name))
    for below in re.findall(r"self\\.(_\\w+)\\(req", source):
        source += inspect.getsource(getattr(controller, below))
    asked = re.search(r"self._ensure_min_version\\(req, mv.(\\w+)\\)", source)
    return [asked and numbers(microversions.get_api_version(
        getattr(microversions, asked[1]))), None]

rows = {}
for route in router.APIRouter().map.matchlist:
    path, action = route.routepath, route.defaults.get("action")
    if path is None or "project_id" in path or "format" in path or action is None:
        continue
    resource = route.defaults["controller"]
    actions = {
        key: span(controller, name)
        for controller in (resource.controller, *resource.extension_controllers)
        for key, name in getattr(controller, "wsgi_actions", {}).items()
    }
    if hasattr(resource.controller, action):
        ends, actions = span(resource.controller, action), {}
    elif action in actions:
        ends, actions = actions[action], {}
    else:
        ends = [None, None]
        if action != "action":
            continue
        actions = {key: ends for key, ends in actions.items()
                   if key not in ("create", "update") and (key != "delete" or "groups" in path)}
        if not actions:
            continue
    path = re.sub(r":\\(?(\\w+)\\)?", r"{\\1}", path)
    if not path.endswith(("/new", "/edit")):
        for method in (route.conditions or {}).get("method") or ["GET"]:
            rows.setdefault((method, path), {"method": method, "path": path, "span": ends,
                                             "actions": actions, "removed": False})
json.dump({"rows": list(rows.values()), "rules": rules(policies)}, sys.stdout)
"""


# Where what they said is kept, for other processes and the next run.
_KEPT = pathlib.Path(__file__).parents[1] / ".pytest_cache"


@functools.cache
def asked(service: str) -> dict[str, Any]:
    """Of "nova" or "cinder": {"rows": [...], "rules": [...]}, see the scripts above.

    It takes seconds, so an installed version is asked once.
    """
    try:
        version = importlib.metadata.version(service)
    except importlib.metadata.PackageNotFoundError:
        pytest.skip(f"{service} is not installed")
    script = _RULES + {"nova": _NOVA, "cinder": _CINDER}[service]
    key = hashlib.sha256(f"{version} {sys.version} {script}".encode()).hexdigest()[:16]
    kept = _KEPT / f"{service}-{version}-{key}.json"
    kept.parent.mkdir(exist_ok=True)
    with kept.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not kept.exists():
            new = kept.with_suffix(".new")
            new.write_text(_run(script))
            new.rename(kept)
    told: dict[str, Any] = json.loads(kept.read_text())
    return told


def _run(script: str) -> str:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", script], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def spans(service: str) -> dict[tuple[str, str], tuple[Any, Any]]:
    """The first and the last microversion of each row, None where it has no end of its own.

    A row of actions is there from the first of its actions to the last.
    """
    lowest = {"nova": [2, 1], "cinder": [3, 0]}[service]
    found = {}
    for row in asked(service)["rows"]:
        ranges = list(row["actions"].values()) or [row["span"]]
        first = min(low or lowest for low, _ in ranges)
        lasts = [high for _, high in ranges]
        last = None if None in lasts else tuple(max(lasts))
        found[row["method"], row["path"]] = (tuple(first) if first > lowest else None, last)
    return found


# What each check of the default policies asks for. None: it is about a part only.
_ROLES = {
    "@": "anyone",
    "!": None,
    "rule:context_is_admin": "admin",
    "rule:admin_api": "admin",
    "rule:project_manager_or_admin": "manager",
    "rule:project_member_or_admin": "member",
    "rule:xena_system_admin_or_project_member": "member",
    "rule:project_reader_or_admin": "reader",
    "rule:xena_system_admin_or_project_reader": "reader",
    "rule:service_or_admin": "service",
    "(rule:context_is_admin) or user_id:%(user_id)s": "oneself",
}
# Of several said of one row, that which is asked for first.
_LEAST_FIRST = ("anyone", "oneself", "reader", "member", "manager", "service", "admin")

# Where controllers look at no policy, whatever the policies' documents say, or do not say.
_NO_POLICY = {
    "nova": r"GET /|GET /versions/{}|GET /flavors(/detail|/{})?|\w+ /images.*"
    r"|POST /os-(networks|fixed-ips)/{}/action"
    r"|POST /servers/{}/action \((resetNetwork|os-getRDPConsole)\)"
    r"|\w+ /os-baremetal-nodes/?.*(?<!GET /os-baremetal-nodes)(?<!GET /os-baremetal-nodes/{})",
    "cinder": r"GET (/|/extensions(/{})?|/resource_filters|/limits|/os-availability-zone"
    r"|/group_types(/{})?|/attachments(/detail|/{})?)",
}
# What the documents call otherwise than the routes do, or leave out beside its like.
_MEANT = {
    "nova": [
        ("/os-hypervisors/details", "/os-hypervisors/detail"),
        ("/servers(.*)", r"/os-volumes_boot\1"),
    ],
    "cinder": [
        ("/(types|volumes|default-types)", r"/\1/{}"),
        ("/volume_transfers", "/volume-transfers"),
        ("/backups/{}/import_record", "/backups/import_record"),
        ("/os-quota-sets/{}/default", "/os-quota-sets/{}/defaults"),
        *(
            ("/os-services/{}", f"/os-services/{action}")
            for action in ("enable", "disable", "disable-log-reason", "get-log", "set-log")
        ),
        ("/os-hosts/{}", "/os-hosts"),
        ("/clusters/{}", "/clusters/enable"),
        ("/clusters/{}", "/clusters/disable"),
        ("/manageable_(volume|snapshot)s(.*)", r"/os-\1-manage\2"),
        ("/(snapshots/{}/metadata)/{}", r"/\1"),
        ("/groups(.*)", r"/consistencygroups\1"),
        ("/group_snapshots(.*)", r"/cgsnapshots\1"),
        ("/groups/{}", "/consistencygroups/{}/update"),
    ],
}
# Actions that are rows of their own, or go by another row's policy: [row, (action's row, action)].
_LIKE = {
    "cinder": {
        "DELETE /groups/{}": ("POST /groups/{}/action", "delete"),
        "POST /groups/action": ("POST /groups", None),
        "DELETE /consistencygroups/{}": ("POST /groups/{}/action", "delete"),
        "POST /consistencygroups/{}/delete": ("POST /groups/{}/action", "delete"),
        "POST /consistencygroups/create_from_src": ("POST /groups", None),
        "POST /groups/{}/action (create-from-src)": ("POST /groups", None),
        "GET /backups/{}/export_record": ("POST /backups/{}/export_record", None),
        "POST /snapshots/{}/action (os-update_snapshot_status)": (
            "POST /snapshots/{}/action",
            "update_snapshot_status",
        ),
    },
    "nova": {},
}


def _plain(path: str) -> str:
    return re.sub(r"{[^}]*}", "{}", path).rstrip("/") or "/"


def _operations(service: str) -> dict[tuple[str, str | None], list[tuple[str, Any, bool]]]:
    """{(row, action): [(role, scopes, whether it is also said of other methods)]}."""
    found: dict[tuple[str, str | None], list[tuple[str, Any, bool]]] = {}
    for rule in asked(service)["rules"]:
        role = _ROLES.get(rule["check"])
        several = len({method for method, _ in rule["operations"]}) > 1
        for method, told in rule["operations"] if role else ():
            path, _, action = (part.strip(" )") for part in told.partition("("))
            meant = [(pattern, to) for pattern, to in _MEANT[service]]
            paths = {_plain(path)} | {
                re.sub(f"^{pattern}$", to, _plain(path))
                for pattern, to in meant
                if re.fullmatch(pattern, _plain(path))
            }
            for one in paths:
                key = (f"{method} {one}", action or None)
                found.setdefault(key, []).append((role, rule["scopes"], several))
    return found


def rights(service: str) -> dict[str, list[Any]]:
    """{"METHOD path" or "METHOD path (action)": [first, last, role, scopes]} by the defaults.

    ``role`` is the least that does: anyone, oneself, reader, member, manager, service, admin;
    None where no policy is asked. ``scopes`` are those of tokens the policy is for, None: all.
    """
    operations, table = _operations(service), {}
    for row in asked(service)["rows"]:
        name = f"{row['method']} {row['path']}"
        for action, (first, last) in (row["actions"] or {None: row["span"]}).items():
            key = (f"{row['method']} {_plain(row['path'])}", action)
            least: tuple[Any, Any] = (None, None)
            said = f"{key[0]} ({action})" if action else key[0]
            asks = not re.fullmatch(_NO_POLICY[service], key[0])
            asks = asks and not re.fullmatch(_NO_POLICY[service], said)
            if asks and not row["removed"]:
                told = operations.get(key)
                told = told or operations[_LIKE[service].get(said) or _LIKE[service][key[0]]]
                # What is said of several methods is about a part of what they show.
                told = [one for one in told if not one[2]] or told
                role, scopes, _ = min(told, key=lambda one: _LEAST_FIRST.index(one[0]))
                least = (role, scopes)
            table[f"{name} ({action})" if action else name] = [first, last, *least]
    return table


RIGHTS = pathlib.Path(__file__).parent / "functional/fakes/rights.json"


def written() -> str:
    """What ``RIGHTS`` should be, a row a line."""
    parts = []
    for name, service in (("compute", "nova"), ("volume", "cinder")):
        table = sorted(rights(service).items())
        lines = ",\n".join(f'    "{row}": {json.dumps(right)}' for row, right in table)
        parts.append(f'  "{name}": {{\n{lines}\n  }}')
    return "{\n" + ",\n".join(parts) + "\n}\n"


if __name__ == "__main__":
    RIGHTS.write_text(written())
