# SPDX-License-Identifier: Apache-2.0
"""Make a pod have a definition exactly as it was written down, or not have it.

One module for the gateway, which does it at once, and for xjob, which does it when the pod is
back. All here blocks, acts as the service user, and may be done again after any failure.
"""

from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

from keystoneauth1 import exceptions
from keystoneauth1.adapter import Adapter as Adapter

from tricircle.pods.errors import PodRefused, PodTimeout, PodUnreachable
from tricircle.pods.pod import Pod

Body = dict[str, Any]

# The first microversions that show and take everything there is to copy.
_FLAVOR = "2.61"
_KEYPAIR = "2.10"
# From here on keypair names may hold @ and the dot.
_KEYPAIR_NAMES = (2, 92)
_COPIED = (
    "name",
    "ram",
    "vcpus",
    "disk",
    "swap",
    "rxtx_factor",
    "OS-FLV-EXT-DATA:ephemeral",
    "os-flavor-access:is_public",
    "description",
)


class Target:
    """The Compute API of one pod. Raises PodRefused, PodUnreachable, PodTimeout."""

    def __init__(self, pod: Pod, adapter: Adapter) -> None:
        self.pod = pod
        self._adapter = adapter

    def ask(
        self, method: str, path: str, version: str, body: Any = None, missing: bool = False
    ) -> Any:
        """The answer's document; None for an empty one, and for a 404 where ``missing`` is fine."""
        try:
            answer = self._adapter.request(
                path,
                method,
                json=body,
                headers={
                    "OpenStack-API-Version": f"compute {version}",
                    "X-OpenStack-Nova-API-Version": version,
                },
                raise_exc=False,
            )
        except exceptions.ConnectTimeout as error:
            raise PodTimeout(self.pod.region_name, str(error)) from error
        except exceptions.ClientException as error:
            raise PodUnreachable(self.pod.region_name, str(error)) from error
        if answer.status_code == 404 and missing:
            return None
        if answer.status_code >= 300:
            raise PodRefused(
                self.pod.region_name, answer.status_code, _message(answer), answer.content
            )
        return answer.json() if answer.content else None


def read_flavor(target: Target, key: str) -> Body | None:
    """A flavor with its extra specs and the projects that may use it, as one body."""
    document = target.ask("GET", f"/flavors/{quote(key, safe='')}", _FLAVOR, missing=True)
    if document is None:
        return None
    flavor = document["flavor"]
    access: list[str] = []
    if not flavor["os-flavor-access:is_public"]:
        path = f"/flavors/{quote(key, safe='')}/os-flavor-access"
        listed = target.ask("GET", path, _FLAVOR, missing=True) or {"flavor_access": []}
        access = sorted(entry["tenant_id"] for entry in listed["flavor_access"])
    return {
        **{name: flavor[name] for name in _COPIED},
        "swap": flavor["swap"] or 0,
        "extra_specs": flavor["extra_specs"],
        "access": access,
    }


def _realize_flavor(target: Target, key: str, body: Body) -> str:
    current = read_flavor(target, key)
    if current is not None and _fixed(current) != _fixed(body):
        # Nova cannot change these. Servers keep what they were made with.
        target.ask("DELETE", f"/flavors/{quote(key, safe='')}", _FLAVOR, missing=True)
        current = None
    if current is None:
        current = _make_flavor(target, key, body)
    path = f"/flavors/{quote(key, safe='')}"
    if current["description"] != body["description"]:
        description = {"flavor": {"description": body["description"]}}
        target.ask("PUT", path, _FLAVOR, description)
    _match_extra_specs(target, path, current["extra_specs"], body["extra_specs"])
    if not body["os-flavor-access:is_public"]:
        _match_access(target, path, set(current["access"]), set(body["access"]))
    return key


def _make_flavor(target: Target, key: str, body: Body) -> Body:
    target.ask(
        "POST", "/flavors", _FLAVOR, {"flavor": {"id": key, **{n: body[n] for n in _COPIED}}}
    )
    return {**body, "extra_specs": {}, "access": []}


