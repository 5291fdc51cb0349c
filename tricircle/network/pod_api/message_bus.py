# SPDX-License-Identifier: Apache-2.0
"""A pod's message bus: to its Neutron we speak there as the Open vSwitch agents of hosts that are
in other pods.

A broker that is away can hold a call for ever (oslo.messaging waits for it before it looks at any
timeout), so calls are made in threads that nobody waits for longer than the deadline.
"""

import concurrent.futures
import datetime
import functools
import threading
import time
import urllib.parse
from collections.abc import Callable
from typing import Any

import oslo_messaging
from neutron_lib import constants
from neutron_lib import context as n_context
from neutron_lib import rpc as n_rpc
from neutron_lib.agent import topics
from oslo_log import log
from oslo_utils import uuidutils

from tricircle.conf import CONF
from tricircle.pods.breaker import Breaker
from tricircle.pods.deadline import Deadline
from tricircle.pods.errors import PodRefused, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

LOG = log.getLogger(__name__)

EXCHANGE = "neutron"
#: In the configurations of the agents we speak for: they are ours to remove.
MARK = "tricircle"
# Calls that may be on their way at once on one bus; those a dead broker holds count.
_CALLS = 8


def has(pod: Pod) -> bool:
    """Whether the pod's bus is known."""
    return pod.region_name in _urls()


def _urls() -> dict[str, str]:
    named = (line.partition(":") for line in CONF.interconnect.message_buses)
    return {region.strip(): url.strip() for region, _, url in named}


class Bus:
    """One pod's. Thread-safe.

    Every call raises PodTimeout, PodUnreachable (no bus, no broker, or it is being left alone) or
    PodRefused (its Neutron failed).
    """

    def __init__(self, region: str, url: str) -> None:
        self._region = region
        address, _, query = url.partition("?")
        more = dict(urllib.parse.parse_qsl(query))
        self._exchange = more.pop("exchange", EXCHANGE)
        self._url = f"{address}?{urllib.parse.urlencode(more)}" if more else address
        self._breaker = Breaker()
        self._slots = threading.Semaphore(_CALLS)
        self._lock = threading.Lock()
        self._transport: Any = None
        self._reported: dict[str, float] = {}

    def report(self, deadline: Deadline, host: str, tunnel_ip: str) -> None:
        """The agent of a host is alive; its tunnel ends at an address. Said again only when it has
        not been for a while."""
        interval = CONF.interconnect.agent_report_interval
        if time.monotonic() - self._reported.get(host, float("-inf")) < interval / 2:
            return
        state = {
            "binary": "neutron-openvswitch-agent",
            "host": host,
            "topic": "N/A",
            "agent_type": constants.AGENT_TYPE_OVS,
            "availability_zone": "",
            "configurations": {
                MARK: True,
                "tunneling_ip": tunnel_ip,
                "tunnel_types": ["vxlan"],
                "l2_population": True,
                "arp_responder_enabled": True,
                "bridge_mappings": {},
                "datapath_type": "system",
                "integration_bridge": "br-int",
                "ovs_hybrid_plug": False,
            },
            "uuid": uuidutils.generate_uuid(),
        }
        moment = datetime.datetime.now(datetime.UTC).strftime(constants.ISO8601_TIME_FORMAT)
        agent_state = {"agent_state": state}
        self._call(
            deadline, topics.REPORTS, "1.0", "report_state", agent_state=agent_state, time=moment
        )
        self._reported[host] = time.monotonic()

    def forget(self, host: str) -> None:
        """The pod may know nothing of a host any more."""
        self._reported.pop(host, None)

    def up(self, deadline: Deadline, port_id: str, host: str) -> None:
        """A port is plugged on its host, as an agent finds and tells."""
        device = {"device": port_id, "agent_id": f"ovs-agent-{host}", "host": host}
        self._call(deadline, topics.PLUGIN, "1.3", "get_device_details", **device)
        self._call(deadline, topics.PLUGIN, "1.3", "update_device_up", **device)

    def down(self, deadline: Deadline, port_id: str, host: str) -> None:
        """A port is plugged there no more."""
        device = {"device": port_id, "agent_id": f"ovs-agent-{host}", "host": host}
        self._call(deadline, topics.PLUGIN, "1.3", "update_device_down", **device)

    def _call(
        self, deadline: Deadline, topic: str, version: str, method: str, **arguments: Any
    ) -> Any:
        seconds = min(CONF.interconnect.rpc_deadline, deadline.remaining(f"pod {self._region}"))
        if not self._breaker.allow():
            raise PodUnreachable(
                self._region, "its message bus failed repeatedly and is left alone for a moment"
            )

        def call() -> Any:
            target = oslo_messaging.Target(exchange=self._exchange, topic=topic, version=version)
            client = oslo_messaging.get_rpc_client(
                self._connected(), target, serializer=n_rpc.RequestContextSerializer()
            )
            context = n_context.get_admin_context_without_session()
            return client.prepare(timeout=seconds, retry=0).call(context, method, **arguments)

        try:
            answer = self._within(seconds, call)
        except (TimeoutError, oslo_messaging.MessagingTimeout):
            self._breaker.failure()
            raise PodTimeout(
                self._region,
                f"its Neutron did not answer {method} over its message bus within {seconds:.0f} s",
            ) from None
        except oslo_messaging.RemoteError as error:
            self._breaker.success()
            reason = f"{method} over its message bus: {error.exc_type}: {error.value}"
            raise PodRefused(self._region, 500, reason) from None
        except PodUnreachable:
            self._breaker.failure()
            raise
        except Exception as error:
            # What a driver raises when its broker is away or refuses us is the driver's own. What
            # it says may hold the URL, and with it the password.
            self._breaker.failure()
            kind = type(error).__name__
            LOG.debug("Pod %s: %s failed: %s", self._region, method, kind)
            raise PodUnreachable(
                self._region, f"{method} over its message bus failed: {kind}"
            ) from None
        self._breaker.success()
        return answer

    def _within(self, seconds: float, call: Callable[[], Any]) -> Any:
        """What a call gives, in a thread that is left behind if it takes longer. Raises
        TimeoutError, and what the call raises."""
        if not self._slots.acquire(timeout=seconds):
            raise PodUnreachable(self._region, f"its message bus holds {_CALLS} calls already")
        future: concurrent.futures.Future[Any] = concurrent.futures.Future()

        def run() -> None:
            try:
                future.set_result(call())
            except BaseException as error:
                future.set_exception(error)
            finally:
                self._slots.release()

        threading.Thread(target=run, name=f"{self._region}-bus", daemon=True).start()
        # A little more, so that the driver's own timeout comes first where it works.
        return future.result(seconds + 0.5)

    def _connected(self) -> Any:
        with self._lock:
            if self._transport is None:
                self._transport = oslo_messaging.get_rpc_transport(CONF, self._url)
            return self._transport


@functools.cache
def _bus(region: str, url: str) -> Bus:
    return Bus(region, url)


def of(pod: Pod) -> Bus:
    """The pod's bus; no connection is made yet. Raises PodUnreachable when it is not known."""
    try:
        return _bus(pod.region_name, _urls()[pod.region_name])
    except KeyError:
        raise PodUnreachable(
            pod.region_name, "[interconnect] message_buses does not name its message bus"
        ) from None
