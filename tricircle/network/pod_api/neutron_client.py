# SPDX-License-Identifier: Apache-2.0
"""The Neutron of one pod, spoken to by REST as Tricircle's service user."""

import contextlib
import threading
import time
from collections.abc import Iterator
from typing import Any

from tricircle.conf import CONF
from tricircle.pods import rights
from tricircle.pods.deadline import Deadline
from tricircle.pods.document import pages
from tricircle.pods.errors import PodBroken, PodNotAsked, PodRefused, PodUnreachable
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodServices

# Seconds: what a pod offers is believed, and waited for a pod that has just started.
_EXTENSIONS_KEPT = 300.0
_POLICIES_READ = 1.0
# What one list may come to: pages, and answers as long as one may be.
_MOST_PAGES, _MOST_ANSWERS = 10_000, 4


class PodNeutrons:
    """Makes ``PodNeutron``s; keeps what is known of the pods. Thread-safe."""

    def __init__(self, services: PodServices) -> None:
        self.services = services
        self._extensions: dict[str, tuple[float, frozenset[str]]] = {}
        self._lock = threading.Lock()

    def of(self, pod: Pod, deadline: Deadline) -> "PodNeutron":
        return PodNeutron(self, pod, deadline)

    def kept_extensions(self, pod_id: str) -> frozenset[str] | None:
        with self._lock:
            read_at, aliases = self._extensions.get(pod_id, (float("-inf"), frozenset()))
        return aliases if time.monotonic() - read_at < _EXTENSIONS_KEPT else None

    def keep_extensions(self, pod_id: str, aliases: frozenset[str]) -> None:
        with self._lock:
            self._extensions[pod_id] = (time.monotonic(), aliases)


class PodNeutron:
    """Calls to a pod's Neutron that share a deadline; paths are below /v2.0.

    Every method raises PodTimeout, PodUnreachable (no connection, no token, an answer that is not
    JSON, the pod is being left alone) or PodRefused (any 4xx or 5xx).
    """

    def __init__(self, neutrons: PodNeutrons, pod: Pod, deadline: Deadline) -> None:
        self.pod = pod
        self.deadline = deadline
        # What was changed in the pod, in words.
        self.writes: list[str] = []
        self._neutrons = neutrons
        self._read_bytes = 0

    @property
    def own_project(self) -> str:
        """The service user's project. Raises PodUnreachable when Keystone does not tell."""
        try:
            return self._neutrons.services.identity.project_id()
        except KeystoneFailed as error:
            raise PodUnreachable(self.pod.region_name, str(error)) from error

    @contextlib.contextmanager
    def within(self, deadline: Deadline) -> Iterator[None]:
        """The calls made inside have this deadline, which is no later than the session's."""
        before, self.deadline = self.deadline, deadline
        try:
            yield
        finally:
            self.deadline = before

    def get(self, path: str, **query: Any) -> dict[str, Any]:
        return self._call("GET", path, params=query or None)

    def list(self, collection: str, **query: Any) -> list[dict[str, Any]]:
        """All objects of a collection that match ``query``, however many pages they are.

        A ``limit`` is the most to ask for at once; a pod may have one of its own. Each object has
        an ``id``, a text. A list longer than anybody's is refused.
        """
        region, plural = self.pod.region_name, collection.rpartition("/")[2].replace("-", "_")
        objects: list[dict[str, Any]] = []
        most = self._read_bytes + _MOST_ANSWERS * CONF.pods.max_answer
        for _ in pages(region, collection, _MOST_PAGES):
            document = self.get(f"/{collection}", **query)
            found = _items(region, document, plural)
            if not all(isinstance(item.get("id"), str) for item in found):
                raise PodUnreachable(region, f"its list of {collection} has no ids")
            objects += found
            if not found or not _has_next(document.get(f"{plural}_links")):
                break
            if self._read_bytes >= most:
                raise PodBroken(region, f"its {collection} are more than can be kept.")
            query = {**query, "marker": found[-1]["id"]}
        return objects

    def find(self, path: str) -> dict[str, Any] | None:
        """An object's document, or None when the pod does not have it."""
        try:
            return self.get(path)
        except PodRefused as error:
            if error.status == 404:
                return None
            raise

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        self.writes.append(f"POST {path}")
        return self._call("POST", path, json=body)

    def put(self, path: str, body: dict[str, Any], notable: bool = True) -> dict[str, Any]:
        """Change an object; unless it is ``notable`` it is not among the ``writes``."""
        if notable:
            self.writes.append(f"PUT {path} ({', '.join(_names(body))})")
        return self._call("PUT", path, json=body)

    def delete(self, path: str) -> None:
        """Delete an object; one that is gone already is fine.

        A 404 alone does not say so: Neutron answers one, too, when something that goes with the
        object (a network's subnet, say) was deleted by somebody else at the same moment.
        """
        self.writes.append(f"DELETE {path}")
        try:
            self._call("DELETE", path)
        except PodRefused as error:
            if error.status != 404 or self.find(path) is not None:
                raise

    def has(self, extension: str) -> bool:
        """Whether the pod's Neutron offers an API extension, by alias."""
        aliases = self._neutrons.kept_extensions(self.pod.id)
        if aliases is None:
            # They have no ids, and always fit on one page.
            document = self.get("/extensions", fields="alias")
            found = _items(self.pod.region_name, document, "extensions")
            aliases = frozenset(str(item.get("alias")) for item in found)
            self._neutrons.keep_extensions(self.pod.id, aliases)
        return extension in aliases

    def _call(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            return self._once(method, path, **more)
        except PodRefused as error:
            # A Neutron that has just started forbids even an administrator everything for a
            # moment, while another of its threads reads the policies.
            if error.status != 403 or "disallowed by policy" not in error.message:
                raise
        self.deadline.sleep(_POLICIES_READ, f"pod {self.pod.region_name} to read its policies")
        return self._once(method, path, **more)

    def _once(self, method: str, path: str, **more: Any) -> dict[str, Any]:
        try:
            service = self._neutrons.services.of(self.pod, rights.COPIES, self.deadline)
        except KeystoneFailed as error:
            raise PodNotAsked(self.pod.region_name, str(error)) from error
        return self._read(method, path, service.request(method, f"/v2.0{path}", **more))

    def _read(self, method: str, path: str, answer: Any) -> dict[str, Any]:
        region, status = self.pod.region_name, answer.status_code
        self._read_bytes += len(answer.content)
        try:
            document = answer.json() if answer.content else {}
        except ValueError:
            document = None
        if status >= 300:
            raise PodRefused(region, status, f"{method} {path}: {_reason(document)}")
        if not isinstance(document, dict):
            raise PodUnreachable(region, f"{method} {path} was answered with no JSON object")
        return document


def _items(region: str, document: dict[str, Any], plural: str) -> list[dict[str, Any]]:
    found = document.get(plural)
    if not isinstance(found, list) or not all(isinstance(item, dict) for item in found):
        raise PodUnreachable(region, f"its list of {plural} is none")
    return found


def _has_next(links: Any) -> bool:
    return isinstance(links, list) and any(
        isinstance(link, dict) and link.get("rel") == "next" for link in links
    )


def _reason(document: Any) -> str:
    """Neutron's own words for an error, if these are."""
    try:
        error = document["NeutronError"]
        return str(error["message"]) if isinstance(error, dict) else str(error)
    except (TypeError, KeyError):
        return "no reason given"


def _names(body: dict[str, Any]) -> list[str]:
    """The attributes a body gives, whether or not inside the name of what they are of."""
    return [
        name
        for key, value in body.items()
        for name in (value if isinstance(value, dict) else [key])
    ]
