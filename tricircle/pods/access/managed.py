# SPDX-License-Identifier: Apache-2.0
"""The pod's operator gives a domain, and a user with the role ``manager`` in it.

Projects and accounts are made there when they are first needed. They are found again by what
follows from our ids and never by a name that anybody chose. A user has an account for each level,
so that what an account may do never changes. Nobody knows the accounts' passwords: they follow
from one random secret, sealed with the pod.
"""

import base64
import hashlib
import hmac
import secrets
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import urlencode

from tricircle.pods.access.base import ADMIN, OWNER, Ourselves, PodToken, Who
from tricircle.pods.access.keystone import Issued, password
from tricircle.pods.access.own_keystone import PASSWORD, TEXT, OwnKeystone, digest, plain
from tricircle.pods.errors import NoAccess
from tricircle.pods.pod import Pod

_MANAGER = "manager"
_CONFLICT, _UNAUTHORIZED, _NOT_FOUND = 409, 401, 404


class Managed(OwnKeystone):
    """``config`` besides: ``domain``, by name; ``manager``; ``master``, which we make ourselves."""

    PROPERTIES: ClassVar[Mapping[str, Any]] = {
        **OwnKeystone.PROPERTIES,
        "domain": TEXT,
        "manager": {
            "type": "object",
            "properties": {"username": TEXT, "password": PASSWORD, "user_domain_name": TEXT},
            "required": ["username", "password"],
            "additionalProperties": False,
        },
    }
    REQUIRED: ClassVar[Sequence[str]] = (*OwnKeystone.REQUIRED, "domain", "manager")
    makes_users = True

    def __init__(self, pod: Pod, config: Mapping[str, Any], own: Ourselves) -> None:
        super().__init__(pod, config, own)
        self._domain = {"name": config["domain"]}
        self._managing = threading.Lock()
        self._manager: Issued | None = None
        self._roles: dict[str, str] = {}

    @classmethod
    def completed(cls, config: Mapping[str, Any]) -> dict[str, Any]:
        whole = super().completed(config)
        whole.setdefault("master", secrets.token_urlsafe(32))
        return whole

    # -- what is asked of an access --------------------------------------------------------------

    def exchange(self, who: Who) -> PodToken:
        there, name = self.project(who.project_id, who.project_name), self._account(who)
        proof = password(name, self._password(name), self._domain)
        scope = {"project": {"id": there}}
        try:
            issued = self.keystone.issue(proof, scope)
        except NoAccess as error:
            if error.status != _UNAUTHORIZED:
                raise
            # No such account yet, or it is not in this project.
            self._grant(self._ensure_account(name), who, there)
            issued = self.keystone.issue(proof, scope)
        token = self.checked(issued, who, there)
        self.user_stands_for(token.user_id, who.user_id, who.level)
        return token

    def project(self, project_id: str, name: str = "") -> str:
        return self.known_project(project_id) or self.stands_for(
            project_id, self._find_project(project_id) or self._make_project(project_id, name)
        )

    def user(self, user_id: str) -> str:
        known = self.account_of(user_id)
        if known is not None:
            return known
        there = self._ensure_account(self._account_name(user_id, OWNER))
        self.user_stands_for(there, user_id, OWNER)
        return there

    def try_out(self) -> list[dict[str, Any]]:
        found = super().try_out()
        issued = self._new_manager()
        if not issued.roles & {_MANAGER, ADMIN}:
            text = f"{self.config['manager']['username']} has not the role {_MANAGER} in the domain"
            raise NoAccess(self.pod.region_name, f"{text} {self.config['domain']}")
        for level in self.levels:
            self._role(level)
        return found

    # -- projects --------------------------------------------------------------------------------

    def _tag(self, project_id: str) -> str:
        return f"tricircle:{digest(self.pod.region_name, 'project', project_id)}"

    def _find_project(self, project_id: str) -> str | None:
        query = {"tags": self._tag(project_id), "domain_id": self._domain_id()}
        found = self._manage("GET", f"/projects?{urlencode(query)}").document["projects"]
        return str(found[0]["id"]) if found else None

    def _make_project(self, project_id: str, name: str) -> str:
        tag = self._tag(project_id)
        body = {
            # For people: another project may have had this name here.
            "name": f"{plain(name, 40)}-{tag[-12:]}",
            "domain_id": self._domain_id(),
            "description": "Made by Tricircle.",
            "tags": [tag],
        }
        answer = self._manage("POST", "/projects", {"project": body}, fine=(_CONFLICT,))
        if answer.status == _CONFLICT:
            found = self._find_project(project_id)  # somebody was faster
            if found is None:
                text = f"its domain has a project {body['name']} that is none of Tricircle's"
                raise NoAccess(self.pod.region_name, text, _CONFLICT)
            return found
        return str(answer.document["project"]["id"])

    # -- accounts --------------------------------------------------------------------------------

    def _account(self, who: Who) -> str:
        return self._account_name(who.user_id, who.level)

    def _account_name(self, user_id: str, level: str) -> str:
        return f"{digest(self.pod.region_name, 'user', user_id)}.{level}"

    def _password(self, account: str) -> str:
        """It follows from the secret of the pod, so none is kept."""
        text = f"{self.pod.region_name}|{account}".encode()
        made = hmac.new(self.config["master"].encode(), text, hashlib.sha256).digest()
        return base64.urlsafe_b64encode(made).decode()

    def _ensure_account(self, name: str) -> str:
        """The id of an account that has the password it should have."""
        found = self._find_account(name)
        if found is not None:
            # It is of a time when the pod was registered with another secret.
            body = {"user": {"password": self._password(name), "enabled": True}}
            self._manage("PATCH", f"/users/{found}", body)
            return found
        account = {
            "name": name,
            "domain_id": self._domain_id(),
            "password": self._password(name),
            "description": "Made by Tricircle.",
        }
        answer = self._manage("POST", "/users", {"user": account}, fine=(_CONFLICT,))
        if answer.status == _CONFLICT and (found := self._find_account(name)) is not None:
            return found
        return str(answer.document["user"]["id"])

    def _find_account(self, name: str) -> str | None:
        query = urlencode({"name": name, "domain_id": self._domain_id()})
        found = self._manage("GET", f"/users?{query}").document["users"]
        return str(found[0]["id"]) if found else None

    def _grant(self, account: str, who: Who, there: str) -> None:
        path = f"/projects/{there}/users/{account}/roles/{self._role(who.level)}"
        if who.level == ADMIN:
            # A manager may not give that. It is given to whom the operator of the pod lets have it.
            status = self.as_ourselves("PUT", path)
        else:
            status = self._manage("PUT", path, fine=(_NOT_FOUND,)).status
        if status == _NOT_FOUND:
            raise NoAccess(
                self.pod.region_name,
                f"the project there that stands for project {who.project_id} is gone",
                _NOT_FOUND,
            )

    def _role(self, name: str) -> str:
        if name not in self._roles:
            found = self._manage("GET", f"/roles?{urlencode({'name': name})}").document["roles"]
            if not found:
                raise NoAccess(self.pod.region_name, f"its Keystone has no role {name}")
            self._roles[name] = str(found[0]["id"])
        return self._roles[name]

    # -- the manager -----------------------------------------------------------------------------

    def _manage(self, method: str, path: str, body: Any = None, fine: tuple[int, ...] = ()) -> Any:
        """Ask something as the manager of the domain; once more if the token was ended early."""
        try:
            return self.keystone.ask(method, path, body, self._managing_token().token, fine)
        except NoAccess as error:
            if error.status != _UNAUTHORIZED:
                raise
        self._manager = None
        return self.keystone.ask(method, path, body, self._managing_token().token, fine)

    def _managing_token(self) -> Issued:
        with self._managing:
            if self._manager is None or time.time() > self._manager.until:
                self._manager = self._new_manager()
            return self._manager

    def _new_manager(self) -> Issued:
        manager = self.config["manager"]
        domain = {"name": manager.get("user_domain_name", self.config["domain"])}
        proof = password(manager["username"], manager["password"], domain)
        return self.keystone.issue(proof, {"domain": self._domain})

    def _domain_id(self) -> str:
        return str(self._managing_token().document["domain"]["id"])
