# SPDX-License-Identifier: Apache-2.0
"""The accesses of all pods, made from their rows, and the kinds there are."""

import functools
import threading
from collections.abc import Mapping
from typing import Any

from stevedore import ExtensionManager

from tricircle.pods.access.base import SHARED, Access, Ourselves, joined
from tricircle.pods.access.ids import Ids
from tricircle.pods.access.members import Members
from tricircle.pods.access.sealing import SealError, unseal
from tricircle.pods.errors import PodUnreachable
from tricircle.pods.pod import Pod

NAMESPACE = "tricircle.pod_access"
_KEYPAIR = "keypair"


@functools.cache
def kinds() -> dict[str, type[Access]]:
    """{name: kind} of those that are installed."""
    found = ExtensionManager(NAMESPACE, on_load_failure_callback=_broken)
    return {extension.name: extension.plugin for extension in found}


def _broken(_: Any, entry_point: Any, error: Exception) -> None:
    raise RuntimeError(f"The pod access {entry_point.name} cannot be loaded: {error}") from error


class Accesses:
    """One ``Access`` and one ``Ids`` for each pod with a Keystone of its own. Thread-safe.

    Both are made anew when a pod's way in is changed.
    """

    def __init__(self, own: Ourselves) -> None:
        self._own = own
        self._made: dict[str, tuple[Any, Access, Ids, Members]] = {}
        self._lock = threading.Lock()

    def of(self, pod: Pod) -> Access:
        """The access of a pod. Raises PodUnreachable for one that nobody here can read."""
        return self._of(pod)[1]

    def ids(self, pod: Pod) -> Ids:
        """Who stands for whom in a pod. Raises PodUnreachable."""
        return self._of(pod)[2]

    def members(self, pod: Pod) -> Members:
        """Who asks a pod where we are no administrator. Raises PodUnreachable."""
        return self._of(pod)[3]

    def takes(self, pod: Pod, kind: str) -> bool:
        """Whether definitions of a kind are brought to a pod. Raises PodUnreachable.

        Keypairs are not where a user has no account before they come.
        """
        return pod.is_shared or kind != _KEYPAIR or self.of(pod).makes_users

    def _of(self, pod: Pod) -> tuple[Any, Access, Ids, Members]:
        told = (pod.region_name, pod.access, pod.access_config, pod.access_secrets)
        made = self._made.get(pod.id)
        if made is not None and made[0] == told:
            return made
        with self._lock:
            access = make(pod, self._own)
            made = self._made[pod.id] = (told, access, Ids(pod.id), Members(access))
        return made


def make(pod: Pod, own: Ourselves) -> Access:
    """The access of a pod, as its row says. Raises PodUnreachable."""
    try:
        config = joined(pod.access_config or {}, unseal(pod.access_secrets))
    except SealError as error:
        raise PodUnreachable(pod.region_name, f"cannot be entered: {error}") from None
    return build(pod.access, pod, config, own)


def build(kind: str, pod: Pod, config: Mapping[str, Any], own: Ourselves) -> Access:
    """An access of a kind. Raises PodUnreachable for one that is not installed."""
    found = kinds().get(kind)
    if found is None or kind == SHARED:
        raise PodUnreachable(pod.region_name, f"has the access {kind}, which is not installed")
    return found(pod, config, own)
