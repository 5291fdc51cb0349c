# SPDX-License-Identifier: Apache-2.0
"""Pages of a list as Nova tells of them: how long one is, and the link to the next."""

from urllib.parse import urlencode

from multidict import MultiDict

from tricircle.conf import CONF
from tricircle.gateway.call import Call
from tricircle.gateway.http import bounds


def page_size(call: Call) -> int | None:
    """Items on a page as the client wants it, within [gateway] max_limit.

    None for a limit that a pod shall refuse, 0 for a list that is empty.
    """
    given = call.query.getall("limit", [])
    if not given:
        return CONF.gateway.max_limit
    return bounds.clamped(given[-1].strip(), CONF.gateway.max_limit)


def offset(call: Call) -> int | None:
    """How many items the client wants left out; None for an offset that is none."""
    return bounds.clamped(call.query.get("offset", "0").strip(), bounds.STORED)


def to_next(call: Call, path: str, marker: object) -> list[dict[str, str]]:
    """The link to the page after ``marker``: the request's parameters by name, marker replaced."""
    params = MultiDict(sorted(call.query.items(), key=lambda pair: pair[0]))
    params["marker"] = str(marker)
    query = urlencode(list(params.items()))
    return [{"rel": "next", "href": f"{call.root}{call.base}{call.with_project(path)}?{query}"}]
