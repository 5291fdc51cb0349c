# SPDX-License-Identifier: Apache-2.0
"""Who calls: what a token says of its owner."""

import dataclasses
from typing import Any


@dataclasses.dataclass(frozen=True, slots=True)
class Context:
    """Who calls. ``system_scope`` and ``domain_id`` are told of tokens with such a scope;
    ``expires_at`` is in Keystone's form.

    A ``restricted`` token (an application credential with access rules) is good for some methods
    and paths only: calls of ours on the way must not be made with it. ``service_token`` is that of
    a service that calls for the user; it goes on with what it was given for.
    """

    request_id: str
    global_id: str | None = None
    token: str = dataclasses.field(default="", repr=False)
    user_id: str = ""
    user_name: str = ""
    user_domain_id: str = ""
    project_id: str = ""
    project_name: str = ""
    project_domain_id: str = ""
    roles: tuple[str, ...] = ()
    restricted: bool = False
    service_token: str = dataclasses.field(default="", repr=False)
    system_scope: str | None = None
    domain_id: str | None = None
    expires_at: str = ""
    user_domain_name: str = ""
    project_domain_name: str = ""

    def of_request(self, request_id: str, global_id: str | None) -> "Context":
        """The same caller, of one request. (``dataclasses.replace`` takes three times as long.)"""
        return Context(
            request_id,
            global_id,
            self.token,
            self.user_id,
            self.user_name,
            self.user_domain_id,
            self.project_id,
            self.project_name,
            self.project_domain_id,
            self.roles,
            self.restricted,
            self.service_token,
            self.system_scope,
            self.domain_id,
            self.expires_at,
            self.user_domain_name,
            self.project_domain_name,
        )

    @property
    def is_admin(self) -> bool:
        """Whether the token has the admin role.

        It lets answers say more (which pods are away, say); what may be done is for policies and
        the pods to decide.
        """
        return "admin" in self.roles

    @property
    def upstream_id(self) -> str:
        """The request id that calls made for this one carry."""
        return self.global_id or self.request_id

    def to_policy(self) -> dict[str, Any]:
        """The credentials oslo.policy's Enforcer takes.

        A RequestContext would do as well, but it puts itself where the log of this thread looks
        for whom a line is about, and stays there.
        """
        return {
            "user_id": self.user_id,
            "user_domain_id": self.user_domain_id,
            "system_scope": self.system_scope,
            "domain_id": self.domain_id,
            "project_id": self.project_id or None,
            "project_domain_id": self.project_domain_id,
            "roles": list(self.roles),
        }
