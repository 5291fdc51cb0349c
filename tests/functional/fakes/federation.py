# SPDX-License-Identifier: Apache-2.0
"""Federation as Keystone has it, on both sides, with the module of a web server before it.

Ours vouches for its users (SAML2, ECP); a pod's makes users and projects of what it is told by
mod_shib or mod_auth_mellon, or by mod_auth_openidc of a bearer's token.
"""

import dataclasses
import datetime
import hashlib
import hmac
import json
import secrets
from typing import Any
from urllib.parse import quote
from xml.etree import ElementTree
from xml.sax.saxutils import escape

import jwt
from aiohttp import web

from tests.functional.fakes.http import Exchange, FakeService, Refusal, reply, route, utc_now

PAOS = "application/vnd.paos+xml"
_SAML = "{urn:oasis:names:tc:SAML:2.0:assertion}"
_LONGEST_NAME = 64
_UNAUTHORIZED = "The request you have made requires authentication."


@dataclasses.dataclass
class ServiceProvider:
    """What a Keystone that vouches knows of one that believes it."""

    sp_url: str
    auth_url: str
    relay_state_prefix: str = "ss:mem:"
    enabled: bool = True


@dataclasses.dataclass
class Module:
    """The module of the web server: where assertions go, and whom it believes."""

    kind: str
    path: str
    prefix: str
    cookie: str
    key: bytes = b""
    """That of whoever may vouch."""
    sessions: dict[str, dict[str, str]] = dataclasses.field(default_factory=dict)
    seen: set[str] = dataclasses.field(default_factory=set)
    """What was told already: nothing is taken twice."""


SHIB = ("shib", "/Shibboleth.sso/SAML2/ECP", "", "_shibsession_64656661756c7475726e3a706f6432")
MELLON = ("mellon", "/v3/mellon/paosResponse", "MELLON_", "mellon-cookie")


@dataclasses.dataclass
class Bearers:
    """Whose tokens mod_auth_openidc believes: the keys by their kid, the issuer, the audience."""

    keys: dict[str, Any]
    issuer: str
    audience: str


