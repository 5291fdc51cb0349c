# SPDX-License-Identifier: Apache-2.0
"""What a pod has and uses of processors, memory and storage, for those who watch it."""

from oslo_log import log as logging

from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.scheduling import capacity

LOG = logging.getLogger(__name__)

# Seconds the pod has to tell.
_DEADLINE = 10.0
_ASK = {"compute": capacity.server_room, "volume": capacity.storage_room}


class Room:
    """``seen`` is what the pod told last; of a service that does not tell, nothing."""

    def __init__(self, identity: ServiceIdentity) -> None:
        self._identity = identity
        self._by_service: dict[str, capacity.Room] = {}

    @property
    def seen(self) -> capacity.Room:
        return {
            name: told for room in list(self._by_service.values()) for name, told in room.items()
        }

    def look(self, pod: Pod | None, service: str) -> None:
        """Ask a service of the pod; None: it is not to be asked now. Raises nothing."""
        found: capacity.Room = {}
        try:
            if pod is not None and pod.has(service):
                found = _ASK[service](self._identity, pod, _DEADLINE)
        except Exception as error:
            LOG.info("What the %s service of a pod has and uses is not known: %s", service, error)
        self._by_service[service] = found
