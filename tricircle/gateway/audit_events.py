# SPDX-License-Identifier: Apache-2.0
"""Audit events (CADF) of what is changed by the Admin API: pods, bindings, moves, credentials.

One for each such request of a known caller, whether it was let or not, through oslo.messaging's
notifier. What was sent as a body is not told: there may be secrets in it.
"""

import functools
from typing import Any

import oslo_messaging
from oslo_log import log as logging
from pycadf import attachment, cadftaxonomy, event, host, reason, resource

from tricircle.conf import CONF
from tricircle.gateway import threads
from tricircle.telemetry.requests import UnderWay

LOG = logging.getLogger(__name__)

_ACTIONS = {"POST": "create", "PUT": "update", "PATCH": "update", "DELETE": "delete"}
_KIND = "service/tricircle"
# Tries to reach the message bus, once an event is due.
_TRIES = 1


def wanted(service: str, method: str, about: UnderWay) -> bool:
    """Whether a request is to be told of."""
    changes = service == "admin" and method in _ACTIONS
    return changes and about.caller is not None and bool(CONF.telemetry.audit_events)


async def tell(about: UnderWay, method: str, address: str, status: int, made: str) -> None:
    """Tell of a request that was answered with a status; ``made`` is the id of what it made.

    Raises nothing: that an event is lost is told by the log, with the event.
    """
    told = _event(about, method, address, status, made)
    kind = f"tricircle.{told['target']['typeURI'].removeprefix(_KIND)[1:].replace('/', '.')}"
    try:
        await threads.AUDIT.run(_send, f"{kind}.{told['action']}", told)
    except Exception as error:
        LOG.error("The audit event %s could not be sent (%s)", told, type(error).__name__)


def _send(kind: str, told: dict[str, Any]) -> None:
    _notifier().info({}, kind, told)


@functools.cache
def _notifier() -> Any:
    transport = oslo_messaging.get_notification_transport(CONF)
    return oslo_messaging.Notifier(transport, publisher_id="tricircle-gateway", retry=_TRIES)


def _event(about: UnderWay, method: str, address: str, status: int, made: str) -> dict[str, Any]:
    names, ids = _target(about, made)
    caller = about.caller
    outcome = cadftaxonomy.OUTCOME_SUCCESS if status < 400 else cadftaxonomy.OUTCOME_FAILURE
    found = event.Event(
        eventType="activity",
        action=_ACTIONS[method],
        outcome=outcome,
        reason=reason.Reason(reasonType="HTTP", reasonCode=str(status)),
        initiator=resource.Resource(
            id=caller.user_id or "unknown",
            typeURI="service/security/account/user",
            name=caller.user_name,
            domain=caller.user_domain_id,
            host=host.Host(address=address),
        ),
        target=resource.Resource(id=ids, typeURI=f"{_KIND}/{names}"),
        observer=resource.Resource(id="tricircle-gateway", typeURI=_KIND),
    )
    found.add_attachment(attachment.Attachment(
        typeURI="xs:string", content=about.request_id, name="request_id"))  # fmt: skip
    told: dict[str, Any] = found.as_dict()
    return told


def _target(about: UnderWay, made: str) -> tuple[str, str]:
    """What the path of a request names: "pods/projects" and "<pod>/<project>", say."""
    names: list[str] = []
    ids: list[str] = []
    rows = about.route.strip("/").split("/")[2:]
    for row, segment in zip(rows, about.path.strip("/").split("/")[2:], strict=False):
        (ids if row.startswith("{") else names).append(segment)
    if made:
        ids.append(made)
    return "/".join(names) or "unknown", "/".join(ids) or "unknown"
