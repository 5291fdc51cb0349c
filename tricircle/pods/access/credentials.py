# SPDX-License-Identifier: Apache-2.0
"""Each project of ours has an application credential of a project of the pod's.

Nothing is made in the pod's Keystone. Tricircle's own account need be no administrator
(``privileged`` false): then networks are made by the projects' own (``members``). All users of a
project are one account there, so who may only read is held to that here.
"""

import contextlib
from collections.abc import Mapping
from typing import Any, ClassVar

from tricircle.db import pod_accounts
from tricircle.pods.access import documents
from tricircle.pods.access.base import ADMIN, OWNER, PodToken, Who
from tricircle.pods.access.keystone import Issued
from tricircle.pods.access.own_keystone import PASSWORD, TEXT, OwnKeystone, digest
from tricircle.pods.access.sealing import SealError, seal, unseal
from tricircle.pods.errors import NoAccess, PodUnreachable


class Credentials(OwnKeystone):
    """``config`` as that of every pod with a Keystone of its own."""

    #: JSON schema of what is kept for a project.
    CREDENTIAL: ClassVar[Mapping[str, Any]] = {
        "type": "object",
        "properties": {"id": TEXT, "secret": PASSWORD},
        "required": ["id", "secret"],
        "additionalProperties": False,
    }
    PROPERTIES: ClassVar[Mapping[str, Any]] = {
        **OwnKeystone.PROPERTIES,
        # Whether Tricircle's own account is an administrator there.
        "privileged": {"type": "boolean"},
    }
    by_level = False
    by_user = False

    def key_suffix(self, user_id: str) -> str:
        return f"{documents.KEY_MARK}{digest(self.pod.region_name, 'key', user_id)[:12]}"

    def exchange(self, who: Who) -> PodToken:
        sealed = pod_accounts.credential(self.pod.id, who.project_id)
        if sealed is None:
            raise self._none(who.project_id)
        try:
            issued = self._issue(unseal(sealed))
        except SealError as error:
            raise PodUnreachable(self.pod.region_name, str(error)) from None
        token = self.checked(issued, who, self.project(who.project_id))
        # Users who made credentials in several projects stand for the first.
        with contextlib.suppress(NoAccess):
            self.user_stands_for(token.user_id, who.project_id, OWNER)
        return token

    def keep(self, project_id: str, credential: Mapping[str, Any]) -> str:
        """Keep a project's credential, once it is known to work; gives the project it is of.

        Raises NoAccess for one that does not, allows too much, or is of another project than the
        one that stands for this one; SealError.
        """
        issued = self._issue(credential)
        try:
            there = str(issued.document["project"]["id"])
        except (KeyError, TypeError):
            raise NoAccess(self.pod.region_name, "the credential is of no project") from None
        if OWNER not in issued.roles:
            raise NoAccess(self.pod.region_name, f"the credential has not the role {OWNER}")
        if ADMIN in issued.roles:
            raise NoAccess(self.pod.region_name, f"the credential has the role {ADMIN}")
        known = self.stands_for(project_id, there)
        if known != there:
            raise NoAccess(
                self.pod.region_name,
                f"project {project_id} has project {known} there, and the credential is of {there}",
            )
        pod_accounts.put_credential(self.pod.id, project_id, seal(credential))
        return there

    def project(self, project_id: str, name: str = "") -> str:
        known = self.known_project(project_id)
        if known is None:
            raise self._none(project_id)
        return known

    def user(self, user_id: str) -> str:
        text = "has one account for all users of a project, so nothing in it is a single user's"
        raise NoAccess(self.pod.region_name, text)

    def _issue(self, credential: Mapping[str, Any]) -> Issued:
        proof = {"id": credential["id"], "secret": credential["secret"]}
        method = "application_credential"
        return self.keystone.issue({"methods": [method], method: proof}, None)

    def _none(self, project_id: str) -> NoAccess:
        text = f"has no credential for project {project_id}: an operator has to give it one"
        return NoAccess(self.pod.region_name, text)
