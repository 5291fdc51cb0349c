# SPDX-License-Identifier: Apache-2.0
"""A pod whose Keystone makes projects and users itself, of what somebody it trusts says of ours."""

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tricircle.pods.access import mappings
from tricircle.pods.access.base import ADMIN, Ourselves, PodToken, Who
from tricircle.pods.access.keystone import Answer, Issued
from tricircle.pods.access.own_keystone import TEXT, OwnKeystone
from tricircle.pods.errors import NoAccess
from tricircle.pods.pod import Pod

_REFUSALS = (401, 403, 404)


class Federated(OwnKeystone):
    """``config`` besides: ``identity_provider`` and ``protocol``, what that Keystone calls them.

    No level is that of an administrator: what comes by a mapping is nobody that the pod knows.
    """

    PROPERTIES: ClassVar[Mapping[str, Any]] = {
        **OwnKeystone.PROPERTIES,
        "levels": {
            "type": "array",
            "minItems": 1,
            "uniqueItems": True,
            "items": {"enum": ["member", "reader"]},
        },
        "identity_provider": TEXT,
        "protocol": TEXT,
    }
    #: What the protocol is called where nothing is said.
    PROTOCOL: ClassVar[str]

    def __init__(self, pod: Pod, config: Mapping[str, Any], own: Ourselves) -> None:
        super().__init__(pod, config, own)
        self.identity_provider = config.get("identity_provider", "tricircle")
        self.protocol = config.get("protocol", self.PROTOCOL)

    @property
    def _protocol_path(self) -> str:
        below = f"/protocols/{self.protocol}"
        return f"/OS-FEDERATION/identity_providers/{self.identity_provider}{below}"

    # -- the token -------------------------------------------------------------------------------

    def scoped(self, unscoped: Answer, who: Who, name: str | None, project_id: str) -> PodToken:
        """A token for the project that stands for somebody's, of one for none.

        Where none does yet it is the one of that ``name`` which they have there, or the only one.
        The account stands for them in ``project_id`` alone, where that is said. Raises NoAccess for
        one that stands for another, PodUnreachable.
        """
        proof = {"methods": ["token"], "token": {"id": self.keystone.issued(unscoped).token}}
        there = self.known_project(who.project_id)
        if there is None:
            there = self.stands_for(who.project_id, self._only_project(unscoped.token, name))
        try:
            issued = self.keystone.issue(proof, {"project": {"id": there}})
        except NoAccess as error:
            if error.status not in _REFUSALS:
                raise
            text = (
                f"its Keystone does not let them into {there}, the project that stands for "
                f"project {who.project_id}: that, or its name, was changed ({error.detail})"
            )
            raise NoAccess(self.pod.region_name, text, error.status) from None
        return self._written(issued, who, there, project_id)

    def _written(self, issued: Issued, who: Who, there: str, project_id: str) -> PodToken:
        token = self.checked(issued, who, there)
        self.user_stands_for(token.user_id, who.user_id, who.level, project_id)
        return token

    def _only_project(self, token: str, name: str | None) -> str:
        """The one project that whoever has a token is in, or the one of a name. Raises NoAccess."""
        told = self.keystone.ask("GET", "/auth/projects", token=token).document
        found = [
            str(one["id"])
            for one in told.get("projects", ())
            if name is None or one.get("name") == name
        ]
        if len(found) != 1:
            text = f"its mapping gives {len(found)} projects, and should give one"
            raise NoAccess(self.pod.region_name, text)
        return found[0]

    # -- before it is kept -----------------------------------------------------------------------

    def try_out(self) -> list[dict[str, Any]]:
        found = super().try_out()
        shown = self._shown(self._protocol_path)["protocol"]
        mapping = self._shown(f"/OS-FEDERATION/mappings/{shown['mapping_id']}")["mapping"]
        wanted = self.mappings(mappings.domain_of(mapping))
        if not mappings.is_one_of(mapping, wanted):
            text = (
                f"its mapping {shown['mapping_id']} is none that would be safe: it must be what "
                f"`tricircle-manage access mapping {self.pod.access}` prints, of schema "
                f"{mappings.SCHEMA}"
            )
            raise NoAccess(self.pod.region_name, text)
        return found

    def mappings(self, domain: str) -> Sequence[list[dict[str, Any]]]:
        """The rules that will do, one or the other."""
        raise NotImplementedError

    def _shown(self, path: str) -> dict[str, Any]:
        """What our own account there is shown. Raises NoAccess, PodUnreachable."""
        return self.keystone.ask("GET", path, token=self.own_token().token).document

    # -- who stands for whom ---------------------------------------------------------------------

    def user(self, user_id: str) -> str:
        known = self.account_of(user_id)
        if known is None:
            text = f"user {user_id} has no account there until they ask for something in it"
            raise NoAccess(self.pod.region_name, text)
        return known

    @property
    def levels(self) -> list[str]:
        return [level for level in super().levels if level != ADMIN]
