# SPDX-License-Identifier: Apache-2.0
"""Which pods are asked for what a project has, in a region of many pods.

Those in which it is known to have something; all of them now and then, for what was made straight
in a pod. Where that cannot be said, all.
"""

import dataclasses
from collections.abc import Mapping, Sequence

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db import routings, whereabouts
from tricircle.gateway.call import Call
from tricircle.gateway.threads import in_thread
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# Parameters with which a list still shows nothing but what its caller's project has. Not those of
# things that are gone: nobody remembers where they were.
_OWN = {
    "availability_zone",
    "bootable",
    "display_name",
    "flavor",
    "group_id",
    "image",
    "ip",
    "ip6",
    "limit",
    "marker",
    "name",
    "not-tags",
    "not-tags-any",
    "offset",
    "sort",
    "sort_dir",
    "sort_key",
    "status",
    "tags",
    "tags-any",
    "volume_id",
    "with_count",
}
_GONE = "delete"


@dataclasses.dataclass(frozen=True, slots=True)
class Choice:
    """``first`` are to be asked; ``others`` have nothing of the project as far as is known.
    ``known`` are the ids of those that have, None where that does not matter.
    """

    first: Sequence[Pod]
    others: Sequence[Pod] = ()
    known: frozenset[str] | None = None

    @property
    def learns(self) -> bool:
        """Whether all are asked, to see where the project is."""
        return self.known is not None and not self.others


async def choose(call: Call, pods: Sequence[Pod]) -> Choice:
    """Which of these are asked for a list that only has what the caller's project has.

    At least one, if there are any: it says what it has to say of the request.
    """
    project_id = call.context.project_id
    if len(pods) <= CONF.gateway.lists_ask_all or not project_id or not _is_own(call):
        return Choice(pods)
    try:
        found = await in_thread(whereabouts.of, project_id, call.service)
        seconds = CONF.gateway.look_elsewhere_seconds
        if found.is_old(seconds) and await in_thread(
            whereabouts.claim_look, project_id, call.service, seconds
        ):
            return Choice(pods, known=found.pods)
    except db_exc.DBError:
        return Choice(pods)
    first = [pod for pod in pods if pod.id in found.pods] or pods[:1]
    others = [pod for pod in pods if pod not in first]
    return Choice(first, others, found.pods)


async def likely_first(call: Call, pods: Sequence[Pod]) -> list[Sequence[Pod]]:
    """The pods in the order in which they are asked for one thing, those at once together."""
    project_id = call.context.project_id
    if len(pods) <= CONF.gateway.lists_ask_all or not project_id:
        return [pods]
    try:
        found = await in_thread(whereabouts.of, project_id, call.service)
    except db_exc.DBError:
        return [pods]
    likely = [pod for pod in pods if pod.id in found.pods]
    others = [pod for pod in pods if pod.id not in found.pods]
    return [some for some in (likely, others) if some]


def _is_own(call: Call) -> bool:
    query = call.query
    gone = any(_GONE in value.lower() for value in query.getall("status", []))
    return not gone and _OWN.issuperset(query)


async def learn(call: Call, kind: str, choice: Choice, seen: Mapping[str, str]) -> None:
    """Write down where the project has something that nobody knew of.

    ``seen`` is {pod id: the id of one thing of a ``kind`` that it has}.
    """
    for pod_id, resource_id in seen.items():
        if pod_id in (choice.known or ()):
            continue
        project_id = call.context.project_id
        what = (kind, resource_id, project_id, pod_id)
        LOG.info("The %s %s of project %s in pod %s was not known", *what)
        try:
            await in_thread(routings.seen, kind, resource_id, pod_id, project_id)
        except db_exc.DBError as error:
            LOG.warning("It cannot be written down now: %s", str(error).splitlines()[0])
