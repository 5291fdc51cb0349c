# SPDX-License-Identifier: Apache-2.0
"""What all pods with a Keystone of their own have in common: Tricircle's own account there, the
catalogue, and the rows that say which project stands for which.
"""

import hashlib
import re
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

from keystoneauth1.exceptions import ClientException, NotFound, Unauthorized
from keystoneauth1.identity import v3
from keystoneauth1.session import Session

from tricircle.conf import CONF
from tricircle.db import pod_accounts
from tricircle.db.errors import Duplicate
from tricircle.pods.access.base import ADMIN, LEVELS, Access, Ourselves, PodToken, Who
from tricircle.pods.access.keystone import Issued, Keystone, bare_session, password
from tricircle.pods.errors import NoAccess, PodUnreachable
from tricircle.pods.pod import Pod

TEXT: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 255}
PASSWORD: Mapping[str, Any] = {"type": "string", "minLength": 1, "maxLength": 1024}
_NAMELESS = re.compile(r"[^\w .@-]+")


class OwnKeystone(Access):
    """A pod whose Keystone knows nothing of ours.

    ``config``: ``auth_url``; ``region`` and ``interface`` in its catalogue; ``levels``;
    ``service``, Tricircle's own account, which is an administrator there.
    """

    PROPERTIES: ClassVar[Mapping[str, Any]] = {
        "auth_url": {"type": "string", "pattern": r"^https?://[^\s?#]+\Z", "maxLength": 1024},
        "insecure": {"type": "boolean"},
        "region": TEXT,
        "interface": {"type": "string", "enum": ["public", "internal", "admin"]},
        "levels": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": list(pod_accounts.LEVELS)},
        },
        "service": {
            "type": "object",
            "properties": {
                "username": TEXT,
                "password": PASSWORD,
                "user_domain_name": TEXT,
                "project_name": TEXT,
                "project_domain_name": TEXT,
            },
            "required": ["username", "password", "project_name"],
            "additionalProperties": False,
        },
    }
    REQUIRED: ClassVar[Sequence[str]] = ("auth_url", "service")

    def __init__(self, pod: Pod, config: Mapping[str, Any], own: Ourselves) -> None:
        super().__init__(pod, config, own)
        self.keystone = Keystone(pod.region_name, config["auth_url"])
        self._lock = threading.Lock()
        self._service: Session | None = None
        self._catalogue: tuple[float, list[dict[str, Any]]] | None = None

    @classmethod
    def completed(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        if not config["auth_url"].startswith("https://") and not config.get("insecure"):
            raise ValueError(
                "auth_url is no https:// URL: passwords would be told to anybody on the way. "
                'Where that does not matter say "insecure": true'
            )
        return super().completed(config)

    # -- ourselves -------------------------------------------------------------------------------

    def service(self) -> Session:
        with self._lock:
            if self._service is None:
                session = bare_session(self._service_auth())
                session.timeout = CONF.reconciler.call_deadline
                self._stand_for_us(session)
                self._service = session
            return self._service

    def service_project(self) -> str:
        session = self.service()
        return str(self._ask(session.get_project_id))

    def _service_auth(self) -> Any:
        account = self.config["service"]
        return v3.Password(
            self.keystone.url,
            username=account["username"],
            password=account["password"],
            user_domain_name=account.get("user_domain_name", "Default"),
            project_name=account["project_name"],
            project_domain_name=account.get("project_domain_name", "Default"),
            include_catalog=False,
        )

    def own_token(self, there: str | None = None) -> Issued:
        """A token of that account: for a project there, or for its own."""
        account = self.config["service"]
        domain = {"name": account.get("user_domain_name", "Default")}
        proof = password(account["username"], account["password"], domain)
        home = {"name": account.get("project_domain_name", "Default")}
        own = {"name": account["project_name"], "domain": home}
        return self.keystone.issue(proof, {"project": own if there is None else {"id": there}})

    def _stand_for_us(self, session: Session) -> None:
        """What is our own here is that account's there, and so are its ids."""
        project_id, user_id = self.own.ids()
        there = self._ask(lambda: (session.get_project_id(), session.get_user_id()))
        self.stands_for(project_id, str(there[0]))
        self.user_stands_for(str(there[1]), user_id, ADMIN)

    def _ask(self, what: Callable[[], Any]) -> Any:
        region = self.pod.region_name
        try:
            return what()
        except (Unauthorized, NotFound) as error:
            text = f"its Keystone does not let Tricircle's own account in: {error}"
            raise NoAccess(region, text, error.http_status) from error
        except ClientException as error:
            raise PodUnreachable(region, f"its Keystone did not answer: {error}") from error

    def as_ourselves(self, method: str, path: str) -> int:
        """What its Keystone answers to our own account. Raises NoAccess but for 2xx and 404."""
        session = self.service()
        url = self.keystone.url + path
        status = int(self._ask(lambda: session.request(url, method, raise_exc=False)).status_code)
        if status >= 300 and status != 404:
            text = f"its Keystone refused {method} {path} (HTTP {status})"
            raise NoAccess(self.pod.region_name, text, status)
        return status

    def catalogue(self, fresh: bool = False) -> list[dict[str, Any]]:
        kept = self._catalogue
        if kept is not None and not fresh and time.monotonic() < kept[0]:
            return kept[1]
        found = self._read_catalogue(self.service())
        until = time.monotonic() + CONF.tricircle_identity.catalog_cache_seconds
        self._catalogue = (until, found)
        return found

    def try_out(self) -> list[dict[str, Any]]:
        session = bare_session(self._service_auth())
        found = self._ask(lambda: session.auth.get_access(session))
        if ADMIN not in found.role_names and self.config.get("privileged", True):
            account = self.config["service"]["username"]
            text = f"its account {account} for Tricircle itself has not the role {ADMIN}"
            raise NoAccess(self.pod.region_name, text)
        return self._read_catalogue(session)

    def _read_catalogue(self, session: Session) -> list[dict[str, Any]]:
        told = self._ask(lambda: session.get(f"{self.keystone.url}/auth/catalog").json())
        try:
            return list(told["catalog"])
        except (KeyError, TypeError):
            raise PodUnreachable(self.pod.region_name, "its Keystone tells no catalogue") from None

    # -- who stands for whom ---------------------------------------------------------------------

    def known_project(self, project_id: str) -> str | None:
        """The project that stands for one of ours, as it is written down."""
        return pod_accounts.project_there(self.pod.id, project_id)

    def account_of(self, user_id: str) -> str | None:
        """The account that owns what is a user's, as it is written down."""
        return pod_accounts.owner(self.pod.id, user_id)

    def stands_for(self, project_id: str, there: str) -> str:
        """Write it down. Raises NoAccess when it is written otherwise."""
        try:
            known = pod_accounts.add_project(self.pod.id, project_id, there)
        except Duplicate:
            text = f"its project {there} stands for another project already"
            raise NoAccess(self.pod.region_name, text) from None
        return known

    def user_stands_for(self, there: str, user_id: str, level: str, project_id: str = "") -> None:
        """The same of a user. Raises NoAccess."""
        try:
            pod_accounts.add_user(self.pod.id, there, user_id, level, project_id)
        except Duplicate:
            text = f"its user {there} stands for another user already"
            raise NoAccess(self.pod.region_name, text) from None

    def checked(self, issued: Issued, who: Who, there: str) -> PodToken:
        """The token, after a look whether it is what was asked for.

        Raises NoAccess when it is for another project, or allows more than ``who`` may.
        """
        region, document = self.pod.region_name, issued.document
        try:
            found, user = document["project"]["id"], document["user"]["id"]
        except (KeyError, TypeError):
            raise PodUnreachable(region, "its Keystone gave a token for no project") from None
        if found != there:
            text = f"its Keystone gave a token for project {found}, not for {there}"
            raise NoAccess(region, text)
        for better in LEVELS[: LEVELS.index(who.level)]:
            if better in issued.roles:
                text = f"an account there that is to be a {who.level} has the role {better}"
                raise NoAccess(region, text)
        return PodToken(issued.token, found, user, issued.until)


def digest(*parts: str) -> str:
    """What tells a thing of ours to a pod without an id of ours: 32 hexadecimal digits.

    Our ids are random, so nobody finds one by its digest.
    """
    return hashlib.sha256("|".join(parts).encode()).hexdigest()[:32]


def plain(name: str, most: int) -> str:
    """The beginning of a name, without what could mean anything elsewhere."""
    return _NAMELESS.sub("-", name)[:most].strip() or "project"
