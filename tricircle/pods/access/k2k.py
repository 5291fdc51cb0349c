# SPDX-License-Identifier: Apache-2.0
"""Our Keystone vouches for its users to the pod's (SAML2, Keystone to Keystone).

All it says of them is names, and names are given again: so what stands for whom is written down
here the first time, and whoever comes by the same name as another is refused. A user is asked for
with their own token, as it is; Tricircle itself has a real account there and never comes this way.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from keystoneauth1.exceptions import ClientException

from tricircle.pods.access import mappings
from tricircle.pods.access.base import OWNER, PodToken, Proof, Who
from tricircle.pods.access.federated import Federated
from tricircle.pods.access.keystone import Answer, bare_session, read_answer
from tricircle.pods.access.own_keystone import TEXT
from tricircle.pods.errors import NoAccess, PodUnreachable

#: Where our Keystone is asked to vouch for somebody.
VOUCHED_FOR = "/auth/OS-FEDERATION/saml2/ecp"
_PAOS = "application/vnd.paos+xml"
# Bytes of what it says of somebody: anything longer is not that.
_LONGEST = 256 * 1024
_SESSION = (302, 303)
# Keystone gives its web framework bytes for a header; newer ones write them as Python does.
_BYTES = re.compile(r"b'(.*)'")
# Nothing escapes these on the way, and a value with one of them may become several values.
_DANGEROUS = re.compile(r"""[;&<>"'\\\x00-\x1f\x7f-\x9f]|^\s|\s\Z""")
# Letters of the names of projects and users in Keystone.
_LONGEST_PROJECT, _LONGEST_USER = 64, 255