def _fixed(body: Body) -> Body:
    return {name: body[name] for name in _COPIED if name != "description"}


def _match_extra_specs(target: Target, path: str, current: Body, wanted: Body) -> None:
    if more := {name: value for name, value in wanted.items() if current.get(name) != value}:
        target.ask("POST", f"{path}/os-extra_specs", _FLAVOR, {"extra_specs": more})
    for name in current.keys() - wanted.keys():
        specs = f"{path}/os-extra_specs/{quote(name, safe='')}"
        target.ask("DELETE", specs, _FLAVOR, missing=True)


def _match_access(target: Target, path: str, current: set[str], wanted: set[str]) -> None:
    for project in sorted(wanted - current):
        target.ask("POST", f"{path}/action", _FLAVOR, {"addTenantAccess": {"tenant": project}})
    for project in sorted(current - wanted):
        body = {"removeTenantAccess": {"tenant": project}}
        target.ask("POST", f"{path}/action", _FLAVOR, body, missing=True)


def _remove_flavor(target: Target, key: str) -> None:
    target.ask("DELETE", f"/flavors/{quote(key, safe='')}", _FLAVOR, missing=True)


def keypair_key(user_id: str, name: str) -> str:
    """The key of a keypair's definition."""
    return f"{user_id}/{name}"


def _keypair_path(key: str) -> str:
    user_id, _, name = key.partition("/")
    return f"/os-keypairs/{quote(name, safe='')}?{urlencode({'user_id': user_id})}"


def read_keypair(target: Target, key: str) -> Body | None:
    """A keypair's public half."""
    document = target.ask("GET", _keypair_path(key), _KEYPAIR, missing=True)
    if document is None:
        return None
    return {name: document["keypair"][name] for name in ("name", "type", "public_key")}


def _realize_keypair(target: Target, key: str, body: Body) -> str:
    current = read_keypair(target, key)
    if current == body:
        return str(body["name"])
    if current is not None:
        _remove_keypair(target, key)
    version = _KEYPAIR
    if any(character in body["name"] for character in "@."):
        version = ".".join(map(str, _KEYPAIR_NAMES))
    user_id = key.partition("/")[0]
    target.ask("POST", "/os-keypairs", version, {"keypair": {**body, "user_id": user_id}})
    return str(body["name"])


def _remove_keypair(target: Target, key: str) -> None:
    target.ask("DELETE", _keypair_path(key), _KEYPAIR, missing=True)


class Kind(NamedTuple):
    """How definitions of one kind are read from, made in and removed from a pod."""

    read: Callable[[Target, str], Body | None]
    realize: Callable[[Target, str, Body], str]
    remove: Callable[[Target, str], None]


KINDS = {
    "flavor": Kind(read_flavor, _realize_flavor, _remove_flavor),
    "keypair": Kind(read_keypair, _realize_keypair, _remove_keypair),
}


def realize(kind: str, key: str, body: Body, pod: Pod, adapter: Adapter) -> str:
    """Make the pod have the definition; its id there. ``adapter`` is of the pod's compute.

    Raises PodRefused, PodUnreachable, PodTimeout.
    """
    target = Target(pod, adapter)
    try:
        return KINDS[kind].realize(target, key, body)
    except PodRefused as error:
        # Somebody else at the same work was quicker: what is there now may be right already.
        if error.status != 409 or KINDS[kind].read(target, key) != body:
            raise
        return key


def remove(kind: str, key: str, pod: Pod, adapter: Adapter) -> None:
    """Make the pod not have the definition. Raises as ``realize`` does."""
    KINDS[kind].remove(Target(pod, adapter), key)


def read(kind: str, key: str, pod: Pod, adapter: Adapter) -> Body | None:
    """The definition as the pod has it. Raises as ``realize`` does."""
    return KINDS[kind].read(Target(pod, adapter), key)


def _message(answer: Any) -> str:
    try:
        document = answer.json()
        return str(next(iter(document.values()))["message"])
    except (ValueError, AttributeError, KeyError, TypeError, StopIteration):
        return str(answer.text)[:200]
