# SPDX-License-Identifier: Apache-2.0
"""A pod's version documents over real HTTP."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests import database
from tricircle.pods.work_look import AGENT

db = database.db

COMPUTE = {"version": {"id": "v2.1", "min_version": "2.1", "version": "2.104", "status": "CURRENT"}}
VOLUME = {
    "versions": [
        {"id": "v3.0", "min_version": "3.0", "version": "3.71", "status": "CURRENT"},
    ]
}
NETWORK = {"versions": [{"id": "v2.0", "status": "CURRENT", "links": []}]}


class Cloud:
    """Serves what ``answers`` says: {path: a document, (status, document), or seconds to hang}."""

    def __init__(self) -> None:
        self.answers: dict[str, Any] = {
            "/compute/v2.1/": COMPUTE,
            "/network/": NETWORK,
            "/volume/": (300, VOLUME),
        }
        self.asked: list[str] = []
        self.looks: list[str] = []
        app = web.Application()
        app.router.add_get("/{path:.*}", self._answer)
        self.server = TestServer(app)

    async def _answer(self, request: web.Request) -> web.Response:
        is_look = request.headers.get("User-Agent") == AGENT
        assert is_look is ("X-Auth-Token" in request.headers)
        (self.looks if is_look else self.asked).append(request.path)
        answer = self.answers.get(request.path, {}) if is_look else self.answers[request.path]
        if isinstance(answer, list):
            answer = answer.pop(0) if len(answer) > 1 else answer[0]
        if isinstance(answer, (int, float)):
            await asyncio.sleep(answer)
            answer = (503, {})
        status, document = answer if isinstance(answer, tuple) else (200, answer)
        if isinstance(document, str):
            return web.Response(status=status, text=document)
        return web.json_response(document, status=status)

    @property
    def catalogue(self) -> dict[str, str]:
        """Endpoints as a catalogue may have them."""
        return {
            "compute": f"{self.root}/compute/v2.1/0123456789abcdef",
            "network": f"{self.root}/network/",
            "volume": f"{self.root}/volume/v3/",
            "placement": f"{self.root}/placement",
        }

    @property
    def root(self) -> str:
        return str(self.server.make_url("")).rstrip("/")


@pytest.fixture
async def cloud() -> AsyncIterator[Cloud]:
    made = Cloud()
    await made.server.start_server()
    yield made
    await made.server.close()
