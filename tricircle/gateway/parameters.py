# SPDX-License-Identifier: Apache-2.0
"""Query parameters that say whose, or which thing, a call is about: read as Nova and Cinder do.

What we take for the key of a definition or for an owner must be what the pod took, or a pod's yes
to one thing would be our yes to another. So each is heeded from the microversion on at which the
service heeds it, and of several values the one it takes.
"""

import dataclasses

from tricircle.gateway.call import Call, Version


@dataclasses.dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter the service reads from microversion ``since`` on (None: at every one).

    Of several values the first counts, or the ``last``.
    """

    name: str
    since: Version | None = None
    last: bool = False

    def heeded(self, call: Call) -> bool:
        """Whether the service reads it, in a query or in a body, at the call's microversion."""
        return self.since is None or (call.version is not None and call.version >= self.since)

    def of(self, call: Call) -> str | None:
        """Its value in the call's query; None when it has none, or the service does not read it."""
        if not self.heeded(call):
            return None
        values = call.query.getall(self.name, [])
        return values[-1 if self.last else 0] if values else None


# Nova reads most as lists and takes the first; the others, and Cinder, take the last.
KEYPAIR_USER = Parameter("user_id", since=(2, 10))
QUOTA_USER = Parameter("user_id")
LIMITS_PROJECT = Parameter("tenant_id", last=True)
STORAGE_LIMITS_PROJECT = Parameter("project_id", since=(3, 39), last=True)
STORAGE_LIMITS_TENANT = Parameter("tenant_id", since=(3, 39), last=True)
QOS_VOLUME_TYPE = Parameter("vol_type_id", last=True)
