# SPDX-License-Identifier: Apache-2.0
"""Forms of requests are answered as the installed Nova and Cinder answer them."""

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests import forms
from tests.functional.gateway_harness import Gateway

Form = dict[str, Any]


async def ask(gateway: Gateway, base: str, form: Form) -> tuple[int, str, str]:
    """(status, kind of document, path of the location) of a request that is sent as it is."""
    where = urlsplit(base)
    headers = {"Host": where.netloc, "Accept": "application/json", "Connection": "close"}
    headers |= form["headers"]
    if form["token"]:
        headers["X-Auth-Token"] = gateway.token("member")
    path = form["path"].replace(forms.PROJECT, gateway.cloud.project_id)
    lines = [
        f"{form['method']} {path} HTTP/1.1",
        *(f"{k}: {v}" for k, v in headers.items()),
        "",
        "",
    ]
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write("\r\n".join(lines).encode())
    told = await asyncio.wait_for(reader.read(), 10)
    writer.close()
    head, _, body = told.partition(b"\r\n\r\n")
    first, *rest = head.decode().split("\r\n")
    found = dict(line.split(": ", 1) for line in rest)
    location = urlsplit(found.get("Location", "")).path
    return int(first.split()[1]), forms.kind(body.decode()), location


def wanted(service: str, form: Form) -> tuple[int, str, str]:
    """What the service answers, but for what we do otherwise on purpose (docs/compatibility.md)."""
    path, status, kind = form["path"], form["status"], form["kind"]
    if service == "compute" and (path == "/v2" or path.startswith("/v2/")):
        return 300, "choices", ""
    if status == 404 and kind in ("message", "text"):
        # Of what is not there every answer has one form, whatever is accepted.
        kind = "itemNotFound"
    return status, kind, form["location"]


@pytest.mark.parametrize("service", ["compute", "volume"])
async def test_forms(gateway: Gateway, service: str) -> None:
    base = {"compute": gateway.compute, "volume": gateway.volume}[service]
    asked = json.loads(forms.FILE.read_text())[service]
    found = [(form, await ask(gateway, base, form)) for form in asked]
    wrong = [(form, told) for form, told in found if told != wanted(service, form)]
    assert wrong == []


async def test_a_form_is_no_way_around_access_rules(gateway: Gateway) -> None:
    token = gateway.cloud.keystone.issue("member")
    rule = {"service": "block-storage", "method": "GET", "path": "/v3/volumes/*"}
    token.access_rules = [rule]
    for path in ("/v3/volumes.json", "//v3/volumes", "/v3//volumes", "/v3/volumes//"):
        answer = await gateway.get(
            path, base=gateway.volume, user=None, headers={"X-Auth-Token": token.id}
        )
        assert answer.status == 401, path
