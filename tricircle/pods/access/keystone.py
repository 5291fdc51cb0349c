# SPDX-License-Identifier: Apache-2.0
"""A pod's own Keystone: what is asked of it, and how its refusals are told from its failures."""

import datetime
import http.cookiejar
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from keystoneauth1.exceptions import ClientException
from keystoneauth1.session import Session

from tricircle.conf import CONF
from tricircle.pods.errors import NoAccess, PodUnreachable
from tricircle.pods.transport import bound

# Letters of a token: anything longer is none.
_LONGEST_TOKEN = 8192
# Seconds before its end from which a token is not used any more.
_MARGIN = 60.0


class Answer(NamedTuple):
    """What was answered; ``token`` is that of a new token."""

    status: int
    document: dict[str, Any]
    token: str


class Issued(NamedTuple):
    """A new token, its document, and until when it is used (``time.time()``)."""

    token: str
    document: dict[str, Any]
    until: float

    @property
    def roles(self) -> set[str]:
        return {role["name"] for role in self.document.get("roles", ())}


class Keystone:
    """One pod's. Paths are below /v3. Thread-safe."""

    def __init__(self, region: str, auth_url: str) -> None:
        self.region = region
        self.url = auth_url.rstrip("/").removesuffix("/v3") + "/v3"
        self._session = bare_session()

    def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        token: str | None = None,
        fine: tuple[int, ...] = (),
        bearer: str | None = None,
    ) -> Answer:
        """What is answered: 2xx, or one of the statuses that are ``fine``.

        Raises NoAccess for any other 4xx, PodUnreachable for everything else.
        """
        step = f"{method} {path.partition('?')[0]}"
        headers = {"Accept": "application/json"} | ({"X-Auth-Token": token} if token else {})
        if bearer is not None:
            headers["Authorization"] = f"Bearer {bearer}"
        try:
            told = self._session.request(
                self.url + path,
                method,
                json=body,
                headers=headers,
                authenticated=False,
                raise_exc=False,
                connect_retries=0,
                # It would write bodies into the log, with the passwords in them.
                log=False,
            )
        except ClientException as error:
            raise PodUnreachable(self.region, f"its Keystone: {step}: {error}") from error
        return read_answer(self.region, step, told, fine)

    def issue(self, identity: Mapping[str, Any], scope: Mapping[str, Any] | None) -> Issued:
        """A new token. Raises NoAccess (with a status of 401, say), PodUnreachable."""
        auth: dict[str, Any] = {"identity": identity}
        if scope is not None:
            auth["scope"] = scope
        answer = self.ask("POST", "/auth/tokens?nocatalog", {"auth": auth})
        return self.issued(answer)

    def issued(self, answer: Answer) -> Issued:
        """The token that an answer has. Raises PodUnreachable."""
        document, token = answer.document.get("token"), answer.token
        if not isinstance(document, dict) or not token or len(token) > _LONGEST_TOKEN:
            raise PodUnreachable(self.region, "its Keystone answered no token")
        return Issued(token, document, self._until(document))

    def _until(self, document: Mapping[str, Any]) -> float:
        try:
            ends = datetime.datetime.fromisoformat(str(document["expires_at"]))
        except (KeyError, ValueError):
            raise PodUnreachable(self.region, "its Keystone tells no end of a token") from None
        if ends.tzinfo is None:
            ends = ends.replace(tzinfo=datetime.UTC)
        now, until = time.time(), ends.timestamp()
        if until <= now:
            text = "its Keystone gave a token that has ended already: look at the clocks"
            raise PodUnreachable(self.region, text)
        # One that is good for a moment only is used for half of that.
        usable = max(until - _MARGIN, now + (until - now) / 2)
        return min(usable, now + CONF.federation.token_seconds)


def read_answer(region: str, step: str, told: Any, fine: tuple[int, ...] = ()) -> Answer:
    """What a pod's Keystone answered: 2xx, or one of the statuses that are ``fine``.

    Raises NoAccess for any other 4xx, PodUnreachable for everything else.
    """
    status = told.status_code
    if 200 <= status < 300 or status in fine:
        return Answer(status, _read(region, step, told), told.headers.get("X-Subject-Token", ""))
    if 400 <= status < 500:
        raise NoAccess(region, f"its Keystone refused {step}{_reason(told)}", status)
    raise PodUnreachable(region, f"its Keystone answered {step} with HTTP {status}")


def _read(region: str, step: str, told: Any) -> dict[str, Any]:
    if not told.content:
        return {}
    try:
        document = told.json()
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise PodUnreachable(region, f"its Keystone answered {step} with no JSON object")
    return document


def password(name: str, secret: str, domain: Mapping[str, str]) -> dict[str, Any]:
    """Who a user proves to be by name and password."""
    user = {"name": name, "password": secret, "domain": dict(domain)}
    return {"methods": ["password"], "password": {"user": user}}


def bare_session(auth: Any = None) -> Session:
    """A keystoneauth session that follows no redirect, keeps no cookie and ends in time."""
    identity = CONF.tricircle_identity
    made = bound(
        Session(
            auth,
            verify=False if identity.insecure else identity.cafile or True,
            timeout=CONF.federation.keystone_deadline,
            redirect=False,
        )
    )
    nobody = http.cookiejar.DefaultCookiePolicy(allowed_domains=[])
    made.session.cookies.set_policy(nobody)
    return made


def _reason(told: Any) -> str:
    """Its own words for a refusal."""
    try:
        return f" (HTTP {told.status_code}: {str(told.json()['error']['message'])[:300]})"
    except (ValueError, KeyError, TypeError):
        return f" (HTTP {told.status_code})"
