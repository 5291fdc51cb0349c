# SPDX-License-Identifier: Apache-2.0
"""Horizon in this process, with our panels, over a running gateway."""

import asyncio
import html
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.functional.client.shell import register
from tests.functional.gateway_harness import Gateway

SITE = Path(__file__).parent / "site"


@pytest.fixture(scope="session")
def horizon() -> Iterator[None]:
    """Django is set up once for the process."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DJANGO_SETTINGS_MODULE", "openstack_dashboard.settings")
        # Before openstack_dashboard's own folder, which is last.
        sys.path.insert(0, str(SITE))
        import django

        django.setup()
        yield
        sys.path.remove(str(SITE))


class Visitor:
    """Somebody at a browser without JavaScript."""

    def __init__(self, gateway: Gateway, user: str, project: str) -> None:
        from django.test import Client

        self._gateway = gateway
        self._client = Client()
        self._user, self._project = user, project

    async def log_in(self) -> None:
        login = {"username": self._user, "password": "secret", "region": "default"}
        page = await self("/auth/login/", login)
        assert page.status_code == 302, words(page)[:2000]

    async def __call__(self, path: str, form: dict[str, str] | None = None) -> Any:
        from django.test import override_settings

        keystone = f"{self._gateway.cloud.keystone.url}/v3"

        def work() -> Any:
            with override_settings(OPENSTACK_KEYSTONE_URL=keystone):
                if form is None:
                    return self._client.get(path)
                return self._client.post(path, form)

        answer = await asyncio.to_thread(work)
        await self._gateway.idle()
        return answer

    async def text(self, path: str) -> str:
        """What a page says, without its tags."""
        page = await self(path)
        assert page.status_code == 200, (page.status_code, page.headers)
        return words(page)


def words(page: Any) -> str:
    body = re.sub(r"(?s)<(script|style)\b.*?</\1>", "", page.content.decode())
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", body)).split())


Enter = Callable[..., Any]


@pytest.fixture
def enter(horizon: None, gateway: Gateway) -> Enter:
    """Log somebody in."""

    async def work(user: str = "admin", project: str = "admin") -> Visitor:
        register(gateway)
        visitor = Visitor(gateway, user, project)
        await visitor.log_in()
        return visitor

    return work
