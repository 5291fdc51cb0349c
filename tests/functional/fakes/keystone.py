# SPDX-License-Identifier: Apache-2.0
"""A Keystone: v3 tokens by password, application-less; projects, users, regions, catalogue."""

import dataclasses
import datetime
import uuid
from typing import Any

from aiohttp import web
from keystonemiddleware.auth_token import _path_matches

from tests.functional.fakes.federation import Federation
from tests.functional.fakes.http import (
    Exchange,
    Journal,
    LoopThread,
    Refusal,
    reply,
    route,
    utc_now,
)

DOMAIN = {"id": "default", "name": "Default"}
INTERFACES = ("public", "internal", "admin")


def _hex() -> str:
    return uuid.uuid4().hex


@dataclasses.dataclass
class User:
    name: str
    password: str
    id: str = dataclasses.field(default_factory=_hex)
    domain: str = DOMAIN["id"]
    enabled: bool = True


@dataclasses.dataclass
class Project:
    name: str
    id: str = dataclasses.field(default_factory=_hex)
    domain: str = DOMAIN["id"]
    tags: list[str] = dataclasses.field(default_factory=list)
    enabled: bool = True


# What a stock policy lets the manager of a domain give to others.
_MANAGERS_TO_GIVE = ("manager", "member", "reader")
# With each role come those after it.
_RANKS = ("admin", "manager", "member", "reader")


def _implied(role: str) -> tuple[str, ...]:
    return _RANKS[_RANKS.index(role) + 1 :] if role in _RANKS else ()


@dataclasses.dataclass
class Token:
    """``id`` is the secret; ``roles`` are names."""

    user: User
    project: Project | None
    roles: tuple[str, ...]
    scope: str | None = "project"
    """What it is for: the ``project``, the "domain", the "system", or nothing (None)."""
    domain: str | None = None
    """Which, where it is for one."""
    access_rules: list[dict[str, str]] | None = None
    """What an application credential is restricted to: [{service, method, path}]."""
    id: str = dataclasses.field(default_factory=lambda: "gAAAA" + _hex() + _hex())
    audit_id: str = dataclasses.field(default_factory=_hex)
    issued_at: datetime.datetime = dataclasses.field(default_factory=utc_now)
    expires_at: datetime.datetime = dataclasses.field(
        default_factory=lambda: utc_now() + datetime.timedelta(hours=1)
    )

    @property
    def is_admin(self) -> bool:
        return "admin" in self.roles

    @property
    def project_id(self) -> str:
        return self.project.id if self.project else ""


