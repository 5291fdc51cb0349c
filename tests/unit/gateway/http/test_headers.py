# SPDX-License-Identifier: Apache-2.0
"""What of a client's headers is believed."""

import pytest
from aiohttp.test_utils import make_mocked_request
from multidict import CIMultiDict, CIMultiDictProxy

from tricircle.gateway.http import headers
from tricircle.gateway.http.errors import Fault


def proxy(*pairs: tuple[str, str]) -> CIMultiDictProxy[str]:
    return CIMultiDictProxy(CIMultiDict(pairs))


@pytest.mark.parametrize(
    "name",
    [
        "X-User-Id",
        "X-Project-Id",
        "X-Roles",
        "x-roles",
        "X_Roles",
        "X-Domain-Id",
        "X-Identity-Status",
        "X-Service-Token",
        "X-Service-Roles",
        "X-Service-Catalog",
        "OpenStack-System-Scope",
        "Transfer-Encoding",
        "TE",
        "Connection",
    ],
)
def test_what_a_client_may_not_say_is_dropped(name: str) -> None:
    assert not headers.strip(proxy((name, "admin")))


def test_what_connection_names_goes_no_further() -> None:
    kept = headers.strip(
        proxy(("Connection", "close, X-Secret"), ("X-Secret", "1"), ("Accept", "*"))
    )
    assert dict(kept) == {"Accept": "*"}


def test_token_and_versions_stay() -> None:
    told = [("X-Auth-Token", "t"), ("OpenStack-API-Version", "compute 2.30")]
    assert list(headers.strip(proxy(*told)).items()) == told


@pytest.mark.parametrize(
    "pairs",
    [
        {"Content-Length": "3", "Transfer-Encoding": "chunked"},
        CIMultiDict([("Content-Length", "3"), ("Content-Length", "4")]),
        CIMultiDict([("Host", "a"), ("Host", "b")]),
    ],
)
def test_a_request_with_two_ends_is_refused(pairs: CIMultiDict[str]) -> None:
    with pytest.raises(Fault) as caught:
        headers.refuse_smuggling(make_mocked_request("POST", "/", headers=pairs))
    assert caught.value.status == 400


@pytest.mark.parametrize(
    ("sent", "believed"),
    [
        ("req-8e5f1a3c-1111-4222-8333-123456789abc", True),
        ("8e5f1a3c-1111-4222-8333-123456789abc", False),
        ("req-1", False),
        ("req-8e5f1a3c-1111-4222-8333-123456789abc\tx", False),
        ("", False),
    ],
)
def test_only_a_request_id_is_believed_as_one(sent: str, believed: bool) -> None:
    request = make_mocked_request("GET", "/", headers={"X-OpenStack-Request-ID": sent})
    assert headers.global_request_id(request) == (sent if believed else None)
