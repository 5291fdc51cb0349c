# SPDX-License-Identifier: Apache-2.0
"""Tricircle's service user: its token, its calls to pods and central Neutron, the catalogue.

Its authority is had only by naming a row of ``rights``, which says who proved that it may be used.
All here blocks (keystoneauth): code on an event loop calls it through a thread.
"""

import threading
import time
from typing import Any
from urllib.parse import quote, urlencode

from keystoneauth1 import loading
from keystoneauth1.adapter import Adapter
from keystoneauth1.exceptions import ClientException
from keystoneauth1.identity import v3
from keystoneauth1.plugin import AUTH_INTERFACE
from keystoneauth1.session import Session
from oslo_log import log as logging

from tricircle.conf import CONF, identity
from tricircle.pods import rights
from tricircle.pods.errors import NETWORKING, PodUnreachable, without_addresses
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right
from tricircle.pods.transport import bound

# Our name of a service, and the catalogue types it may have, the best first.
SERVICE_TYPES = {
    "compute": ("compute",),
    "network": ("network",),
    "volume": ("block-storage", "volumev3", "block-store", "volume"),
    "image": ("image",),
    "placement": ("placement",),
}
# Seconds an old catalogue is believed for after Keystone could not be asked for a new one.
_OLD_IS_GOOD = 10.0
LOG = logging.getLogger(__name__)
# Those no two regions share.
OWN = ("compute", "network", "volume", "placement")


class KeystoneFailed(Exception):
    """Keystone could not be asked; the text says what was asked and why it failed, to anybody."""

    def __init__(self, message: str) -> None:
        super().__init__(without_addresses(message))


