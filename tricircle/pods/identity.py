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
from keystoneauth1.token_endpoint import Token as GivenToken
from oslo_log import log as logging

from tricircle.conf import CONF, identity
from tricircle.pods import catalogue, rights
from tricircle.pods.access.accesses import Accesses
from tricircle.pods.access.adapter import Foreign
from tricircle.pods.access.base import Ourselves
from tricircle.pods.access.k2k import VOUCHED_FOR
from tricircle.pods.access.keystone import bare_session
from tricircle.pods.access.members import Members
from tricircle.pods.errors import NETWORKING, PodUnreachable, without_addresses
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right
from tricircle.pods.transport import bound

# Seconds an old catalogue is believed for after Keystone could not be asked for a new one.
_OLD_IS_GOOD = 10.0
LOG = logging.getLogger(__name__)


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
        # What a catalogue has for regions, worked out once.
        self._in_regions: tuple[Any, dict[str, dict[str, str]]] = None, {}
        self._reading = threading.Lock()
        #: The ways into pods with a Keystone of their own.
        self.ourselves = Ourselves(
            ids=lambda: (self.project_id(), self._user_id()),
            keystone=self._root,
            token=lambda: self.token(rights.VOUCHING, "POST", VOUCHED_FOR),
        )
        self.accesses = Accesses(self.ourselves)

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

    def pod_token(
        self, pod: Pod, right: Right, method: str, path: str, body: Any = None
    ) -> tuple[str, str]:
        """The token for one call that ``right`` stands for to a pod, and the project it is for:
        our own account's where the pod has a Keystone of its own. Raises PodUnreachable, too.
        """
        if pod.is_shared:
            return self.token(right, method, path, body), self.project_id()
        right.check(method, path, body)
        session = self.accesses.of(pod).service()
        try:
            return str(session.get_token()), str(session.get_project_id())
        except ClientException as error:
            raise PodUnreachable(pod.region_name, f"its Keystone gave no token: {error}") from error

    def _user_id(self) -> str:
        try:
            return str(self._session.get_user_id())
        except ClientException as error:
            raise KeystoneFailed(f"No token for Tricircle's service user: {error}") from error

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
        url = pod.endpoint(right.service) + self.below(pod, right.service)
        if pod.is_shared:
            return self._adapter(url, right, deadline)
        session = self.accesses.of(pod).service()
        more = {"endpoint_override": url, "user_agent": "tricircle"}
        made = _Adapter(session, right, deadline, Foreign(self.accesses, pod), **more)
        if right.service == "network" and not pod.is_privileged:
            made.members = self.accesses.members(pod)
        return made

    def below(self, pod: Pod, service: str) -> str:
        """What comes between a pod's endpoint and a path: our project, where that must be named.

        Raises KeystoneFailed.
        """
        if not pod.wants_project(service):
            return ""
        if pod.is_shared:
            return f"/{self.project_id()}"
        return f"/{self.accesses.of(pod).service().get_project_id()}"

    def project_id(self) -> str:
        """The service user's own project: of what is made for no project. Raises KeystoneFailed."""
        try:
            return str(self._session.get_project_id())
        except ClientException as error:
            raise KeystoneFailed(f"No token for Tricircle's service user: {error}") from error

    def roles(self) -> list[str]:
        """The names of the service user's roles in its project. Raises KeystoneFailed."""
        try:
            return list(self._session.auth.get_access(self._session).role_names)
        except ClientException as error:
            raise KeystoneFailed(f"No token for Tricircle's service user: {error}") from error

    def is_member(self, project_id: str) -> bool:
        """Whether the service user is a member of a project. Raises KeystoneFailed."""
        return self._membership("HEAD", project_id, "is a member")

    def within(self, project_id: str, pod: Pod, right: Right) -> Adapter:
        """Calls that ``right`` stands for within a project, for what only its members may do.

        The service user is a member of it from now on: ``leave`` it. In a pod with a Keystone of
        its own an account that is a member there stands for it. Raises KeystoneFailed,
        PodUnreachable.
        """
        if not pod.is_shared:
            return self._within_foreign(project_id, pod, right)
        self._membership("PUT", project_id, "becomes a member")
        ours = self._session
        auth = v3.Token(ours.auth.auth_url, self._token(), project_id=project_id)
        session = bound(Session(auth, verify=ours.verify, cert=ours.cert, timeout=ours.timeout))
        session.redirect = False
        base = pod.endpoint(right.service)
        base += f"/{project_id}" if pod.wants_project(right.service) else ""
        more = {"endpoint_override": base, "user_agent": "tricircle"}
        return _Adapter(session, right, None, None, **more)

    def _within_foreign(self, project_id: str, pod: Pod, right: Right) -> Adapter:
        got = self.accesses.of(pod).within(project_id)
        base = pod.endpoint(right.service)
        base += f"/{got.project_id}" if pod.wants_project(right.service) else ""
        session = bare_session(GivenToken(base, got.token))
        session.timeout = CONF.reconciler.call_deadline
        more = {"endpoint_override": base, "user_agent": "tricircle"}
        return _Adapter(session, right, None, Foreign(self.accesses, pod), **more)

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
        more = {"endpoint_override": url, "user_agent": "tricircle"}
        return _Adapter(session, right, deadline, None, **more)

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
        """Keystone's id of a service of ``catalogue.SERVICE_TYPES``."""
        for kind in catalogue.SERVICE_TYPES[service]:
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
        return catalogue.endpoints(self._read_catalogue(fresh), region, interface)

    def kept_endpoints(self, region: str) -> dict[str, str] | None:
        """The same as far as the catalogue need not be read anew; None where it must. Does not
        block."""
        kept, (catalogue_of, found) = self._catalogue, self._in_regions
        if kept is None or time.monotonic() > kept[0]:
            return None
        if catalogue_of is not kept[1]:
            found = {}
            self._in_regions = kept[1], found
        if region not in found:
            interface = CONF.tricircle_identity.interface
            found[region] = catalogue.endpoints(kept[1], region, interface)
        return found[region]

    def pod_endpoints(self, pod: Pod, fresh: bool = False) -> dict[str, str]:
        """The same of a pod: by its own catalogue where it has a Keystone of its own.

        Raises PodUnreachable, too.
        """
        if pod.is_shared:
            return self.endpoints(pod.region_name, fresh)
        config = pod.access_config or {}
        told = self.accesses.of(pod).catalogue(fresh)
        interface = config.get("interface", "public")
        return catalogue.endpoints_of_a_cloud(told, config.get("region"), interface)

    def all_endpoints(self, pod: Pod) -> list[str]:
        """The URLs of a pod's own services, of whatever interface. Raises PodUnreachable, too."""
        if pod.is_shared:
            return catalogue.own_endpoints(self._read_catalogue(fresh=False), pod.region_name)
        region = (pod.access_config or {}).get("region")
        return catalogue.own_endpoints(self.accesses.of(pod).catalogue(), region)

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
        found: list[dict[str, Any]] = self._keystone(rights.CATALOGUE, "/auth/catalog").json()[
            "catalog"
        ]
        until = time.monotonic() + CONF.tricircle_identity.catalog_cache_seconds
        self._catalogue = (until, found)
        return found

    def _keystone(
        self, right: Right, path: str, raise_exc: bool = True, method: str = "GET"
    ) -> Any:
        right.check(method, path)
        try:
            return self._session.request(self._root() + path, method, raise_exc=raise_exc)
        except ClientException as error:
            raise KeystoneFailed(f"Keystone did not answer {path}: {error}") from error

    def _root(self) -> str:
        """The URL of our own Keystone."""
        root: str = self._session.get_endpoint(interface=AUTH_INTERFACE).rstrip("/")
        return root.removesuffix("/v3") + "/v3"


class _Adapter(Adapter):
    """An adapter for what a right stands for, with a deadline for every request (seconds).

    ``foreign`` turns ids where the pod has others than we.
    """

    def __init__(
        self,
        session: Session,
        right: Right,
        deadline: float | None,
        foreign: Foreign | None = None,
        **more: Any,
    ) -> None:
        super().__init__(session, **more)
        self._right, self._deadline, self._foreign = right, deadline, foreign
        #: Who asks instead of Tricircle's own account, where that is no administrator.
        self.members: Members | None = None

    def request(self, url: str, method: str, **more: Any) -> Any:
        self._right.check(method, url, more.get("json"))
        if self._deadline is not None:
            more.setdefault("timeout", self._deadline)
        if self._foreign is None:
            return super().request(url, method, **more)
        project = Members.project_of(more) if self.members is not None else ""
        url, send = self._foreign.request(url, more), super().request
        if self.members is None:
            answer = send(url, method, **more)
        else:
            answer = self.members.ask(send, url, method, more, project)
        # What is read as it comes is data, and no document.
        return answer if more.get("stream") else self._foreign.answer(answer)
