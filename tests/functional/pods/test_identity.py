# SPDX-License-Identifier: Apache-2.0
"""The service identity against a small Keystone that speaks real HTTP."""

import http.server
import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
from keystoneauth1 import loading
from keystoneauth1.exceptions import ClientException

from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.identity import KeystoneFailed, ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.pods.rights import NoRight, Proof, Right


def endpoint(url: str, region: str, interface: str = "internal") -> dict[str, str]:
    return {"url": url, "region_id": region, "region": region, "interface": interface, "id": url}


class Site(http.server.ThreadingHTTPServer):
    """Keystone, and any other service: ``others`` is {path: (status, headers)}."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.asked: list[tuple[str, str]] = []
        self.tokens = 0
        self.valid: set[str] = set()
        self.broken = False
        self.slow = 0.0
        self.others: dict[str, tuple[int, dict[str, str]]] = {}
        self.catalog: list[dict[str, Any]] = [
            {
                "type": "compute",
                "endpoints": [
                    endpoint("http://pod1/v2.1/", "Pod1"),
                    endpoint("http://pod1-public/v2.1", "Pod1", "public"),
                    endpoint("http://pod2/v2.1", "Pod2"),
                ],
            },
            {
                "type": "network",
                "endpoints": [
                    endpoint("http://pod1:9696", "Pod1"),
                    endpoint(f"{self.url}/central/v2.0/", "RegionOne"),
                ],
            },
            {"type": "volumev3", "endpoints": [endpoint("http://pod1/old/v3", "Pod1")]},
            {"type": "block-storage", "endpoints": [endpoint("http://pod1/new/v3", "Pod1")]},
            {"type": "volumev2", "endpoints": [endpoint("http://pod2/v2", "Pod2")]},
            {"type": "object-store", "endpoints": [endpoint("http://pod1/swift", "Pod1")]},
        ]

    def handle_error(self, *_: Any) -> None:
        """A client that did not wait for the answer is part of a test."""


class _Handler(http.server.BaseHTTPRequestHandler):
    server: Site

    def log_message(self, *_: Any) -> None:
        pass

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        site = self.server
        site.tokens += 1
        token = f"token{site.tokens}"
        site.valid.add(token)
        answer = {
            "token": {
                "methods": ["password"],
                "user": {"id": "u", "name": "tricircle", "domain": {"id": "d", "name": "D"}},
                "expires_at": "2099-01-01T00:00:00.000000Z",
                "issued_at": "2026-01-01T00:00:00.000000Z",
                "catalog": [],
            }
        }
        self._answer(201, answer, {"X-Subject-Token": token})

    def do_GET(self) -> None:
        site = self.server
        site.asked.append(("GET", self.path))
        time.sleep(site.slow)
        if self.path in site.others:
            status, headers = site.others[self.path]
            self._answer(status, {}, headers)
        elif self.path in ("/v3", "/v3/"):
            link = {"rel": "self", "href": f"{site.url}/v3/"}
            version = {"id": "v3.14", "status": "stable", "links": [link]}
            self._answer(200, {"version": version})
        elif site.broken:
            self._answer(503, {})
        elif self.headers.get("X-Auth-Token") not in site.valid:
            self._answer(401, {})
        elif self.path == "/v3/regions":
            regions = [{"id": "RegionOne"}, {"id": "Pod1", "parent_region_id": "RegionOne"}]
            self._answer(200, {"regions": regions})
        elif self.path == "/v3/auth/catalog":
            self._answer(200, {"catalog": site.catalog})
        elif self.path == "/v3/projects/known":
            self._answer(200, {"project": {"id": "known"}})
        else:
            self._answer(404, {})

    def _answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
        content = json.dumps(document).encode()
        self.send_response(status)
        for name, value in {"Content-Type": "application/json", **(headers or {})}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


@pytest.fixture
def site() -> Iterator[Site]:
    made = Site()
    thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield made
    made.shutdown()
    thread.join()
    made.server_close()


@pytest.fixture
def identity(site: Site, tmp_path) -> Iterator[ServiceIdentity]:
    config = tmp_path / "t.conf"
    config.write_text(
        "[tricircle_identity]\nauth_type = password\n"
        f"auth_url = {site.url}/v3\n"
        "username = tricircle\npassword = secret\nproject_name = service\n"
        "user_domain_name = D\nproject_domain_name = D\n"
    )
    CONF(["--config-file", str(config)], project="tricircle")
    yield ServiceIdentity()
    CONF.reset()
    # Options of the plugin the file named: other tests' configuration has none to give.
    for option in loading.get_auth_plugin_conf_options("password"):
        CONF.unregister_opt(option, group="tricircle_identity")


def pod(site: Site) -> Pod:
    return Pod("id", "Pod1", "az1", endpoints={"network": f"{site.url}/pod1/"})


NETWORKS = Right("networks", "network", ("GET /v2.0/networks",), Proof.NOBODY, "")
CENTRAL = Right("networks", "central", ("GET /v2.0/networks",), Proof.NOBODY, "")


def token(identity: ServiceIdentity) -> str:
    return identity.token(NETWORKS, "GET", "/v2.0/networks")


def test_nothing_is_asked_before_the_first_use(site, identity) -> None:
    assert (site.tokens, site.asked) == (0, [])


def test_one_token_serves_until_it_is_refused(site, identity) -> None:
    assert token(identity) == token(identity) == "token1"
    site.valid.clear()
    assert identity.regions() == {"RegionOne": None, "Pod1": "RegionOne"}
    assert token(identity) == "token2"


def test_endpoints_of_a_region(site, identity) -> None:
    assert identity.endpoints("Pod1") == {
        "compute": "http://pod1/v2.1",
        "network": "http://pod1:9696",
        "volume": "http://pod1/new/v3",
    }
    assert identity.endpoints("Pod2") == {"compute": "http://pod2/v2.1"}
    assert identity.endpoints("Nowhere") == {}


def test_the_catalogue_is_kept_and_read_anew_when_asked(site, identity) -> None:
    identity.endpoints("Pod1")
    site.catalog.clear()
    assert identity.endpoints("Pod1") != {}
    assert identity.endpoints("Pod1", fresh=True) == {}
    assert identity.endpoints("Pod1") == {}


def test_an_old_catalogue_is_better_than_none(site, identity, monkeypatch) -> None:
    known = identity.endpoints("Pod1")
    monkeypatch.setattr(identity, "_catalogue", (0.0, identity._catalogue[1]))
    site.broken = True
    assert identity.endpoints("Pod1") == known
    asked = len(site.asked)
    assert identity.endpoints("Pod1") == known
    assert len(site.asked) == asked, "Keystone, which is away, is asked by every call"
    with pytest.raises(KeystoneFailed):
        identity.endpoints("Pod1", fresh=True)


def test_one_reads_the_catalogue_and_the_others_do_not_wait(site, identity, monkeypatch) -> None:
    known = identity.endpoints("Pod1")
    monkeypatch.setattr(identity, "_catalogue", (0.0, identity._catalogue[1]))
    site.slow = 0.5
    reader = threading.Thread(target=identity.endpoints, args=("Pod1",))
    asked = len(site.asked)
    reader.start()
    while len(site.asked) == asked:
        time.sleep(0.01)
    assert identity.endpoints("Pod1") == known
    assert reader.is_alive()
    reader.join()


def test_whether_a_project_exists(site, identity) -> None:
    assert identity.project_exists("known")
    assert not identity.project_exists("unknown")
    assert not identity.project_exists("../regions")
    assert ("GET", "/v3/projects/..%2Fregions") in site.asked
    site.broken = True
    with pytest.raises(KeystoneFailed, match="HTTP 503"):
        identity.project_exists("known")


def test_a_keystone_that_fails_is_one_kind_of_error(site, identity) -> None:
    site.broken = True
    with pytest.raises(KeystoneFailed, match="did not answer /regions"):
        identity.regions()
    with pytest.raises(KeystoneFailed, match="did not answer /auth/catalog"):
        identity.endpoints("Pod1")


def test_a_keystone_that_is_not_there(site, identity) -> None:
    site.shutdown()
    site.server_close()
    with pytest.raises(KeystoneFailed, match="No token for Tricircle's service user"):
        token(identity)


def test_calls_to_a_pod_follow_no_redirect(site, identity) -> None:
    site.others["/pod1/v2.0/networks"] = (302, {"Location": f"{site.url}/stolen"})
    answer = identity.adapter(pod(site), NETWORKS).get("/v2.0/networks", raise_exc=False)
    assert answer.status_code == 302
    assert ("GET", "/stolen") not in site.asked


def test_nor_do_those_within_a_project(site, identity, monkeypatch) -> None:
    monkeypatch.setattr(identity, "_membership", lambda *_: True)
    site.others["/pod1/v2.0/networks"] = (302, {"Location": f"{site.url}/stolen"})
    within = identity.within("p", pod(site), NETWORKS)
    assert within.get("/v2.0/networks", raise_exc=False).status_code == 302
    assert ("GET", "/stolen") not in site.asked


def test_calls_to_a_pod_have_a_deadline(site, identity) -> None:
    token(identity)
    site.others["/pod1/v2.0/networks"] = (200, {})
    adapter = identity.adapter(pod(site), NETWORKS, deadline=0.2)
    assert adapter.get("/v2.0/networks").status_code == 200
    site.slow = 2
    began = time.monotonic()
    with pytest.raises(ClientException):
        adapter.get("/v2.0/networks")
    assert time.monotonic() - began < 1.5
    assert identity._session.timeout == CONF.reconciler.call_deadline


def test_a_pod_without_the_service(site, identity) -> None:
    with pytest.raises(PodUnreachable, match="no volume endpoint"):
        identity.adapter(pod(site), rights.MOVE)


def test_central_neutron_is_the_network_service_of_the_users_region(site, identity) -> None:
    site.others["/central/v2.0/networks"] = (200, {})
    assert identity.central_network(CENTRAL).get("/v2.0/networks").status_code == 200
    site.catalog.clear()
    identity.endpoints("RegionOne", fresh=True)
    with pytest.raises(PodUnreachable, match=r"central Neutron.*no endpoint"):
        identity.central_network(CENTRAL)


def test_what_the_right_does_not_stand_for_is_not_sent(site, identity) -> None:
    adapter = identity.adapter(pod(site), NETWORKS)
    for asked in (
        lambda: adapter.get("/v2.0/ports"),
        lambda: adapter.delete("/v2.0/networks"),
        lambda: identity.token(NETWORKS, "GET", "/v2.0/ports"),
        lambda: identity.ask_keystone(rights.LIMITS, "/users"),
    ):
        with pytest.raises(NoRight):
            asked()
    assert not [path for _, path in site.asked if "/v2.0/" in path or "users" in path]
