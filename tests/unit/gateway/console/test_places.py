# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from yarl import URL

from tricircle.conf import CONF
from tricircle.gateway.console import places
from tricircle.gateway.console.places import Place

BASE = "https://consoles.example.org"


@pytest.fixture(autouse=True)
def options() -> Iterator[None]:
    CONF.set_override("public_base_url", BASE, "console")
    CONF.set_override("secret", "one secret", "console")
    yield
    CONF.clear_override("public_base_url", "console")
    CONF.clear_override("secret", "console")


@pytest.mark.parametrize("front", [BASE, "http://cloud.example.org:6080/consoles/"])
@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("novnc", "https://pod1.example.org:6080/vnc_lite.html?path=%3Ftoken%3Da-b"),
        ("novnc", "http://[2001:db8::1]:6080/novnc/vnc_auto.html?token=a-b"),
        ("spice-html5", "http://10.0.0.1:6082/spice_auto.html?token=a-b"),
        ("serial", "ws://10.0.0.1:6083/?token=a-b"),
        ("serial", "wss://pod1.example.org/serial/?token=a-b"),
        ("webmks", "http://10.0.0.1:6090/?token=a-b"),
    ],
)
def test_there_and_back(front: str, kind: str, url: str) -> None:
    CONF.set_override("public_base_url", front, "console")
    ours, theirs = URL(places.public_url("Pod 1", kind, url)), URL(url)
    assert ours.origin() == URL(front).with_scheme(ours.scheme).origin()
    assert (ours.scheme in ("ws", "wss")) == (kind == "serial")
    assert (ours.scheme in ("https", "wss")) == front.startswith("https")
    found = places.find(ours.raw_path)
    assert found is not None
    place, path = found
    assert (place.region, path) == ("Pod 1", theirs.path)
    target = place.target(path, ours.raw_query_string, socket=kind == "serial")
    assert target is not None
    assert target.authority == theirs.authority
    if kind in ("novnc", "spice-html5"):
        assert ours.query.get("token") == theirs.query.get("token")
        inside = theirs.query.get("path", "websockify")
        opened = URL(f"{BASE}/{ours.query['path']}")
        found = places.find(opened.raw_path)
        assert found is not None
        assert found[0] == place
        led = found[0].target(found[1], opened.raw_query_string, socket=True)
        assert led == URL(f"{place.origin}/{inside.lstrip('/')}")
    else:
        assert ours.query_string == theirs.query_string


@pytest.mark.parametrize(
    ("kind", "url"),
    [
        ("spice-direct", "http://10.0.0.1:13002/nova?token=a"),
        ("xvpvnc", "http://10.0.0.1:6081/console?token=a"),
        ("novnc", "gopher://10.0.0.1/?token=a"),
        ("novnc", "http://user:word@10.0.0.1/vnc.html?token=a"),
        ("novnc", "/vnc.html?token=a"),
        ("novnc", "http://10.0.0.1:port/"),
    ],
)
def test_what_cannot_be_led_stays(kind: str, url: str) -> None:
    assert places.public_url("Pod1", kind, url) == url


def test_a_seal_is_good_for_one_pod_one_base_and_one_secret() -> None:
    place = Place("Pod1", URL("http://10.0.0.1:6080/"))
    _, region, seal = place.path.split("/")
    assert places.find(f"{place.path}/x") == (place, "/x")
    assert places.find(f"/Pod2/{seal}/x") is None
    other = Place("Pod1", URL("http://10.0.0.2:6080/")).path.split("/")[2]
    assert places.find(f"/{region}/{seal[:20]}{other[20:]}/x") is None
    path = f"{place.path}/x"
    CONF.set_override("secret", "another secret", "console")
    assert places.find(path) is None


@given(st.text())
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_path_breaks_it(path: str) -> None:
    assert places.find(path) is None


@pytest.mark.parametrize(
    ("path", "socket", "allowed"),
    [
        ("/novnc/vnc.html", False, True),
        ("/novnc/a/b.js", False, True),
        ("/", True, True),
        ("/websockify", True, True),
        ("/novnc/websockify", True, True),
        ("/", False, False),
        ("/websockify", False, False),
        ("/novnc", False, False),
        ("/other/page", True, False),
        ("/novnc/../x", False, False),
        ("/novnc/%2E%2e/x", False, False),
        ("/novnc/..%2Fx", False, False),
        ("/novnc/..%5Cx", False, False),
    ],
)
def test_what_of_a_proxy_can_be_reached(path: str, socket: bool, allowed: bool) -> None:
    place = Place("Pod1", URL("http://10.0.0.1/novnc/"))
    target = place.target(path, "token=a", socket=socket)
    assert (target is not None) == allowed
    if target is not None:
        assert str(target) == f"http://10.0.0.1{path}?token=a"
