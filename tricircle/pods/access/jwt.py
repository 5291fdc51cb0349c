# SPDX-License-Identifier: Apache-2.0
"""Tricircle signs who somebody is, and the pod's web server believes its key (OpenID Connect).

What is signed follows from our ids, tells none of them and has no name in it. Nothing that users
choose is in it, so it is as good as an account of the pod's for whoever has the key: see that
nobody has.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from tricircle.pods.access import mappings, signing
from tricircle.pods.access.base import PodToken, Who
from tricircle.pods.access.federated import Federated
from tricircle.pods.access.own_keystone import TEXT, digest
from tricircle.pods.errors import NoAccess, PodUnreachable

# All that is ever signed.
_ID = re.compile(r"[0-9a-f]{32}")


class Jwt(Federated):
    """``config`` besides: ``audience``, what the pod calls itself (its region's name)."""

    PROPERTIES: ClassVar[Mapping[str, Any]] = {**Federated.PROPERTIES, "audience": TEXT}
    PROTOCOL = "openid"

    def exchange(self, who: Who) -> PodToken:
        project = digest(self.pod.region_name, "project", who.project_id)
        user = digest(self.pod.region_name, "user", who.user_id)
        bearer = self._signed(user, project, who.level)
        unscoped = self.keystone.ask("POST", f"{self._protocol_path}/auth", bearer=bearer)
        return self.scoped(unscoped, who, project, "")

    def project(self, project_id: str, name: str = "") -> str:
        known = self.known_project(project_id)
        return known if known is not None else self.within(project_id).project_id

    def try_out(self) -> list[dict[str, Any]]:
        found = super().try_out()
        # Of nobody and nothing: what it makes there is empty, and the same each time.
        nobody, nothing = (digest(self.pod.region_name, "nobody", one) for one in ("user", "it"))
        level = self.levels[-1]
        bearer = self._signed(nobody, nothing, level)
        self.keystone.issued(
            self.keystone.ask("POST", f"{self._protocol_path}/auth", bearer=bearer)
        )
        return found

    def mappings(self, domain: str) -> Sequence[list[dict[str, Any]]]:
        return [mappings.of_claims(self.levels, domain)]

    def _signed(self, user: str, project: str, level: str) -> str:
        """Raises NoAccess for what is never signed, PodUnreachable where there is no key."""
        known = level in self.levels and _ID.fullmatch(user) and _ID.fullmatch(project)
        if not known:
            raise NoAccess(self.pod.region_name, f"is told of nobody who is to be a {level}")
        claims = {"sub": f"{user}.{level}", "project": project, "level": level}
        try:
            return signing.sign(self.config.get("audience", self.pod.region_name), claims)
        except signing.SigningError as error:
            raise PodUnreachable(self.pod.region_name, str(error)) from None
