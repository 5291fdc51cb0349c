# SPDX-License-Identifier: Apache-2.0
"""Calls to central Neutron, as the user or as the service user."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlencode

from tricircle.conf import CONF
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.transport import service_user
from tricircle.gateway.transport.client import PodClient
from tricircle.pods import rights
from tricircle.pods.errors import NETWORKING, PodBroken, PodUnreachable
from tricircle.pods.identity import ServiceIdentity
from tricircle.pods.pod import Pod
from tricircle.pods.rights import Right

# An object is no longer at the revision that was named.
CHANGED = "RevisionNumberConstraintFailed"

_ID = "central"
_OF_THE_USER = (400, 401, 403, 404, 409)


class NeutronError(Fault):
    """Central Neutron refused; ``kind`` is Neutron's name of the error.

    Nobody need catch it: the user's error stays the user's, any other is told as 503.
    """

    def __init__(self, status: int, kind: str, message: str) -> None:
        if status not in _OF_THE_USER:
            status, message = 503, f"{NETWORKING} failed: {message} Try again later."
        super().__init__(status, message)
        self.kind = kind


class Central:
    """Central Neutron, asked with a user's token or as the service user.

    ``by`` says which: a token (``restricted`` when it has access rules), or a ``Right``. Beside a
    token goes the ``service_token`` the caller showed with it: without it the token may have
    expired.

    Every call has a deadline in seconds ([gateway] request_deadline by default) and raises
    NeutronError when Neutron refuses, PodUnreachable or PodTimeout when it does not answer.
    """

    def __init__(
        self,
        client: PodClient,
        identity: ServiceIdentity,
        restricted: bool = False,
        service_token: str = "",
    ) -> None:
        self._client = client
        self._identity = identity
        self._restricted = restricted
        self._service_token = service_token

    async def list(
        self, collection: str, *, by: str | Right, request_id: str, **filters: Any
    ) -> list[dict[str, Any]]:
        """Objects of a collection (``ports``); a filter that is a list matches any of it."""
        query = urlencode(filters, doseq=True)
        document = await self._ask("GET", f"/{collection}", by, request_id, query=query)
        found: list[dict[str, Any]] = document[collection.replace("-", "_")]
        return found

    async def server_addresses(
        self, servers: Sequence[str], *, by: str | Right, request_id: str
    ) -> Mapping[str, Sequence[dict[str, Any]]]:
        """The ports of servers, at most 100, that have any, by server: {id, network_name,
        mac_address, fixed_ips: [{ip_address, floating_ips}], security_groups: names}.
        """
        found = await self.list("server-addresses", by=by, request_id=request_id, id=servers)
        return {server["id"]: server["ports"] for server in found}

    async def show(
        self, collection: str, item: str, *, by: str | Right, request_id: str
    ) -> dict[str, Any]:
        document = await self._ask("GET", f"/{collection}/{item}", by, request_id)
        return _only(document)

    async def create(
        self, collection: str, body: dict[str, Any], *, by: str | Right, request_id: str
    ) -> dict[str, Any]:
        wrapped = {_singular(collection): body}
        return _only(await self._ask("POST", f"/{collection}", by, request_id, body=wrapped))

    async def create_all(
        self,
        collection: str,
        bodies: Sequence[dict[str, Any]],
        *,
        by: str | Right,
        request_id: str,
        deadline: float | None = None,
    ) -> Sequence[dict[str, Any]]:
        """Make several objects, in that order: all or none. Raises PodBroken when the answer is
        not of as many."""
        name = collection.replace("-", "_")
        document = await self._ask(
            "POST", f"/{collection}", by, request_id, body={name: list(bodies)}, deadline=deadline
        )
        made: Sequence[dict[str, Any]] = document[name]
        if len(made) != len(bodies):
            raise PodBroken(NETWORKING, f"it was to make {len(bodies)} {name}, and tells of others")
        return made

    async def update(
        self,
        collection: str,
        item: str,
        body: dict[str, Any],
        *,
        by: str | Right,
        request_id: str,
        revision: int | None = None,
        deadline: float | None = None,
    ) -> dict[str, Any]:
        """Change an object; only while it is at ``revision`` (its ``revision_number``) if given.

        Raises NeutronError of the kind CHANGED when it is not.
        """
        path = f"/{collection}/{item}"
        headers = {} if revision is None else {"If-Match": f"revision_number={revision}"}
        return _only(
            await self._ask(
                "PUT",
                path,
                by,
                request_id,
                body={_singular(collection): body},
                headers=headers,
                deadline=deadline,
            )
        )

    async def delete(self, collection: str, item: str, *, by: str | Right, request_id: str) -> None:
        """Gone already is as good."""
        try:
            await self._ask("DELETE", f"/{collection}/{item}", by, request_id)
        except NeutronError as error:
            if error.status != 404:
                raise

    async def _ask(
        self,
        method: str,
        path: str,
        by: str | Right,
        request_id: str,
        *,
        query: str | None = None,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        deadline: float | None = None,
    ) -> Any:
        region = await self._region()
        path, sent = f"/v2.0{path}", dict(headers or {})
        if isinstance(by, Right):
            token = await service_user.ask(NETWORKING, self._identity.token, by, method, path)
        else:
            token = by
            if self._service_token:
                sent["X-Service-Token"] = self._service_token
            elif self._restricted:
                # Their rights decide; that they call through us breaks none of the token's rules.
                beside = rights.BESIDE_CENTRAL, method, path
                token_beside = await service_user.ask(NETWORKING, self._identity.token, *beside)
                sent["X-Service-Token"] = token_beside
        answer = await self._client.request(
            region,
            "network",
            method,
            path,
            token=token,
            headers=sent,
            request_id=request_id,
            query=query,
            body=body,
            deadline=deadline,
        )
        if answer.status == 412:  # in whatever envelope
            raise NeutronError(412, CHANGED, answer.message())
        if answer.status >= 300:  # a redirect is no answer either
            raise _refusal(answer.status, answer.body and answer.json())
        return answer.json() if answer.body else None

    async def _region(self) -> Pod:
        """Central Neutron's region in the form the client takes."""
        name = CONF.tricircle_identity.region_name
        found = self._identity.kept_endpoints(name)
        if found is None:
            found = await service_user.ask(NETWORKING, self._identity.endpoints, name)
        url = found.get("network")
        if url is None:
            raise PodUnreachable(NETWORKING, "Keystone's catalogue has no endpoint for it.")
        base = url.rstrip("/").removesuffix("/v2.0")
        return Pod(
            id=_ID, region_name=NETWORKING, availability_zone="", endpoints={"network": base}
        )


def _refusal(status: int, document: Any) -> NeutronError:
    error = document.get("NeutronError", document) if isinstance(document, dict) else document
    if isinstance(error, dict):
        nested = error.get("error", error)
        told = nested if isinstance(nested, dict) else error
        return NeutronError(status, str(told.get("type", "")), str(told.get("message", told)))
    return NeutronError(status, "", str(error or f"HTTP {status}"))


def _only(document: dict[str, Any]) -> dict[str, Any]:
    """The object inside its one-key envelope."""
    item: dict[str, Any] = next(iter(document.values()))
    return item


def _singular(collection: str) -> str:
    return collection.replace("-", "_").removesuffix("s")
