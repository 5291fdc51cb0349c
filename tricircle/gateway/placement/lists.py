# SPDX-License-Identifier: Apache-2.0
"""What is put together of all pods' Placements, and what one of them has.

A pod's own policy says who may look. Nothing is written here: what is there is the pods' Novas' and
Cyborgs' and Neutrons' doing, who know the Placement of their pod alone.
"""

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from tricircle.gateway.call import Call
from tricircle.gateway.transport.client import PodResponse
from tricircle.gateway.upstream import broadcast, scatter
from tricircle.gateway.upstream.forward import reply, reply_with

Document = dict[str, Any]
_PROVIDER = "resource_provider"


async def providers(call: Call) -> web.Response:
    """GET /resource_providers: those of all pods, by the name of their region."""
    answers = await _all(call)
    found = [one for answer in answers for one in _document(answer)["resource_providers"]]
    return reply_with(call, answers[0], {"resource_providers": found})


async def of_provider(call: Call) -> web.Response:
    """What a provider has: of the pod that has the provider."""
    answer = await broadcast.ask(call, _PROVIDER, call.params["uuid"].lower())
    return reply(call, answer, body=_with_our_links(answer))


async def traits(call: Call) -> web.Response:
    """GET /traits: those that any pod has."""
    answers = await _all(call)
    names = _once(name for answer in answers for name in _document(answer)["traits"])
    return reply_with(call, answers[0], {"traits": list(names)})


async def resource_classes(call: Call) -> web.Response:
    """GET /resource_classes: those that any pod has."""
    answers = await _all(call)
    found = [one for answer in answers for one in _document(answer)["resource_classes"]]
    classes = {one["name"]: one for one in reversed(found)}
    in_order = [classes[name] for name in _once(one["name"] for one in found)]
    return reply_with(call, answers[0], {"resource_classes": in_order})


async def anywhere(call: Call) -> web.Response:
    """A trait or a resource class: of any pod that has it."""
    answer = await broadcast.anywhere(call)
    return reply(call, answer, body=_with_our_links(answer))


async def allocations(call: Call) -> web.Response:
    """GET /allocations/{consumer}: a server's, in its pod. A pod that has none says so with 200."""
    answers = await _all(call)
    of_it = (answer for answer in answers if _document(answer)["allocations"])
    answer = next(of_it, answers[0])
    return reply(call, answer, body=_with_our_links(answer))


async def usages(call: Call) -> web.Response:
    """GET /usages: what a project uses, in all pods together."""
    answers = await _all(call)
    total: Document = {}
    for answer in answers:
        _add(total, _document(answer)["usages"])
    return reply_with(call, answers[0], {"usages": total})


async def _all(call: Call) -> list[PodResponse]:
    """The good answers of all pods, one at least. Raises Refused, Fault."""
    return (await scatter.everywhere(call)).good_or_raise()


def _document(answer: PodResponse) -> Document:
    found: Document = answer.json(_with_our_links(answer))
    return found


def _add(total: Document, more: Document) -> None:
    """Add numbers up, also one level down: by the type of consumer, since 1.38."""
    for name, value in more.items():
        if isinstance(value, dict):
            _add(total.setdefault(name, {}), value)
        else:
            total[name] = total.get(name, 0) + value


def _once(names: Iterable[str]) -> dict[str, None]:
    return dict.fromkeys(names)


def _with_our_links(answer: PodResponse) -> bytes:
    """The body with links that begin where ours do: Placement writes paths, with what it is below
    in its pod.
    """
    below = urlsplit(answer.pod.endpoint("placement")).path.rstrip("/")
    if not below or below.encode() not in answer.body:
        return answer.body
    return _link(below).sub(rb"\1", answer.body)


def _link(below: str) -> re.Pattern[bytes]:
    return re.compile(rb'("href":\s*")' + re.escape(below.encode()) + rb"(?=/)")
