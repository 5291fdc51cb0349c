# SPDX-License-Identifier: Apache-2.0
"""The way out to pods."""

from collections.abc import Iterator

import pytest
from aiohttp import BasicAuth
from yarl import URL

from tricircle.gateway.transport import client


@pytest.fixture(autouse=True)
def _nothing_remembered(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    client.proxy_toward.cache_clear()
    yield
    client.proxy_toward.cache_clear()


def test_without_a_proxy_pods_are_asked_directly() -> None:
    assert client.proxy_toward("http", "pod1.example.org") == (None, None)


def test_the_environments_proxy_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://me:secret@proxy.example.org:3128")
    monkeypatch.setenv("no_proxy", "near.example.org")
    assert client.proxy_toward("https", "pod1.example.org") == (
        URL("http://proxy.example.org:3128"),
        BasicAuth("me", "secret"),
    )
    assert client.proxy_toward("http", "pod1.example.org") == (None, None)
    assert client.proxy_toward("https", "near.example.org") == (None, None)


def test_a_proxy_may_be_named_by_its_host_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "proxy.example.org:3128")
    assert client.proxy_toward("http", "pod1.example.org")[0] == URL(
        "http://proxy.example.org:3128"
    )