class Keystone(Federation):
    """Users and projects are made by ``user()``; regions and endpoints by ``endpoint()``."""

    def __init__(self, thread: LoopThread, journal: Journal, name: str = "keystone") -> None:
        super().__init__(thread, name, journal)
        self.users: dict[str, User] = {}
        self.projects: dict[str, Project] = {}
        self.grants: dict[tuple[str, str], tuple[str, ...]] = {}
        self.tokens: dict[str, Token] = {}
        self.regions: dict[str, str | None] = {}
        self.services: dict[str, dict[str, Any]] = {}
        self.endpoints: list[dict[str, Any]] = []
        self.domains: dict[str, str] = {DOMAIN["id"]: DOMAIN["name"]}
        #: {id of an application credential: its secret, a token that allows what it does}
        self.credentials: dict[str, tuple[str, Token]] = {}
        #: roles there are besides those that somebody has
        self.roles = {"admin", "manager", "member", "reader", "service"}
        self.registered_limits: list[dict[str, Any]] = []
        self.limits: list[dict[str, Any]] = []
        self._prepare_federation()

    # -- what tests say ----------------------------------------------------------------------

    def domain(self, name: str, manager: str, password: str = "secret") -> str:
        """A domain with a user that is its manager; gives the domain's id."""
        made = _hex()
        self.domains[made] = name
        user = self.users[manager] = User(manager, password, domain=made)
        self.grants[user.id, made] = ("manager",)
        return made

    def user(self, name: str, project: str, *roles: str, password: str = "secret") -> User:
        user = self.users.setdefault(name, User(name, password))
        found = self.projects.setdefault(project, Project(project))
        self.grants[user.id, found.id] = roles
        return user

    def user_of(self, scope: str | None, name: str, *roles: str, password: str = "secret") -> User:
        """One whose tokens are for the "domain", the "system", or nothing (None)."""
        user = self.users.setdefault(name, User(name, password))
        if scope is not None:
            self.grants[user.id, scope] = roles
        return user

    def region(self, name: str, parent: str | None = None) -> None:
        self.regions[name] = parent

    def endpoint(self, region: str, service_type: str, url: str) -> None:
        service = self.services.setdefault(
            service_type,
            {"id": _hex(), "type": service_type, "name": service_type, "enabled": True},
        )
        for interface in INTERFACES:
            self.endpoints.append(
                {
                    "id": _hex(),
                    "service_id": service["id"],
                    "interface": interface,
                    "region": region,
                    "region_id": region,
                    "url": url,
                    "enabled": True,
                }
            )

    def issue(self, name: str, project: str | None = None) -> Token:
        """A token without asking over HTTP, for what the user has roles in first.

        That is their only project unless one is named; the domain or system; or nothing.
        """
        user = self.users[name]
        if project is None and not any(user_id == user.id for user_id, _ in self.grants):
            return self._token(user, None, (), None)
        for (user_id, target), roles in self.grants.items():
            found = next((item for item in self.projects.values() if item.id == target), None)
            if user_id != user.id or project not in (None, found and found.name):
                continue
            return self._token(user, found, roles, "project" if found else target)
        raise AssertionError(f"{name} has no role in {project}")

    def _token(
        self, user: User, project: Project | None, roles: tuple[str, ...], scope: str | None
    ) -> Token:
        token = Token(user, project, roles, scope)
        self.tokens[token.id] = token
        return token

    def validate(self, token_id: str | None, expired: bool = False) -> Token | None:
        token = self.tokens.get(token_id or "")
        return token if token and (expired or token.expires_at > utc_now()) else None

    def service(self, http: web.Request) -> Token | None:
        """The service that calls for a user. Raises Refusal for a service token that is none."""
        given = http.headers.get("X-Service-Token")
        if given is None:
            return None
        token = self.validate(given)
        if token is None or "service" not in token.roles:
            raise Refusal(401, "The request you have made requires authentication.")
        return token

    def admit(self, http: web.Request, service: str) -> Token:
        """What a service's middleware does: the caller's token, good for this very request.

        A valid service token beside it lifts the restriction: the user calls through a service,
        and may have begun before the token expired.
        """
        through = self.service(http)
        token = self.validate(http.headers.get("X-Auth-Token"), expired=through is not None)
        allowed = token is not None and (
            token.access_rules is None
            or through is not None
            or any(
                (rule["service"], rule["method"]) == (service, http.method)
                and _path_matches(http.path, rule["path"])
                for rule in token.access_rules
            )
        )
        if token is None or not allowed:
            raise Refusal(401, "The request you have made requires authentication.")
        return token

    # -- the API -----------------------------------------------------------------------------

    def refuse(self, refusal: Refusal) -> web.Response:
        headers = {}
        if refusal.status == 401:
            headers["WWW-Authenticate"] = f'Keystone uri="{self.url}/v3"'
        body = {"error": {"code": refusal.status, "message": refusal.message, "title": "No"}}
        return web.json_response(body, status=refusal.status, headers=headers)

    async def answer(self, exchange: Exchange) -> web.Response:
        public = exchange.path.rstrip("/") in ("", "/v3") or (
            exchange.path == "/v3/auth/tokens" and exchange.http.method == "POST"
        )
        public = public or self.is_public(exchange)
        exchange.token = self.validate(exchange.http.headers.get("X-Auth-Token"))
        if not public and exchange.token is None:
            raise Refusal(401, "The request you have made requires authentication.")
        return await self.dispatch(exchange)

    def _version(self) -> dict[str, Any]:
        return {
            "id": "v3.14",
            "status": "stable",
            "updated": "2020-04-07T00:00:00Z",
            "links": [{"rel": "self", "href": f"{self.url}/v3/"}],
            "media-types": [{"base": "application/json", "type": "application/vnd.x-v3+json"}],
        }

    @route("GET", "/")
    def root(self, exchange: Exchange) -> web.Response:
        return reply({"versions": {"values": [self._version()]}}, 300)

    @route("GET", "/v3/?")
    def version(self, exchange: Exchange) -> web.Response:
        return reply({"version": self._version()})

    @route("POST", "/v3/auth/tokens")
    def authenticate(self, exchange: Exchange) -> web.Response:
        auth = exchange.json("auth")
        identity = auth["identity"]
        if "application_credential" in identity["methods"]:
            return self._by_credential(identity["application_credential"])
        if "password" in identity["methods"]:
            given = identity["password"]["user"]
            name, domain = given.get("name", given.get("id")), self._domain_of(given)
            user = next(
                (u for u in self.users.values()
                 if name == u.id or (name, domain) == (u.name, u.domain)),
                None,
            )  # fmt: skip
            if user is None or user.password != given["password"] or not user.enabled:
                raise Refusal(401, "The request you have made requires authentication.")
        else:
            token = self.validate(identity["token"]["id"])
            if token is None:
                raise Refusal(401, "The request you have made requires authentication.")
            user = token.user
        project, roles = None, ()
        scope = next(iter(auth.get("scope") if isinstance(auth.get("scope"), dict) else {}), None)
        if scope is not None:
            wanted = auth["scope"][scope]
            if scope == "project":
                name = wanted.get("name", wanted.get("id"))
                project = next((p for p in self.projects.values() if name in (p.name, p.id)), None)
                if project is None or not project.enabled:
                    raise Refusal(401, "The request you have made requires authentication.")
            target = project.id if project else scope
            domain = self._named_domain(wanted) if scope == "domain" else None
            if (user.id, domain) in self.grants:
                target = domain
            roles = self.grants.get((user.id, target), ())
            if not roles:
                raise Refusal(401, "The request you have made requires authentication.")
        if user.domain != DOMAIN["id"]:
            roles = tuple(dict.fromkeys(one for role in roles for one in (role, *_implied(role))))
        token = self._token(user, project, roles, scope)
        token.domain = domain if scope == "domain" else None
        return reply(self._describe(token), 201, X_Subject_Token=token.id)

    def _by_credential(self, given: dict[str, Any]) -> web.Response:
        secret, token = self.credentials.get(given["id"], ("", None))
        if token is None or secret != given["secret"]:
            raise Refusal(401, "The request you have made requires authentication.")
        assert token.project is not None
        if not token.project.enabled:
            raise Refusal(404, f"Could not find project: {token.project.id}.")
        issued = self._token(token.user, token.project, token.roles, "project")
        return reply(self._describe(issued), 201, X_Subject_Token=issued.id)

    def credential(self, name: str, project: str | None = None) -> dict[str, str]:
        """An application credential of a user, as they would make it."""
        made = {"id": _hex(), "secret": f"secret of {_hex()}"}
        self.credentials[made["id"]] = made["secret"], self.issue(name, project)
        return made

    def _domain_of(self, given: dict[str, Any]) -> str | None:
        """The domain that a name is said to be of."""
        return self._named_domain(given.get("domain") or {})

    def _named_domain(self, said: dict[str, Any]) -> str | None:
        by_name = (key for key, name in self.domains.items() if name == said.get("name"))
        return said.get("id") or next(by_name, None)

    @route("GET", "/v3/auth/tokens")
    def check(self, exchange: Exchange) -> web.Response:
        subject = exchange.http.headers.get("X-Subject-Token", "")
        token = self.validate(subject, expired=exchange.query.get("allow_expired") == "1")
        if token is None:
            raise Refusal(404, "Could not find token.")
        described = self._describe(token)
        if "nocatalog" in exchange.query:
            described["token"].pop("catalog", None)
        return reply(described, 200, X_Subject_Token=subject)

    @route("DELETE", "/v3/auth/tokens")
    def revoke(self, exchange: Exchange) -> web.Response:
        self.tokens.pop(exchange.http.headers.get("X-Subject-Token", ""), None)
        return reply(None, 204)

    def _describe(self, token: Token) -> dict[str, Any]:
        body: dict[str, Any] = {
            "methods": ["password"],
            "user": {
                "id": token.user.id,
                "name": token.user.name,
                "domain": {"id": token.user.domain, "name": self.domains[token.user.domain]},
                "password_expires_at": None,
            },
            "audit_ids": [token.audit_id],
            "issued_at": token.issued_at.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
            "expires_at": token.expires_at.strftime("%Y-%m-%dT%H:%M:%S.000000Z"),
        }
        if token.project:
            body["project"] = {
                "id": token.project.id,
                "name": token.project.name,
                "domain": {"id": token.project.domain, "name": self.domains[token.project.domain]},
            }
            body["is_domain"] = False
        elif token.scope == "domain":
            of = token.domain or DOMAIN["id"]
            body["domain"] = {"id": of, "name": self.domains[of]}
        elif token.scope == "system":
            body["system"] = {"all": True}
        if token.scope is not None:
            body["roles"] = [{"id": f"role-{name}", "name": name} for name in token.roles]
            body["catalog"] = self._catalog()
        if token.access_rules is not None:
            body["application_credential"] = {
                "id": "restricted",
                "name": "restricted",
                "restricted": True,
                "access_rules": token.access_rules,
            }
        return {"token": body}

    def _catalog(self) -> list[dict[str, Any]]:
        return [
            {
                "id": service["id"],
                "type": service["type"],
                "name": service["name"],
                "endpoints": [
                    {key: value for key, value in endpoint.items() if key != "service_id"}
                    for endpoint in self.endpoints
                    if endpoint["service_id"] == service["id"]
                ],
            }
            for service in self.services.values()
        ]

    @route("GET", "/v3/auth/catalog")
    def catalog(self, exchange: Exchange) -> web.Response:
        return reply({"catalog": self._catalog(), "links": {}})

    @route("GET", "/v3/auth/projects")
    def own_projects(self, exchange: Exchange) -> web.Response:
        mine = [p for p in self.projects.values() if (exchange.token.user.id, p.id) in self.grants]
        return reply({"projects": [self._project(p) for p in mine], "links": {}})

    @route("GET", "/v3/users/{user_id}/projects")
    def projects_of(self, exchange: Exchange, user_id: str) -> web.Response:
        if user_id != exchange.token.user.id:
            raise Refusal(403, "You are not authorized to perform the requested action.")
        return self.own_projects(exchange)

    def _listed(self, exchange: Exchange, name: str, items: list[dict[str, Any]]) -> web.Response:
        wanted = {k: v for k, v in exchange.query.items() if k not in ("limit", "marker", "tags")}
        kept = [item for item in items if all(item.get(k) == v for k, v in wanted.items())]
        return reply({name: kept, "links": {"next": None, "self": self.url, "previous": None}})

    def _region(self, name: str) -> dict[str, Any]:
        if name not in self.regions:
            raise Refusal(404, f"Could not find region: {name}.")
        return {"id": name, "parent_region_id": self.regions[name], "description": "", "links": {}}

    @route("GET", "/v3/regions")
    def list_regions(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "regions", [self._region(name) for name in self.regions])

    @route("GET", "/v3/regions/{name}")
    def show_region(self, exchange: Exchange, name: str) -> web.Response:
        return reply({"region": self._region(name)})

    @route("GET", "/v3/services")
    def list_services(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "services", list(self.services.values()))

    @route("GET", "/v3/endpoints")
    def list_endpoints(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "endpoints", self.endpoints)

    @staticmethod
    def _project(project: Project) -> dict[str, Any]:
        return {
            "id": project.id,
            "name": project.name,
            "domain_id": project.domain,
            "enabled": project.enabled,
            "is_domain": False,
            "parent_id": project.domain,
            "tags": project.tags,
        }

    @route("GET", "/v3/projects")
    def list_projects(self, exchange: Exchange) -> web.Response:
        tags = set(filter(None, exchange.query.get("tags", "").split(",")))
        projects = [
            self._project(project)
            for project in self.projects.values()
            if tags <= set(project.tags) and self._may_see(exchange, project.domain)
        ]
        return self._listed(exchange, "projects", projects)

    @staticmethod
    def _may_see(exchange: Exchange, domain: str) -> bool:
        """An administrator sees everything, others what is in their domain."""
        return exchange.token.is_admin or exchange.token.domain in (None, domain)

    def _manages(self, exchange: Exchange, domain: str) -> None:
        """Raises Refusal for whoever is no manager of a domain, and no administrator either."""
        token = exchange.token
        if not token.is_admin and not (token.domain == domain and "manager" in token.roles):
            raise Refusal(403, "You are not authorized to perform the requested action.")

    @route("POST", "/v3/projects")
    def create_project(self, exchange: Exchange) -> web.Response:
        body = exchange.json("project")
        domain = body.get("domain_id", DOMAIN["id"])
        self._manages(exchange, domain)
        if not 0 < len(body["name"]) <= 64:
            raise Refusal(400, "Invalid input for field 'name'")
        if any((p.name, p.domain) == (body["name"], domain) for p in self.projects.values()):
            raise Refusal(409, "Conflict occurred attempting to store project - Duplicate entry.")
        made = Project(body["name"], domain=domain, tags=body.get("tags", []))
        self.projects[made.id] = made
        return reply({"project": self._project(made)}, 201)

    @route("GET", "/v3/projects/{name}")
    def show_project(self, exchange: Exchange, name: str) -> web.Response:
        for project in self.projects.values():
            if project.id == name:
                return reply({"project": self._project(project)})
        raise Refusal(404, f"Could not find project: {name}.")

    @route("GET", "/v3/roles")
    def list_roles(self, exchange: Exchange) -> web.Response:
        held = {name for roles in self.grants.values() for name in roles}
        names = sorted(held | self.roles)
        roles = [{"id": f"role-{name}", "name": name, "links": {}} for name in names]
        return self._listed(exchange, "roles", roles)

    @route("*", "/v3/projects/{project}/users/{user}/roles/role-(?P<role>[^/]+)")
    def grant(self, exchange: Exchange, project: str, user: str, role: str) -> web.Response:
        """HEAD tells whether a user has a role in a project, PUT gives it, DELETE takes it."""
        roles, method = self.grants.get((user, project), ()), exchange.http.method
        found = next((one for one in self.projects.values() if one.id == project), None)
        if found is None:
            raise Refusal(404, f"Could not find project: {project}.")
        self._manages(exchange, found.domain)
        if not exchange.token.is_admin and role not in _MANAGERS_TO_GIVE:
            raise Refusal(403, "You are not authorized to perform the requested action.")
        if method == "PUT":
            self.grants[user, project] = (*(name for name in roles if name != role), role)
        elif role not in roles:
            raise Refusal(404, f"Could not find role assignment with role: {role}.")
        elif method == "DELETE" and len(roles) == 1:
            del self.grants[user, project]
        elif method == "DELETE":
            self.grants[user, project] = tuple(name for name in roles if name != role)
        return reply(None, 204)

    @route("GET", "/v3/registered_limits")
    def list_registered_limits(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "registered_limits", self.registered_limits)

    @route("GET", "/v3/limits")
    def list_limits(self, exchange: Exchange) -> web.Response:
        return self._listed(exchange, "limits", self.limits)

    def limit(self, resource: str, amount: int, project_id: str | None = None) -> None:
        """Register a limit of the compute service, or set a project's own."""
        (service,) = [s for s in self.services.values() if s["type"] == "compute"]
        row: dict[str, Any] = {
            "id": _hex(),
            "service_id": service["id"],
            "region_id": "RegionOne",
            "resource_name": resource,
        }
        if project_id is None:
            self.registered_limits.append({**row, "default_limit": amount})
        else:
            self.limits.append({**row, "resource_limit": amount, "project_id": project_id})

    @staticmethod
    def _user(user: User) -> dict[str, Any]:
        return {
            "id": user.id,
            "name": user.name,
            "domain_id": user.domain,
            "enabled": user.enabled,
        }

    @route("GET", "/v3/users")
    def list_users(self, exchange: Exchange) -> web.Response:
        users = [
            self._user(user) for user in self.users.values() if self._may_see(exchange, user.domain)
        ]
        return self._listed(exchange, "users", users)

    @route("POST", "/v3/users")
    def create_user(self, exchange: Exchange) -> web.Response:
        body = exchange.json("user")
        domain = body.get("domain_id", DOMAIN["id"])
        self._manages(exchange, domain)
        if any((u.name, u.domain) == (body["name"], domain) for u in self.users.values()):
            raise Refusal(409, "Conflict occurred attempting to store user - Duplicate entry.")
        made = User(body["name"], body["password"], domain=domain)
        self.users[made.id] = made
        return reply({"user": self._user(made)}, 201)

    @route("PATCH", "/v3/users/{user_id}")
    def update_user(self, exchange: Exchange, user_id: str) -> web.Response:
        body = exchange.json("user")
        user = next((one for one in self.users.values() if one.id == user_id), None)
        if user is None:
            raise Refusal(404, f"Could not find user: {user_id}.")
        self._manages(exchange, user.domain)
        user.password = body.get("password", user.password)
        user.enabled = body.get("enabled", user.enabled)
        return reply({"user": self._user(user)})
