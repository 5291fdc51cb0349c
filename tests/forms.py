# SPDX-License-Identifier: Apache-2.0
"""Forms of HTTP requests and what the installed Nova and Cinder answer to them.

``python -m tests.forms`` writes FILE anew. Each service runs in a process of its own, as its
``api-paste.ini`` has it, over an empty SQLite database and with one token that is good.
"""

import json
import pathlib
import subprocess
import sys
import tempfile
from typing import Any

FILE = pathlib.Path(__file__).parent / "functional/gateway/http/forms.json"
PROJECT = "0123456789abcdef0123456789abcdef"
_ID = "11111111-1111-1111-1111-111111111111"

_STUB = """
import webob.exc

def filter_factory(settings, **more):
    return Authenticator

class Authenticator:
    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        if environ.get("HTTP_X_AUTH_TOKEN") != "good":
            answer = webob.exc.HTTPUnauthorized(body=b'{"error": {}}')
            answer.content_type = "application/json"
            return answer(environ, start_response)
        environ.update({
            "HTTP_X_IDENTITY_STATUS": "Confirmed", "HTTP_X_PROJECT_ID": PROJECT,
            "HTTP_X_PROJECT_NAME": "p", "HTTP_X_USER_ID": "u", "HTTP_X_USER_NAME": "u",
            "HTTP_X_USER_DOMAIN_ID": "d", "HTTP_X_ROLES": "member,reader",
            "HTTP_X_SERVICE_CATALOG": "[]"})
        return self.app(environ, start_response)
"""
_NOVA = """
import nova.conf
import nova.objects
from nova import config, rpc
from nova.db.api import api as api_db, models as api_models
from nova.db.main import api as main_db, models as main_models

CONF = nova.conf.CONF
CONF(["--config-file", folder + "/conf"], project="nova", default_config_files=[])
CONF.set_override("connection", "sqlite:///" + folder + "/main", "database")
CONF.set_override("connection", "sqlite:///" + folder + "/api", "api_database")
main_db.configure(CONF)
api_db.configure(CONF)
nova.objects.register_all()
rpc.init(CONF)
main_models.BASE.metadata.create_all(main_db.get_engine())
api_models.BASE.metadata.create_all(api_db.get_engine())
app = deploy.loadapp("config:" + folder + "/paste.ini", name="osapi_compute")
"""
_CINDER = """
from cinder import objects
objects.register_all()
from cinder import rpc
from cinder.common import config
from cinder.db import api, models
from oslo_config import cfg

CONF = cfg.CONF
CONF(["--config-file", folder + "/conf"], project="cinder", default_config_files=[])
CONF.set_override("connection", "sqlite:///" + folder + "/main", "database")
CONF.set_override("auth_strategy", "keystone")
CONF.set_override("resource_query_filters_file", sys.prefix + "/etc/cinder/resource_filters.json")
rpc.init(CONF)
models.BASE.metadata.create_all(api.get_engine())
app = deploy.loadapp("config:" + folder + "/paste.ini", name="osapi_volume")
"""
_ASK = """
import io
from urllib.parse import unquote

def ask(form):
    path, _, query = form["path"].partition("?")
    environ = {
        "REQUEST_METHOD": form["method"], "SCRIPT_NAME": "", "PATH_INFO": unquote(path, "latin-1"),
        "QUERY_STRING": query, "SERVER_NAME": "h", "SERVER_PORT": "80", "HTTP_HOST": "h",
        "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.version": (1, 0), "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(b""), "wsgi.errors": sys.stderr, "wsgi.multithread": True,
        "wsgi.multiprocess": False, "wsgi.run_once": False, "CONTENT_LENGTH": "0",
        "HTTP_ACCEPT": "application/json",
    }
    for name, value in form["headers"].items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    if form["token"]:
        environ["HTTP_X_AUTH_TOKEN"] = "good"
    told = {}

    def start_response(status, headers, failed=None):
        location = dict(headers).get("Location", "")
        told.update(status=int(status[:3]), location=location.removeprefix("http://h"))

    told["body"] = b"".join(app(environ, start_response)).decode()
    return told

json.dump([ask(form) for form in json.load(sys.stdin)], out)
"""


