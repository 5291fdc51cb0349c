# SPDX-License-Identifier: Apache-2.0
"""What servers really use of their projects' quotas, as their pods tell it.

The gateway writes down what it makes and ends. Here a server is looked at that was resized or the
like, and now and then all of a pod: those made, resized or deleted behind our back, or there
before us, are learned. While a pod is away what was known of it holds.
"""

import datetime
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import allocations, models, routings
from tricircle.db import server_groups as groups
from tricircle.db.realizations import Key
from tricircle.network.reconcile import repairs
from tricircle.pods import markers, rights, server_groups
from tricircle.pods.deadline import Deadline, DeadlinePassed
from tricircle.pods.document import pages
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService, PodServices
from tricircle.xjob.storage import Storage, audit_deadline

LOG = logging.getLogger(__name__)

# The first microversion that shows a server with the size it has.
_VERSION = "2.47"
_GROUPS_VERSION = "2.13"
_PAGE = 1000
_BATCH = 100
_AGAIN = 5.0
_VOLUMES = "os-extended-volumes:volumes_attached"
_SOFT_DELETED = "SOFT_DELETED"


class Usage:
    """Looks at the servers of pods. All blocks."""

    def __init__(self, services: PodServices, storage: Storage) -> None:
        self._services, self._storage = services, storage

    def run(self, pod: Pod) -> int:
        """Look at the servers of a pod that are due; how many."""
        due = allocations.due(pod.id, _BATCH)
        if due:
            try:
                service = self._service(pod, Deadline(CONF.reconciler.claim_seconds))
                for row in due:
                    self._look(service, pod, row)
            except (PodError, KeystoneFailed, DeadlinePassed) as error:
                LOG.info("What servers of pod %s use is not known yet: %s", pod.region_name, error)
        return len(due)

    def audit(self, pod: Pod) -> int:
        """Hold all servers of a pod against what is written down; how many were not right.

        Raises PodError, KeystoneFailed, DeadlinePassed.
        """
        service = self._service(pod, audit_deadline())
        known = allocations.in_pod(pod.id)
        began = models.now()
        wrong = 0
        seen: set[str] = set()
        for server in _servers(service):
            seen.add(server["id"])
            row = known.get(server["id"])
            # One that is being made is written down by whoever makes it.
            if row is None and not _is_settled(server, began):
                continue
            values = _use(server)
            if row is None or (row.check_at is None and _differs(row, values)):
                # One that is new to us may be just gone: it is looked at again soon.
                allocations.learn(server["id"], pod.id, values, _AGAIN if row is None else None)
                routings.seen("server", server["id"], pod.id, values["project_id"])
                wrong += 1
        for server_id in known.keys() - seen:
            if _show(service, server_id) is None:
                allocations.gone([server_id])
                wrong += 1
        self._audit_groups(service, pod)
        if wrong:
            LOG.info("What %d servers of pod %s use is put right", wrong, pod.region_name)
        return wrong

    @staticmethod
    def _audit_groups(service: PodService, pod: Pod) -> None:
        """Members of pods' groups that nobody lived to write down; groups of others are told of."""
        strangers = []
        for inside in _groups(service):
            central = markers.named(inside["name"])
            if central is None:
                continue
            if not _is_ours(pod, inside, central):
                words = repairs.left_alone(inside["id"], inside["project_id"])
                strangers.append((Key(groups.KIND, central), words))
            elif inside["members"]:
                groups.join(central, inside["project_id"], inside["members"])
        repairs.report_strangers(pod, strangers)

    def _look(self, service: PodService, pod: Pod, row: models.Allocation) -> None:
        server = _show(service, str(row.server_id))
        if server is None:
            allocations.gone([str(row.server_id)])
        elif server.get("OS-EXT-STS:task_state"):
            # On its way: what was set aside for it holds.
            allocations.learn(str(row.server_id), pod.id, {}, _AGAIN, was=row.check_at)
        else:
            volumes = [one["id"] for one in server.get(_VOLUMES) or ()]
            self._storage.made_with(pod, row.id, volumes)
            allocations.learn(str(row.server_id), pod.id, _use(server), was=row.check_at)

    def _service(self, pod: Pod, deadline: Deadline) -> PodService:
        return self._services.of(pod, rights.SERVERS_USED, deadline)


def _is_ours(pod: Pod, inside: dict[str, Any], group_id: str) -> bool:
    """Whether we made a pod's group that has the marker of a group."""
    if groups.known_by(pod.id, [inside["id"]]).get(inside["id"]) == group_id:
        return True
    group = groups.get(group_id)
    owner = None if group is None else group.project_id
    return server_groups.is_ours(pod.region_name, inside, owner)


def _use(server: dict[str, Any]) -> dict[str, Any]:
    flavor = server["flavor"]
    return {
        "project_id": server["tenant_id"],
        "user_id": server["user_id"],
        "vcpus": int(flavor["vcpus"]),
        "ram": int(flavor["ram"]),
        "instances": 0 if server["status"] == _SOFT_DELETED else 1,
    }


def _differs(row: models.Allocation, values: dict[str, Any]) -> bool:
    return any(getattr(row, name) != value for name, value in values.items())


def _is_settled(server: dict[str, Any], now: datetime.datetime) -> bool:
    made = datetime.datetime.fromisoformat(server["created"]).replace(tzinfo=None)
    return (now - made).total_seconds() > CONF.reconciler.creation_grace


def _show(service: PodService, server_id: str) -> dict[str, Any] | None:
    """A server; None when it is gone, which Nova may show for a moment as DELETED."""
    document = service.ask("GET", f"/servers/{server_id}", _VERSION, missing=True)
    if document is None or document["server"]["status"] == "DELETED":
        return None
    server: dict[str, Any] = document["server"]
    return server


def _servers(service: PodService) -> Iterator[dict[str, Any]]:
    """Every server of a pod, of all projects, in the order they were made."""
    query: dict[str, Any] = {
        "all_tenants": 1,
        "limit": _PAGE,
        "sort_key": "created_at",
        "sort_dir": "asc",
    }
    for _ in pages(service.pod.region_name, "servers"):
        page = service.ask("GET", f"/servers/detail?{urlencode(query)}", _VERSION)["servers"]
        yield from page
        if not page:
            return
        query["marker"] = page[-1]["id"]


def _groups(service: PodService) -> Iterator[dict[str, Any]]:
    """Every server group of a pod."""
    offset = 0
    for _ in pages(service.pod.region_name, "server groups"):
        path = f"/os-server-groups?all_projects=true&limit={_PAGE}&offset={offset}"
        page = service.ask("GET", path, _GROUPS_VERSION)["server_groups"]
        yield from page
        if not page:
            return
        offset += len(page)
