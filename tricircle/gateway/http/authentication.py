# SPDX-License-Identifier: Apache-2.0
"""Who calls: tokens validated by keystonemiddleware in a thread, believed for a short while.

Anybody can make us ask Keystone, so that has threads and a queue of its own, each call an end, and
what Keystone does not know is remembered, too.
"""

import asyncio
import collections
import contextlib
import dataclasses
import datetime
import hashlib
import time
from typing import Any
from wsgiref.util import setup_testing_defaults

from keystoneauth1.exceptions import ClientException
from keystonemiddleware import auth_token
from os_service_types import ServiceTypes
from oslo_log import log as logging
from oslo_utils import timeutils

from tricircle.conf import CONF
from tricircle.gateway.caches import Recent
from tricircle.gateway.http.context import Context
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import TOKENS, Busy
from tricircle.pods.transport import bound
from tricircle.telemetry.metrics import TOKENS as TOKENS_SEEN

_SERVICES = ServiceTypes()
_MOST_TOKENS = 10_000
_CACHE = "tricircle.token_cache"
LOG = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class _Known:
    context: Context
    until: float  # time.monotonic()


class _Unknown(Exception):
    """Keystone does not know a token, whatever is asked with it."""


class _NotForThis(Fault):
    """A token is not good for what was asked with it."""


class Authenticator:
    """Validates tokens; one a process, used by all its APIs."""

    def __init__(self) -> None:
        self._middleware: dict[str, Any] = {}
        self._known: collections.OrderedDict[str, _Known] = collections.OrderedDict()
        self._refused: Recent[str, float] = Recent(_MOST_TOKENS)  # until when: time.monotonic()
        self._asking: dict[str, asyncio.Task[Context]] = {}

    async def authenticate(
        self, token: str, service_token: str, service_type: str, method: str, path: str
    ) -> Context:
        """Who the token's bearer is (the request's ids are left for the caller to fill in).

        ``service_token`` is of a service that calls for a user, "" for none: it must be valid, and
        makes a user's token good that has expired since. ``service_type``, ``method`` and ``path``
        matter for tokens restricted to some calls.
        Raises Fault 401, and 503 when Keystone cannot be asked.
        """
        if not (token and token.isascii() and service_token.isascii()):
            raise _unauthorized()
        key = hashlib.sha256(f"{token}\n{service_token}".encode()).hexdigest()
        known = self._known.get(key)
        if known is not None and known.until > time.monotonic():
            TOKENS_SEEN.inc("known")
            return known.context
        try:
            if (self._refused.get(key) or 0.0) > time.monotonic():
                raise _unauthorized()
            context = await self._asked(key, token, service_token, service_type, method, path)
        except Fault as fault:
            TOKENS_SEEN.inc("refused" if fault.status == 401 else "unanswered")
            raise
        TOKENS_SEEN.inc("validated")
        return context

    async def _asked(
        self, key: str, token: str, service_token: str, service_type: str, method: str, path: str
    ) -> Context:
        """What Keystone says of a token now, to whoever shows it at the same time."""
        if (asking := self._asking.get(key)) is not None:
            with contextlib.suppress(_NotForThis):
                context = await asyncio.shield(asking)
                if not context.restricted:
                    return context
        asking = asyncio.ensure_future(
            self._ask(key, token, service_token, service_type, method, path)
        )
        self._asking[key] = asking
        # A client that goes away must not take the answer from others who wait for it.
        return await asyncio.shield(asking)

    async def _ask(
        self, key: str, token: str, service_token: str, service_type: str, method: str, path: str
    ) -> Context:
        try:
            # The thread ends by itself soon after; who waits for a free one gives up here.
            async with asyncio.timeout(CONF.gateway.keystone_deadline):
                context = await TOKENS.run(
                    self._validate, token, service_token, service_type, method, path
                )
        except _Unknown:
            self._refused.put(key, time.monotonic() + CONF.gateway.refused_token_seconds)
            raise _unauthorized() from None
        except (Busy, TimeoutError):
            LOG.info("A request ended unanswered: Keystone is not fast enough")
            raise _away() from None
        finally:
            self._asking.pop(key, None)
        if not context.restricted:
            self._remember(key, context)
        return context

    def _remember(self, key: str, context: Context) -> None:
        expires = timeutils.normalize_time(timeutils.parse_isotime(context.expires_at))
        left = expires - timeutils.utcnow()
        seconds = min(CONF.gateway.token_cache_seconds, left / datetime.timedelta(seconds=1))
        if seconds <= 0:
            return
        self._known[key] = _Known(context, time.monotonic() + seconds)
        self._known.move_to_end(key)
        while len(self._known) > _MOST_TOKENS:
            self._known.popitem(last=False)

    def _validate(
        self, token: str, service_token: str, service_type: str, method: str, path: str
    ) -> Context:
        environ: dict[str, Any] = {
            "REQUEST_METHOD": method,
            "PATH_INFO": path,
            "HTTP_X_AUTH_TOKEN": token,
            _CACHE: _NoCache(),
        }
        if service_token:
            environ["HTTP_X_SERVICE_TOKEN"] = service_token
        setup_testing_defaults(environ)
        statuses: list[str] = []

        def start_response(status: str, *_: Any) -> None:
            statuses.append(status)

        try:
            self._for(service_type)(environ, start_response)
        except ClientException as error:
            LOG.error("Keystone cannot be asked about tokens: %s", error)
            raise _away() from None
        if statuses[0].startswith("401"):
            raise _unauthorized(_NotForThis)
        if not statuses[0].startswith("200"):
            LOG.error("Keystone cannot be asked about tokens: %s", statuses[0])
            raise _away()
        return _context(environ, token, service_token)

    def _for(self, service_type: str) -> Any:
        # Made at first use and in a thread: it may ask Keystone for its versions.
        if service_type not in self._middleware:
            self._middleware[service_type] = _Middleware(_accept, _conf(service_type))
        return self._middleware[service_type]


