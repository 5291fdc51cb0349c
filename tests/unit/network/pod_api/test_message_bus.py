# SPDX-License-Identifier: Apache-2.0
"""A pod's message bus as an operator names it, and calls that nobody answers."""

import threading
from collections.abc import Iterator

import pytest

from tricircle.conf import CONF
from tricircle.network.pod_api import message_bus
from tricircle.network.pod_api.message_bus import Bus
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

CLUSTER = "rabbit://neutron:hush@one:5672,neutron:hush@two:5672/neutron?ssl=1"


@pytest.fixture
def pod() -> Iterator[Pod]:
    CONF.set_override("message_buses", [f"Pod1:{CLUSTER}", "Pod2: fake:///"], group="interconnect")
    CONF.set_override("rpc_deadline", 0.2, group="interconnect")
    yield Pod("id", "Pod1", "az1")
    CONF.clear_override("message_buses", group="interconnect")
    CONF.clear_override("rpc_deadline", group="interconnect")


def test_each_pod_has_its_own_bus(pod: Pod) -> None:
    assert message_bus._urls() == {"Pod1": CLUSTER, "Pod2": "fake:///"}
    assert message_bus.has(pod)
    other = Pod("other", "Pod3", "az3")
    assert not message_bus.has(other)
    with pytest.raises(PodUnreachable, match=r"Pod3: \[interconnect\] message_buses"):
        message_bus.of(other)


def test_a_control_exchange_of_another_name_is_no_part_of_the_address() -> None:
    made = Bus("Pod1", f"{CLUSTER}&exchange=other")
    assert (made._url, made._exchange) == (CLUSTER, "other")
    assert Bus("Pod1", "fake:///?exchange=other")._url == "fake:///"
    assert Bus("Pod1", CLUSTER)._exchange == "neutron"


def test_a_broker_that_holds_calls_for_ever_holds_up_nobody(
    pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    freed, asked = threading.Event(), list[str]()

    def held() -> None:
        asked.append("once more")
        freed.wait()

    made = Bus("Pod1", CLUSTER)
    monkeypatch.setattr(made, "_connected", held)
    for _ in range(3):
        with pytest.raises(PodTimeout, match="Pod1: its Neutron did not answer"):
            made.report(Deadline(5), "host", "172.31.1.1")
    # Then it is left alone.
    with pytest.raises(PodUnreachable, match="left alone"):
        made.report(Deadline(5), "host", "172.31.1.1")
    assert len(asked) == 3
    freed.set()