def forms(base: str, item: str) -> list[dict[str, Any]]:
    """What is asked of a service: ``base`` is its version's path, ``item`` one of its lists."""
    one = f"{base}/{item}/{_ID}"
    paths = [
        "/", "//", base, f"{base}/", f"{base}//", f"{base}/{PROJECT}", f"{base}/{PROJECT}/",
        f"{base}/{item}", f"{base}/{item}/", f"{base}//{item}", f"/{base}/{item}",
        f"{base}/{PROJECT}/{item}", f"{base}/{PROJECT}//{item}", f"{base}/{PROJECT}/{item}/",
        f"{base}/{item}.json", f"{base}/{PROJECT}/{item}.json", f"{base}/{item}/detail.json",
        f"{base}/{PROJECT}/{item}/detail.json", f"{base}/{item}/detail/", f"{base}/{item}.xml",
        one, f"{one}.json", f"{base}/{PROJECT}/{item}/{_ID}.json", f"{base}.json",
        "/v1", "/v1/", "/v2", "/v2/", f"/v2/{item}", "/v2.0", "/v2.10", "/v4", "/versions",
        f"{base}/versions", f"{base}/extensions.json", f"{base}/nothing",
        f"{base}/nothing.json", "/nothing", "/nothing.json", f"{base}/limits.json", f"{base}/a/b/c",
        f"{base}/{PROJECT}.json", f"{base}/X{PROJECT}/{item}", f"{base}/{item}?limit=1",
    ]  # fmt: skip
    found = [_form("GET", path, token) for path in paths for token in (True, False)]
    for method in ("OPTIONS", "HEAD", "PATCH", "DELETE"):
        for path in ("/", base, f"{base}/", f"{base}/{item}", one, f"{base}/nothing"):
            found += [_form(method, path, token) for token in (True, False)]
    for headers in (
        {"Expect": "foo"},
        {"Accept": "application/xml"},
        {"Accept": "text/html"},
        {"Content-Type": "text/plain"},
    ):
        for path in ("/", f"{base}/", f"{base}/{item}", f"{base}/nothing"):
            found.append(_form("GET", path, True, headers))
    return found


def _form(
    method: str, path: str, token: bool, headers: dict[str, str] | None = None
) -> dict[str, Any]:
    return {"method": method, "path": path, "token": token, "headers": headers or {}}


def kind(body: str) -> str:
    """What sort of document it is: its first key; "text" for what is no JSON."""
    try:
        return next(iter(json.loads(body)), "") if body else ""
    except ValueError:
        return "text"


def _answers(service: str, program: str, asked: list[dict[str, Any]]) -> list[dict[str, Any]]:
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        paste = pathlib.Path(sys.prefix, "etc", service, "api-paste.ini").read_text()
        stub = "stub_of_keystone:filter_factory"
        paste = paste.replace("keystonemiddleware.auth_token:filter_factory", stub)
        (folder / "paste.ini").write_text(paste)
        (folder / "stub_of_keystone.py").write_text(f"PROJECT = {PROJECT!r}\n{_STUB}")
        (folder / "conf").write_text("[DEFAULT]\ntransport_url = fake://\n")
        begin = f"import json, os, sys\nfolder = {name!r}\nsys.path.insert(0, folder)\n"
        # What the service prints is not to get among what it answers.
        begin += "out = os.fdopen(os.dup(1), 'w')\nos.dup2(2, 1)\nfrom paste import deploy\n"
        argv = [sys.executable, "-W", "ignore", "-c", begin + program + _ASK]
        done = subprocess.run(
            argv, input=json.dumps(asked), stdout=subprocess.PIPE, text=True, check=True
        )
    return [
        {**form, "status": told["status"], "kind": kind(told["body"]), "location": told["location"]}
        for form, told in zip(asked, json.loads(done.stdout), strict=True)
    ]


def main() -> None:
    found = {
        "compute": _answers("nova", _NOVA, forms("/v2.1", "servers")),
        "volume": _answers("cinder", _CINDER, forms("/v3", "volumes")),
    }
    lines = {
        service: ",\n".join(f"  {json.dumps(row)}" for row in rows)
        for service, rows in found.items()
    }
    text = ",\n".join(f'"{service}": [\n{rows}\n]' for service, rows in lines.items())
    FILE.write_text("{\n" + text + "\n}\n")


if __name__ == "__main__":
    main()