class _Middleware(auth_token.AuthProtocol):  # type: ignore[misc]
    """keystonemiddleware, whose calls to Keystone end in time, and which says why it refuses."""

    def _create_session(self, **kwargs: Any) -> Any:
        # Two tries have the whole time between them.
        return bound(super()._create_session(timeout=CONF.gateway.keystone_deadline / 2, **kwargs))

    def validate_allowed_request(self, request: Any, token: dict[str, Any]) -> None:
        super().validate_allowed_request(request, _under_one_name(token, self._conf))

    def fetch_token(self, token: str, **kwargs: Any) -> Any:
        try:
            return super().fetch_token(token, **kwargs)
        except auth_token.InvalidToken:
            raise _Unknown from None


def _under_one_name(token: dict[str, Any], conf: Any) -> dict[str, Any]:
    """A token whose access rules call the middleware's service as it does: some services have
    several names, and rules name any of these. Its catalogue, which was not asked for, has the
    service: who asks here has found it.
    """
    name = conf.get("service_type")
    names = {name, *_SERVICES.get_all_types(name)}
    application = token.get("application_credential")
    if not application or application.get("access_rules") is None:
        return token
    rules = [
        {**rule, "service": name} if rule["service"] in names else rule
        for rule in application["access_rules"]
    ]
    renamed = {**application, "access_rules": rules}
    return {**token, "application_credential": renamed, "catalog": [{"type": name}]}


def _accept(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    """What stands behind the middleware: whoever comes here has a valid token."""
    start_response("200 OK", [])
    return []


class _NoCache:
    """What keystonemiddleware gets to remember tokens in, unless memcached is configured.

    Its own memory would believe a revoked token longer than [gateway] token_cache_seconds.
    """

    def get(self, key: str) -> None:
        return None

    def set(self, key: str, value: bytes, time: int = 0) -> None:
        return None


def _conf(service_type: str) -> dict[str, Any]:
    identity = CONF.tricircle_identity
    cache = {} if CONF.keystone_authtoken.memcached_servers else {"cache": _CACHE}
    return cache | {
        "oslo_config_config": CONF,
        "auth_section": "tricircle_identity",
        "www_authenticate_uri": identity.www_authenticate_uri,
        "interface": identity.interface,
        "cafile": identity.cafile,
        "certfile": identity.certfile,
        "keyfile": identity.keyfile,
        "insecure": identity.insecure,
        "service_type": service_type,
        "service_token_roles_required": True,
        # Of a hundred pods it is hundreds of kilobytes a token, and nobody here reads it.
        "include_service_catalog": False,
        # A connection that Keystone closed just now is worth a second try, no more.
        "http_request_max_retries": 1,
        "delay_auth_decision": False,
    }


def _away() -> Fault:
    return Fault(503, "The Keystone service is temporarily unavailable.", {"Retry-After": "5"})


def challenge() -> str:
    """What WWW-Authenticate tells: where tokens come from."""
    return f'Keystone uri="{CONF.tricircle_identity.www_authenticate_uri}"'


def _unauthorized(kind: type[Fault] = Fault) -> Fault:
    return kind(401, "The request you have made requires authentication.")


def _context(environ: dict[str, Any], token: str, service_token: str) -> Context:
    def told(name: str) -> str:
        # A token that is for no project has none of it, though there is a header.
        return environ.get(f"HTTP_X_{name}") or ""

    # Nothing else of it is kept: there are thousands.
    told_by_keystone = environ["keystone.token_info"]["token"]
    application = told_by_keystone.get("application_credential") or {}
    return Context(
        request_id="",
        token=token,
        user_id=told("USER_ID"),
        user_name=told("USER_NAME"),
        user_domain_id=told("USER_DOMAIN_ID"),
        project_id=told("PROJECT_ID"),
        project_name=told("PROJECT_NAME"),
        project_domain_id=told("PROJECT_DOMAIN_ID"),
        roles=tuple(role for role in told("ROLES").split(",") if role),
        restricted=application.get("access_rules") is not None,
        service_token=service_token,
        system_scope=environ.get("HTTP_OPENSTACK_SYSTEM_SCOPE"),
        domain_id=environ.get("HTTP_X_DOMAIN_ID"),
        expires_at=told_by_keystone["expires_at"],
        user_domain_name=told("USER_DOMAIN_NAME"),
        project_domain_name=told("PROJECT_DOMAIN_NAME"),
    )
