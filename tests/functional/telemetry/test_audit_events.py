# SPDX-License-Identifier: Apache-2.0
"""Who changed what by the Admin API is told to those who watch."""

from collections.abc import Iterator
from typing import Any

import pytest
from oslo_messaging.notify import _impl_test as sent

from tests.functional.gateway_harness import Gateway
from tricircle.conf import CONF
from tricircle.gateway import audit_events


@pytest.fixture
def bus() -> Iterator[None]:
    sent.reset()
    audit_events._notifier.cache_clear()
    yield
    audit_events._notifier.cache_clear()


def told() -> list[dict[str, Any]]:
    return [message for _, message, _, _ in sent.NOTIFICATIONS]


def turn_on() -> None:
    import oslo_messaging

    CONF.set_override("audit_events", True, "telemetry")
    oslo_messaging.get_notification_transport(CONF, "fake://")  # registers its options
    CONF.set_override("driver", ["test"], "oslo_messaging_notifications")
    CONF.set_override("transport_url", "fake://", "oslo_messaging_notifications")


@pytest.mark.usefixtures("bus")
async def test_changes_are_told(gateway: Gateway) -> None:
    turn_on()
    pod = gateway.pod_ids["pod1"]
    change = {"pod": {"state": "draining", "state_reason": "a secret"}}
    (await gateway.manage("PATCH", f"/pods/{pod}", change)).ok(200)
    refused = await gateway.manage("DELETE", f"/pods/{pod}", user="member")
    assert refused.status == 403
    wanted = {"binding": {"project_id": gateway.cloud.project_id, "pod_id": pod}}
    made = (await gateway.manage("POST", "/bindings", wanted)).ok()["binding"]["id"]
    (await gateway.manage("GET", "/pods")).ok(200)
    await gateway.idle()
    events = {message["event_type"]: message["payload"] for message in told()}
    assert events.keys() == {
        "tricircle.pods.update", "tricircle.pods.delete", "tricircle.bindings.create",
    }  # fmt: skip
    changed = events["tricircle.pods.update"]
    assert (changed["action"], changed["outcome"]) == ("update", "success")
    assert changed["target"]["id"] == pod
    assert changed["initiator"]["name"] == "admin"
    assert changed["initiator"]["host"]["address"] == "127.0.0.1"
    assert changed["reason"]["reasonCode"] == "200"
    denied = events["tricircle.pods.delete"]
    assert (denied["outcome"], denied["initiator"]["name"]) == ("failure", "member")
    assert events["tricircle.bindings.create"]["target"]["id"] == made
    assert "a secret" not in str(told())


@pytest.mark.usefixtures("bus")
async def test_nothing_is_told_unless_wanted(gateway: Gateway) -> None:
    turn_on()
    CONF.clear_override("audit_events", "telemetry")
    change = {"pod": {"state": "draining"}}
    (await gateway.manage("PATCH", f"/pods/{gateway.pod_ids['pod1']}", change)).ok(200)
    await gateway.idle()
    assert told() == []


@pytest.mark.usefixtures("bus")
async def test_a_bus_that_is_away_fails_no_request(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turn_on()

    def away(*_: Any) -> None:
        raise OSError("no bus")

    monkeypatch.setattr(sent.TestDriver, "notify", away)
    monkeypatch.setattr(audit_events, "_send", away)
    change = {"pod": {"state": "draining"}}
    (await gateway.manage("PATCH", f"/pods/{gateway.pod_ids['pod1']}", change)).ok(200)
    await gateway.idle()
    assert "could not be sent (OSError)" in caplog.text