class Federation(FakeService):
    """What a Keystone has of it. The rest of that is said by ``Keystone``."""

    users: dict[str, Any]
    projects: dict[str, Any]
    grants: dict[tuple[str, str], tuple[str, ...]]
    domains: dict[str, str]
    roles: set[str]

    def _prepare_federation(self) -> None:
        self.signing_key = secrets.token_bytes(16)
        self.service_providers: dict[str, ServiceProvider] = {}
        self.identity_providers: dict[str, str] = {}
        """Their domains, by id."""
        self.protocols: dict[tuple[str, str], str] = {}
        """The mappings of (identity provider, protocol)."""
        self.mapping_rules: dict[str, dict[str, Any]] = {}
        self.module: Module | None = None
        self.bearers: Bearers | None = None

    def trust(self, provider: str, protocol: str, domain: str, rules: list[Any]) -> None:
        """What the operator of a pod sets up: an identity provider with a domain of its own."""
        domain_id = secrets.token_hex(16)
        self.domains[domain_id] = domain
        self.identity_providers[provider] = domain_id
        self.protocols[provider, protocol] = provider
        self.mapping_rules[provider] = {"schema_version": "2.0", "rules": rules}

    # -- the side that vouches -------------------------------------------------------------------

    @route("POST", "/v3/auth/OS-FEDERATION/saml2/ecp")
    def vouch(self, exchange: Exchange) -> web.Response:
        auth = exchange.json("auth")
        known = self.service_providers.get(auth["scope"]["service_provider"]["id"])
        if known is None:
            raise Refusal(404, "Could not find service provider.")
        if not known.enabled:
            raise Refusal(403, "Service Provider is disabled.")
        token = self.validate(auth["identity"]["token"]["id"])  # type: ignore[attr-defined]
        # Who may not know of access rules is told that there is no such token.
        if token is None or token.access_rules is not None:
            raise Refusal(404, "Could not find token.")
        if token.project is None:
            raise Refusal(403, "Use a project scoped token when attempting to create a SAML.")
        until = utc_now() + datetime.timedelta(hours=1)
        text = self._assertion(token, known, until)
        return web.Response(
            text=text,
            content_type="text/xml",
            # Keystone tells these in bytes, and its web framework writes those so.
            headers={
                "X-sp-url": f"b'{known.sp_url}'",
                "X-auth-url": f"b'{known.auth_url}'",
            },
        )

    def _assertion(self, token: Any, known: ServiceProvider, until: datetime.datetime) -> str:
        told = {
            "openstack_user": [token.user.name],
            "openstack_roles": list(token.roles),
            "openstack_project": [token.project.name],
            "openstack_project_domain": [self.domains[token.project.domain]],
            "openstack_user_domain": [self.domains[token.user.domain]],
        }
        attributes = "".join(
            f'<saml:Attribute Name="{name}">'
            + "".join(f"<saml:AttributeValue>{escape(one)}</saml:AttributeValue>" for one in values)
            + "</saml:Attribute>"
            for name, values in told.items()
        )
        body = (
            f'<saml:Assertion xmlns:saml="{_SAML[1:-1]}" ID="{secrets.token_hex(16)}">'
            f"<saml:Subject><saml:NameID>{escape(token.user.name)}</saml:NameID>"
            "<saml:SubjectConfirmationData "
            f'Recipient="{known.sp_url}" NotOnOrAfter="{until.isoformat()}"/></saml:Subject>'
            f"<saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>"
        )
        signature = hmac.new(self.signing_key, body.encode(), hashlib.sha256).hexdigest()
        state = f"{known.relay_state_prefix}{secrets.token_hex(8)}"
        return f"<Envelope><RelayState>{state}</RelayState>{body}<!--{signature}--></Envelope>"

    # -- the side that believes: the module of its web server ------------------------------------

    @route("POST", "/Shibboleth.sso/SAML2/ECP")
    @route("POST", "/v3/mellon/paosResponse")
    def introduce(self, exchange: Exchange) -> web.Response:
        module = self.module
        if module is None or module.path != exchange.path:
            raise Refusal(404, "Not Found")
        text = exchange.raw.decode()
        body, _, rest = text.partition("</saml:Assertion>")
        body = body[body.index("<saml:Assertion") :] + "</saml:Assertion>"
        signed = hmac.new(module.key, body.encode(), hashlib.sha256).hexdigest()
        root = ElementTree.fromstring(text)
        state = root.findtext("RelayState") or ""
        confirmed = root.find(f".//{_SAML}SubjectConfirmationData")
        assert confirmed is not None
        good = (
            f"<!--{signed}-->" in rest
            and exchange.http.content_type == PAOS
            and confirmed.attrib["Recipient"] == self.url + module.path
            and confirmed.attrib["NotOnOrAfter"] > utc_now().isoformat()
            and body not in module.seen
        )
        module.seen.add(body)
        if not good or (module.kind == "mellon" and state.startswith("ss:mem:")):
            status = 400 if module.kind == "mellon" else 500
            return web.Response(status=status, text="<html>opensaml::FatalProfileException</html>")
        attributes = {
            module.prefix + one.attrib["Name"]: ";".join(value.text or "" for value in one)
            for one in root.iter(f"{_SAML}Attribute")
        }
        session = secrets.token_hex(16)
        module.sessions[session] = attributes
        answer = web.Response(status=302, headers={"Location": self.url + "/"})
        if module.kind == "mellon":
            answer = web.Response(status=303, headers={"Location": state})
        answer.set_cookie(module.cookie, session, httponly=True)
        return answer

    @route("*", "/v3/OS-FEDERATION/identity_providers/{provider}/protocols/{protocol}/auth")
    def federated(self, exchange: Exchange, provider: str, protocol: str) -> web.Response:
        mapping = self.mapping_rules.get(self.protocols.get((provider, protocol), ""))
        if mapping is None:
            raise Refusal(404, "Could not find protocol.")
        told = self._told(exchange.http)
        if told is None:
            return self._sent_away()
        mapped = [one for rule in mapping["rules"] if (one := _mapped(rule, told)) is not None]
        if not mapped:
            raise Refusal(401, _UNAUTHORIZED)
        # Of several rules that fit the first says who it is, the last in which projects.
        user = self._shadow(mapped[0]["user"]["name"], self.identity_providers[provider])
        for project in mapped[-1]["projects"]:
            self._shadow_project(user, project, self.identity_providers[provider])
        token = self._token(user, None, (), None)  # type: ignore[attr-defined]
        document = self._describe(token)  # type: ignore[attr-defined]
        return reply(document, 201, X_Subject_Token=token.id)

    def _sent_away(self) -> web.Response:
        """What a module answers to whom it does not know."""
        if self.module is None:
            return web.Response(status=401, text="<html>401 Unauthorized</html>")
        if self.module.kind == "shib":
            # It knows nowhere to send them to: a Keystone has no page to log in by.
            return web.Response(status=500, text="<html></html>")
        return web.Response(status=303, headers={"Location": f"{self.url}/v3/mellon/login"})

    def _told(self, http: web.Request) -> dict[str, str] | None:
        """What the module tells Keystone of who asks; None for nobody."""
        bearer = http.headers.get("Authorization", "")
        if self.bearers is not None and bearer.startswith("Bearer "):
            return self._claimed(self.bearers, bearer.removeprefix("Bearer "))
        if self.module is None:
            return None
        return self.module.sessions.get(http.cookies.get(self.module.cookie, ""))

    @staticmethod
    def _claimed(bearers: Bearers, token: str) -> dict[str, str] | None:
        try:
            key = bearers.keys[jwt.get_unverified_header(token)["kid"]]
            claims = jwt.decode(
                token,
                key,
                algorithms=["RS256"],
                audience=bearers.audience,
                issuer=bearers.issuer,
                options={"require": ["exp"]},
            )
        except (jwt.InvalidTokenError, KeyError):
            return None
        return {
            f"HTTP_OIDC_{name.upper()}": value if isinstance(value, str) else json.dumps(value)
            for name, value in claims.items()
        }

    def _shadow(self, name: str, domain: str) -> Any:
        """The user of a name, made the first time. Their id in the federation follows from it."""
        from tests.functional.fakes.keystone import User

        known = self.users.get(quote(name))
        if known is None:
            known = User(name, secrets.token_hex(16), domain=domain)
            self.users[quote(name)] = known
        return known

    def _shadow_project(self, user: Any, said: dict[str, Any], domain: str) -> None:
        from tests.functional.fakes.keystone import Project

        wanted = [role["name"] for role in said["roles"]]
        if not set(wanted) <= self.roles:
            raise Refusal(404, "Could not find role.")
        if len(said["name"]) > _LONGEST_NAME:
            raise Refusal(400, "Invalid input for field 'name'")
        same = (p for p in self.projects.values() if (p.name, p.domain) == (said["name"], domain))
        project = next(same, None)
        if project is None:
            project = Project(said["name"], domain=domain)
            self.projects[project.id] = project
        # Schema 2.0 takes nothing back.
        held = self.grants.get((user.id, project.id), ())
        more = tuple(role for role in wanted if role not in held)
        self.grants[user.id, project.id] = (*held, *more)

    # -- what its operator sees ------------------------------------------------------------------

    @route("GET", "/v3/OS-FEDERATION/identity_providers/{provider}/protocols/{protocol}")
    def show_protocol(self, exchange: Exchange, provider: str, protocol: str) -> web.Response:
        self._admin_only(exchange)
        if (provider, protocol) not in self.protocols:
            raise Refusal(404, f"Could not find federated protocol {protocol}.")
        mapping = self.protocols[provider, protocol]
        return reply({"protocol": {"id": protocol, "mapping_id": mapping, "links": {}}})

    @route("GET", "/v3/OS-FEDERATION/mappings/{mapping}")
    def show_mapping(self, exchange: Exchange, mapping: str) -> web.Response:
        self._admin_only(exchange)
        if mapping not in self.mapping_rules:
            raise Refusal(404, f"Could not find mapping: {mapping}.")
        return reply({"mapping": {"id": mapping, "links": {}, **self.mapping_rules[mapping]}})

    @staticmethod
    def _admin_only(exchange: Exchange) -> None:
        if not exchange.token.is_admin:
            raise Refusal(403, "You are not authorized to perform the requested action.")

    def is_public(self, exchange: Exchange) -> bool:
        """Whether it asks for no token in a header."""
        path = exchange.path
        return (
            path.startswith("/v3/auth/OS-FEDERATION/")
            or "/Shibboleth.sso/" in path
            or (
                path.startswith("/v3/mellon/")
                or (
                    path.startswith("/v3/OS-FEDERATION/identity_providers/")
                    and path.endswith("/auth")
                )
            )
        )


def _mapped(rule: dict[str, Any], told: dict[str, str]) -> dict[str, Any] | None:
    """What Keystone's engine makes of a rule; None where that does not fit."""
    assertion = {name: value.split(";") for name, value in told.items()}
    direct: list[str] = []
    for requirement in rule["remote"]:
        values = assertion.get(requirement["type"])
        if not values:
            return None
        if "any_one_of" in requirement:
            if not set(values) & set(requirement["any_one_of"]):
                return None
        elif "not_any_of" in requirement:
            if set(values) & set(requirement["not_any_of"]):
                return None
        else:
            direct.append(values[0] if len(values) == 1 else str(values))

    def filled(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: filled(inside) for key, inside in value.items()}
        if isinstance(value, list):
            return [filled(inside) for inside in value]
        return value.format(*direct)

    (local,) = rule["local"]
    made: dict[str, Any] = filled(local)
    return made
