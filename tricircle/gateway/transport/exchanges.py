# SPDX-License-Identifier: Apache-2.0
"""Tokens of pods with a Keystone of their own: asked for once, kept in memory, told nobody.

They are kept by who they are for and not by the caller's token, since clients bring a new one each
time. Whether the caller may still do anything is asked of our own Keystone at each request before.
"""

import asyncio
import collections
import dataclasses
import functools
import time

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.gateway.caches import Recent
from tricircle.gateway.threads import EXCHANGES, Busy
from tricircle.pods.access.accesses import Accesses
from tricircle.pods.access.base import PodToken, Who
from tricircle.pods.errors import NoAccess, PodUnreachable
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod

LOG = logging.getLogger(__name__)

# For how long it is thought of that somebody was refused, of how many.
_MOST_REFUSALS = 1000

#: Pod, project, user and level; and which secrets the pod is entered with.
Key = tuple[str, str, str, str, int]


@dataclasses.dataclass(frozen=True, slots=True)
class _Refusal:
    message: str
    status: int
    until: float


class Exchanges:
    """One a process, used on its event loop."""

    def __init__(self) -> None:
        self._kept: Recent[Key, PodToken] = Recent(CONF.federation.most_tokens)
        self._refused: Recent[Key, _Refusal] = Recent(_MOST_REFUSALS)
        self._under_way: dict[Key, asyncio.Task[PodToken]] = {}
        self._turns: dict[str, asyncio.Semaphore] = collections.defaultdict(
            lambda: asyncio.Semaphore(CONF.federation.exchanges_per_pod)
        )

    async def token(self, accesses: Accesses, pod: Pod, who: Who, request_id: str) -> PodToken:
        """A token for somebody in a pod. Raises NoAccess, PodUnreachable."""
        key = self._key(pod, who)
        kept = self._kept.get(key)
        if kept is not None and kept.is_good:
            return kept
        refused = self._refused.get(key)
        if refused is not None and time.monotonic() < refused.until:
            raise NoAccess(pod.region_name, refused.message, refused.status)
        task = self._under_way.get(key)
        if task is None:
            task = asyncio.create_task(self._exchange(accesses, pod, who, key, request_id))
            self._under_way[key] = task
            task.add_done_callback(functools.partial(self._ended, key))
        return await asyncio.shield(task)

    def drop(self, pod: Pod, who: Who, token: str) -> None:
        """The pod does not take a token any more."""
        key = self._key(pod, who)
        kept = self._kept.get(key)
        if kept is not None and kept.token == token:
            self._kept.drop(key)

    def forget(self, pod_id: str, project_id: str) -> None:
        """A project gets in otherwise from now on, in this process at once."""
        for kept in (self._kept, self._refused):
            for key in [key for key in kept if key[:2] == (pod_id, project_id)]:
                kept.drop(key)

    def _key(self, pod: Pod, who: Who) -> Key:
        return pod.id, who.project_id, who.user_id, who.level, hash(pod.access_secrets)

    def _ended(self, key: Key, task: "asyncio.Task[PodToken]") -> None:
        self._under_way.pop(key, None)
        if not task.cancelled():
            task.exception()  # Nobody may have waited for it.

    async def _exchange(
        self, accesses: Accesses, pod: Pod, who: Who, key: Key, request_id: str
    ) -> PodToken:
        region = pod.region_name
        try:
            async with self._turns[pod.id]:
                got = await EXCHANGES.run(_exchanged, accesses, pod, who)
        except NoAccess as error:
            until = time.monotonic() + CONF.federation.refused_seconds
            self._refused.put(key, _Refusal(error.detail, error.status, until))
            LOG.warning(
                "Pod %s refuses user %s in project %s as %s (%s): %s",
                *(region, who.user_id, who.project_id, who.level, request_id, error.detail),
            )
            raise
        except (KeystoneFailed, Busy) as error:
            raise PodUnreachable(region, f"cannot be entered now: {error}") from None
        LOG.info(
            "Pod %s lets user %s in project %s in as %s: its user %s, project %s (%s)",
            *(region, who.user_id, who.project_id, who.level),
            *(got.user_id, got.project_id, request_id),
        )
        self._kept.put(key, got)
        return got


def _exchanged(accesses: Accesses, pod: Pod, who: Who) -> PodToken:
    got = accesses.of(pod).exchange(who)
    ids = accesses.ids(pod)
    ids.note(who.project_id, got.project_id)
    ids.note_user(who.user_id or who.project_id, got.user_id)
    return got