class K2K(Federated):
    """``config`` besides: ``service_provider``, what our own Keystone calls the pod's."""

    PROPERTIES: ClassVar[Mapping[str, Any]] = {**Federated.PROPERTIES, "service_provider": TEXT}
    REQUIRED: ClassVar[Sequence[str]] = (*Federated.REQUIRED, "service_provider")
    PROTOCOL = "saml2"
    # One for each project they are in, at the level that our Keystone says.
    by_user = False

    def exchange(self, who: Who) -> PodToken:
        proof = self._proof(who)
        document, urls = self._vouched_for(proof.token)
        unscoped = self._introduced(document, urls)
        return self.scoped(unscoped, who, None, who.project_id)

    def admit(self, who: Who) -> None:
        self._proof(who)

    def within(self, project_id: str) -> PodToken:
        """One of our own account there, which becomes a member for good: it may do all anyhow."""
        there, session = self.project(project_id), self.service()
        role = self._member_role()
        path = f"/projects/{there}/users/{session.get_user_id()}/roles/{role}"
        if self.as_ourselves("PUT", path) >= 300:
            raise NoAccess(self.pod.region_name, f"its project {there} is gone")
        issued = self.own_token(there)
        return PodToken(issued.token, there, str(session.get_user_id()), issued.until)

    def _member_role(self) -> str:
        token = str(self.service().get_token())
        found = self.keystone.ask("GET", f"/roles?name={OWNER}", token=token).document["roles"]
        if not found:
            raise NoAccess(self.pod.region_name, f"its Keystone has no role {OWNER}")
        return str(found[0]["id"])

    def project(self, project_id: str, name: str = "") -> str:
        known = self.known_project(project_id)
        if known is None:
            text = f"project {project_id} has nothing there until one of its users asks for it"
            raise NoAccess(self.pod.region_name, text)
        return known

    def try_out(self) -> list[dict[str, Any]]:
        found = super().try_out()
        # What is said of ourselves goes no further.
        self._vouched_for(self.own.token())
        return found

    def mappings(self, domain: str) -> Sequence[list[dict[str, Any]]]:
        return [mappings.of_names(self.levels, domain, prefix) for prefix in mappings.PREFIXES]

    # -- whom our Keystone may be asked about ----------------------------------------------------

    def _proof(self, who: Who) -> Proof:
        """Their token, once it and their names will do. Raises NoAccess."""
        proof, region = who.proof, self.pod.region_name
        if proof is None:
            text = "is entered by users' own tokens, and nobody's is at hand for this"
            raise NoAccess(region, text)
        if proof.restricted:
            text = "cannot be entered with an application credential that has access rules"
            raise NoAccess(region, text)
        project = f"{who.project_name}@{proof.project_domain}"
        user = f"{proof.user_name}@{proof.user_domain}/{project} as {who.level}"
        names = (proof.user_name, proof.user_domain, who.project_name, proof.project_domain)
        if any(not name or _DANGEROUS.search(name) for name in (*names, *proof.roles)):
            text = (
                "is entered by names, and a name of the user, the project, a domain or a role has "
                "characters that may be taken for something else on the way (; & < > and quotes)"
            )
            raise NoAccess(region, text)
        if len(project) > _LONGEST_PROJECT or len(user) > _LONGEST_USER:
            text = (
                "is entered by names, and those of the user and the project are too long: with its "
                f"domain's a project's has {_LONGEST_PROJECT - 1} letters at the most"
            )
            raise NoAccess(region, text)
        return proof

    # -- the steps -------------------------------------------------------------------------------

    def _vouched_for(self, token: str) -> tuple[bytes, tuple[str, str]]:
        """What our Keystone says of somebody, signed; and where that is told, and proves them.

        Raises NoAccess, PodUnreachable.
        """
        region, provider = self.pod.region_name, self.config["service_provider"]
        identity = {"methods": ["token"], "token": {"id": token}}
        auth = {"identity": identity, "scope": {"service_provider": {"id": provider}}}
        step = "our own Keystone"
        told = self._asked(step, "POST", self.own.keystone() + VOUCHED_FOR, json={"auth": auth})
        status = told.status_code
        if 400 <= status < 500:
            text = f"{step} vouches for nobody there as {provider} (HTTP {status})"
            raise NoAccess(region, text, status)
        if status != 200 or not 0 < len(told.content) <= _LONGEST:
            text = f"{step} said nothing that can be used of them (HTTP {status})"
            raise PodUnreachable(region, text)
        urls = _url(told.headers.get("X-sp-url")), _url(told.headers.get("X-auth-url"))
        expected = f"{self.keystone.url}{self._protocol_path}/auth"
        if urls[1] != expected:
            text = f"{step} has another auth_url for {provider}, which must be {expected}"
            raise NoAccess(region, text)
        if not urls[0].startswith("https://") and not self.config.get("insecure"):
            raise NoAccess(region, f"{step} has an sp_url for {provider} that is no https:// URL")
        return told.content, urls

    def _introduced(self, document: bytes, urls: tuple[str, str]) -> Answer:
        """The pod's answer to them: a token for no project. Raises NoAccess, PodUnreachable."""
        region = self.pod.region_name
        step = "its web server"
        headers = {"Content-Type": _PAOS}
        told = self._asked(step, "POST", urls[0], data=document, headers=headers)
        look = "look at the clocks, and at both sides' metadata"
        if 400 <= told.status_code < 500:
            text = f"{step} does not believe our Keystone (HTTP {told.status_code}): {look}"
            raise NoAccess(region, text, told.status_code)
        cookies = "; ".join(f"{one.name}={one.value}" for one in told.cookies)
        if told.status_code not in _SESSION or not cookies:
            # mod_shib says it of whatever it does not believe.
            text = f"{step} did not take up what our Keystone says (HTTP {told.status_code})"
            raise PodUnreachable(region, f"{text}: {look}")
        headers = {"Accept": "application/json", "Cookie": cookies}
        told = self._asked("its Keystone", "GET", urls[1], headers=headers)
        return read_answer(region, f"GET {self._protocol_path}/auth", told)

    def _asked(self, whom: str, method: str, url: str, **more: Any) -> Any:
        """An answer to a request by a session of its own: two users share no cookie."""
        try:
            return bare_session().request(
                url,
                method,
                authenticated=False,
                raise_exc=False,
                connect_retries=0,
                # It would write down the token, and what is said of its owner.
                log=False,
                **more,
            )
        except ClientException as error:
            text = f"{whom} did not answer: {error}"
            raise PodUnreachable(self.pod.region_name, text) from error


def _url(told: str | None) -> str:
    """A URL that Keystone tells in a header."""
    found = _BYTES.fullmatch(told or "")
    return found[1] if found is not None else told or ""