class ServiceIdentity:
    """The service user of ``[tricircle_identity]``. Thread-safe; made once a process.

    Nothing is asked of Keystone before the first use. Methods that ask raise KeystoneFailed.
    Whatever a right does not stand for is refused with NoRight before it is sent.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._made: Session | None = None
        self._catalogue: tuple[float, list[dict[str, Any]]] | None = None  # (believed until, it)
        self._reading = threading.Lock()

    @property
    def _session(self) -> Session:
        """The keystoneauth session: the service user's token, renewed when it expires."""
        with self._lock:
            if self._made is None:
                group = identity.GROUP.name
                self._made = bound(
                    loading.load_session_from_conf_options(
                        CONF, group, auth=loading.load_auth_from_conf_options(CONF, group)
                    )
                )
                self._made.redirect = False
                self._made.timeout = self._made.timeout or CONF.reconciler.call_deadline
            return self._made

    def token(self, right: Right, method: str, path: str, body: Any = None) -> str:
        """A valid token of the service user, for one call that ``right`` stands for."""
        right.check(method, path, body)
        return self._token()

    def _token(self) -> str:
        try:
            token: str = self._session.get_token()
        except ClientException as error:
            raise KeystoneFailed(f"No token for Tricircle's service user: {error}") from error
        return token

    def adapter(self, pod: Pod, right: Right, deadline: float | None = None) -> Adapter:
        """Calls that ``right`` stands for, to its service of a pod; paths are below
        ``pod.endpoint()``.

        No redirect is followed, no call is repeated, each has ``deadline`` seconds ([reconciler]
        call_deadline). Its methods raise keystoneauth1 exceptions, also for 4xx and 5xx, unless
        given ``raise_exc=False``. Raises PodUnreachable when the pod has no such endpoint.
        """
        service = right.service
        return self._adapter(pod.endpoint(service) + self.below(pod, service), right, deadline)

    def below(self, pod: Pod, service: str) -> str:
        """What comes between a pod's endpoint and a path: our project, where that must be named.

        Raises KeystoneFailed.
        """
        return f"/{self.project_id()}" if pod.wants_project(service) else ""

    def project_id(self) -> str:
        """The service user's own project: of what is made for no project. Raises KeystoneFailed."""
        try:
            return str(self._session.get_project_id())
        except ClientException as error:
            raise KeystoneFailed(f"No token for Tricircle's service user: {error}") from error

    def is_member(self, project_id: str) -> bool:
        """Whether the service user is a member of a project. Raises KeystoneFailed."""
        return self._membership("HEAD", project_id, "is a member")

    def within(self, project_id: str, pod: Pod, right: Right) -> Adapter:
        """Calls that ``right`` stands for within a project, for what only its members may do.

        The service user is a member of it from now on: ``leave`` it. Raises KeystoneFailed.
        """
        self._membership("PUT", project_id, "becomes a member")
        ours = self._session
        auth = v3.Token(ours.auth.auth_url, self._token(), project_id=project_id)
        session = bound(Session(auth, verify=ours.verify, cert=ours.cert, timeout=ours.timeout))
        session.redirect = False
        base = pod.endpoint(right.service)
        base += f"/{project_id}" if pod.wants_project(right.service) else ""
        return _Adapter(session, right, None, endpoint_override=base, user_agent="tricircle")

    def leave(self, project_id: str) -> None:
        """The service user is no member of a project any more. Raises KeystoneFailed."""
        self._membership("DELETE", project_id, "is a member no more")

    def _membership(self, method: str, project_id: str, what: str) -> bool:
        role, user = self._role(CONF.tricircle_identity.member_role), self._session.get_user_id()
        path = f"/projects/{quote(project_id, safe='')}/users/{user}/roles/{role}"
        answer = self._keystone(rights.MEMBERSHIP, path, raise_exc=False, method=method)
        if answer.status_code not in (204, 404) or (answer.status_code, method) == (404, "PUT"):
            raise KeystoneFailed(
                f"Keystone would not say that Tricircle's service user {what} of project "
                f"{project_id} (HTTP {answer.status_code})"
            )
        return bool(answer.status_code == 204)

    def _role(self, name: str) -> str:
        path = f"/roles?{urlencode({'name': name})}"
        found = self._keystone(rights.MEMBERSHIP, path).json()["roles"]
        if not found:
            raise KeystoneFailed(f"Keystone has no role {name}")
        return str(found[0]["id"])

    def central_network(self, right: Right, deadline: float | None = None) -> Adapter:
        """Calls to central Neutron that ``right`` stands for: paths begin with /v2.0."""
        region = CONF.tricircle_identity.region_name
        url = self.endpoints(region).get("network")
        if url is None:
            raise PodUnreachable(NETWORKING, "Keystone's catalogue has no endpoint for it")
        return self._adapter(url.rstrip("/").removesuffix("/v2.0"), right, deadline)

    def _adapter(self, url: str, right: Right, deadline: float | None) -> Adapter:
        session = self._session
        return _Adapter(session, right, deadline, endpoint_override=url, user_agent="tricircle")

    def regions(self) -> dict[str, str | None]:
        """Every region Keystone knows: {id: parent's id or None}."""
        found = self._keystone(rights.REGIONS, "/regions").json()["regions"]
        return {region["id"]: region.get("parent_region_id") for region in found}

    def project_exists(self, project_id: str) -> bool:
        """Whether Keystone knows a project."""
        path = f"/projects/{quote(project_id, safe='')}"
        answer = self._keystone(rights.PROJECTS, path, raise_exc=False)
        if answer.status_code not in (200, 404):
            raise KeystoneFailed(
                f"Keystone would not tell whether the project {project_id} exists "
                f"(HTTP {answer.status_code})"
            )
        return bool(answer.status_code == 200)

    def service_id(self, service: str) -> str:
        """Keystone's id of a service of ``SERVICE_TYPES``."""
        for kind in SERVICE_TYPES[service]:
            for entry in self._read_catalogue(fresh=False):
                if entry["type"] == kind:
                    return str(entry["id"])
        raise KeystoneFailed(f"Keystone's catalogue has no service {service}")

    def ask_keystone(self, right: Right, path: str) -> Any:
        """What Keystone answers to a GET of a path below /v3 that ``right`` stands for."""
        return self._keystone(right, path).json()

    def endpoints(self, region: str, fresh: bool = False) -> dict[str, str]:
        """{compute, network, volume, image, placement: URL} of a region, as the catalogue has them.

        Of the interface [tricircle_identity] interface; a service the region lacks is left out.
        The catalogue is kept for catalog_cache_seconds, and longer while Keystone does not tell a
        newer one; ``fresh`` reads it anew.
        """
        interface = CONF.tricircle_identity.interface
        by_type: dict[str, str] = {}
        for service in self._read_catalogue(fresh):
            for endpoint in service.get("endpoints", ()):
                if endpoint["interface"] == interface and endpoint["region_id"] == region:
                    by_type.setdefault(service["type"], endpoint["url"].rstrip("/"))
        return {
            name: next(by_type[kind] for kind in kinds if kind in by_type)
            for name, kinds in SERVICE_TYPES.items()
            if any(kind in by_type for kind in kinds)
        }

    def all_endpoints(self, region: str) -> list[str]:
        """The URLs of a region's own services (``OWN``), of whatever interface."""
        own = {kind for name in OWN for kind in SERVICE_TYPES[name]}
        return [
            endpoint["url"]
            for service in self._read_catalogue(fresh=False)
            if service["type"] in own
            for endpoint in service.get("endpoints", ())
            if endpoint["region_id"] == region
        ]

    def _read_catalogue(self, fresh: bool) -> list[dict[str, Any]]:
        kept = self._catalogue
        if fresh or kept is None:
            return self._new_catalogue()
        # While one reads it anew the others go on with the old one, and if Keystone is away all do.
        if time.monotonic() > kept[0] and self._reading.acquire(blocking=False):
            try:
                return self._new_catalogue()
            except KeystoneFailed as error:
                LOG.warning("%s; what its catalogue had before is still used", error)
                self._catalogue = (time.monotonic() + _OLD_IS_GOOD, kept[1])
            finally:
                self._reading.release()
        return kept[1]

    def _new_catalogue(self) -> list[dict[str, Any]]:
        catalogue: list[dict[str, Any]] = self._keystone(rights.CATALOGUE, "/auth/catalog").json()[
            "catalog"
        ]
        until = time.monotonic() + CONF.tricircle_identity.catalog_cache_seconds
        self._catalogue = (until, catalogue)
        return catalogue

    def _keystone(
        self, right: Right, path: str, raise_exc: bool = True, method: str = "GET"
    ) -> Any:
        right.check(method, path)
        try:
            root = self._session.get_endpoint(interface=AUTH_INTERFACE).rstrip("/")
            url = root.removesuffix("/v3") + "/v3" + path
            return self._session.request(url, method, raise_exc=raise_exc)
        except ClientException as error:
            raise KeystoneFailed(f"Keystone did not answer {path}: {error}") from error


class _Adapter(Adapter):
    """An adapter for what a right stands for, with a deadline for every request (seconds)."""

    def __init__(self, session: Session, right: Right, deadline: float | None, **more: Any) -> None:
        super().__init__(session, **more)
        self._right, self._deadline = right, deadline

    def request(self, url: str, method: str, **more: Any) -> Any:
        self._right.check(method, url, more.get("json"))
        if self._deadline is not None:
            more.setdefault("timeout", self._deadline)
        return super().request(url, method, **more)
