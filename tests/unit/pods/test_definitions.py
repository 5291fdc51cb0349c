# SPDX-License-Identifier: Apache-2.0
"""Flavors and keypairs are made to match in a pod, whatever it had before."""

import copy
import json
import re
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from keystoneauth1 import exceptions

from tricircle.pods import definitions
from tricircle.pods.errors import PodRefused, PodUnreachable
from tricircle.pods.pod import Pod
from tricircle.pods.rest import PodService

POD = Pod("1", "Pod1", "az1")
BODY = {
    "name": "small",
    "ram": 64,
    "vcpus": 1,
    "disk": 1,
    "swap": 0,
    "rxtx_factor": 1.0,
    "OS-FLV-EXT-DATA:ephemeral": 0,
    "os-flavor-access:is_public": True,
    "description": None,
    "extra_specs": {},
    "access": [],
}


class Answer:
    def __init__(self, status: int, document: Any = None) -> None:
        self.status_code, self.document = status, document
        self.content = b"" if document is None else json.dumps(document).encode()
        self.text = ""

    def json(self) -> Any:
        return self.document


def refused(status: int, message: str) -> Answer:
    return Answer(status, {"fault": {"code": status, "message": message}})


class Nova:
    """The adapter of a pod's compute, with flavors and keypairs behind it."""

    def __init__(self) -> None:
        self.flavors: dict[str, dict[str, Any]] = {}
        self.keypairs: dict[tuple[str, str], dict[str, Any]] = {}
        self.writes: list[str] = []
        self.down = False
        self.quicker: Any = None

    def request(self, path: str, method: str, json: Any = None, **_: Any) -> Answer:
        if self.down:
            raise exceptions.ConnectFailure("nobody there")
        if method != "GET":
            self.writes.append(f"{method} {path}")
        split = urlsplit(path)
        parts = [unquote(part) for part in split.path.strip("/").split("/")]
        if parts[0] == "flavors":
            return self._flavor(method, parts[1:], json)
        user = parse_qs(split.query).get("user_id", [""])[0]
        return self._keypair(method, parts[1:], user, json)

    def _flavor(self, method: str, parts: list[str], json: Any) -> Answer:
        if method == "POST" and not parts:
            if self.quicker is not None:
                self.flavors.update(self.quicker)
            flavor = dict(json["flavor"])
            key = flavor.pop("id")
            if key in self.flavors or flavor["name"] in {f["name"] for f in self.flavors.values()}:
                return refused(409, "it exists")
            self.flavors[key] = {**flavor, "extra_specs": {}, "access": []}
            return Answer(200, {"flavor": flavor})
        flavor = self.flavors.get(parts[0], {})
        if not flavor:
            return refused(404, "no such flavor")
        match [method, *parts[1:]]:
            case ["GET"]:
                shown = {k: v for k, v in flavor.items() if k != "access"}
                return Answer(200, {"flavor": {**shown, "swap": flavor["swap"] or ""}})
            case ["PUT"]:
                flavor.update(json["flavor"])
            case ["DELETE"]:
                del self.flavors[parts[0]]
                return Answer(202)
            case ["GET", "os-flavor-access"]:
                listed = [{"tenant_id": project} for project in flavor["access"]]
                return Answer(200, {"flavor_access": listed})
            case ["POST", "os-extra_specs"]:
                flavor["extra_specs"].update(json["extra_specs"])
            case ["DELETE", "os-extra_specs", name]:
                flavor["extra_specs"].pop(name)
                return Answer(200)
            case ["POST", "action"]:
                ((name, argument),) = json.items()
                change = {"addTenantAccess": "append", "removeTenantAccess": "remove"}[name]
                getattr(flavor["access"], change)(argument["tenant"])
        return Answer(200, {})

    def _keypair(self, method: str, parts: list[str], user: str, json: Any) -> Answer:
        if method == "POST":
            keypair = dict(json["keypair"])
            self.keypairs[keypair.pop("user_id"), keypair["name"]] = keypair
            return Answer(201, {"keypair": keypair})
        found = self.keypairs.get((user, parts[0]))
        if found is None:
            return refused(404, "no such keypair")
        if method == "DELETE":
            del self.keypairs[user, parts[0]]
            return Answer(204)
        return Answer(200, {"keypair": {**found, "fingerprint": "aa:bb"}})


@pytest.fixture
def nova() -> Nova:
    return Nova()


def realize(nova: Nova, kind: str, key: str, body: dict[str, Any]) -> str:
    return definitions.realize(kind, key, body, PodService(POD, nova))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"description": "tiny"},
        {"swap": 512},
        {"extra_specs": {"hw:a": "1", "hw:b": "2"}},
        {"os-flavor-access:is_public": False, "access": ["p1", "p2"]},
    ],
)
def test_a_flavor_is_made_and_then_left_alone(nova: Nova, changes: dict[str, Any]) -> None:
    body = {**BODY, **changes}
    assert realize(nova, "flavor", "a/b", body) == "a/b"
    assert nova.flavors["a/b"] == body
    nova.writes.clear()
    realize(nova, "flavor", "a/b", body)
    assert nova.writes == []


@pytest.mark.parametrize(
    "had",
    [
        {"description": "old"},
        {"extra_specs": {"hw:a": "0", "hw:gone": "1"}},
        {"ram": 128},
        {"name": "old"},
        {"os-flavor-access:is_public": True, "access": []},
        {"access": ["p1", "p9"]},
    ],
)
def test_a_flavor_is_made_right_from_what_was_there(nova: Nova, had: dict[str, Any]) -> None:
    wanted = {
        **BODY,
        "description": "new",
        "extra_specs": {"hw:a": "1"},
        "os-flavor-access:is_public": False,
        "access": ["p1", "p2"],
    }
    nova.flavors["f"] = {**copy.deepcopy(wanted), **had}
    realize(nova, "flavor", "f", wanted)
    found = {**nova.flavors["f"], "access": sorted(nova.flavors["f"]["access"])}
    assert found == wanted


def test_what_is_read_is_what_is_realized(nova: Nova) -> None:
    body = {**BODY, "swap": 256, "os-flavor-access:is_public": False, "access": ["p1"]}
    realize(nova, "flavor", "f", body)
    assert definitions.read("flavor", "f", PodService(POD, nova)) == body  # type: ignore[arg-type]


def test_another_worker_being_quicker_is_no_failure(nova: Nova) -> None:
    nova.quicker = {"f": copy.deepcopy(BODY)}
    assert realize(nova, "flavor", "f", BODY) == "f"


def test_a_name_taken_by_another_flavor_is_told(nova: Nova) -> None:
    nova.flavors["other"] = copy.deepcopy(BODY)
    with pytest.raises(PodRefused, match=re.escape("Pod1: it exists (HTTP 409)")):
        realize(nova, "flavor", "f", BODY)
    assert list(nova.flavors) == ["other"]


def test_a_keypair_is_its_users(nova: Nova) -> None:
    body = {"name": "k", "type": "ssh", "public_key": "ssh-rsa A"}
    key = definitions.keypair_key("u1", "k")
    realize(nova, "keypair", key, body)
    assert nova.keypairs == {("u1", "k"): body}
    nova.writes.clear()
    realize(nova, "keypair", key, body)
    assert nova.writes == []
    realize(nova, "keypair", key, {**body, "public_key": "ssh-rsa B"})
    assert nova.keypairs["u1", "k"]["public_key"] == "ssh-rsa B"


@pytest.mark.parametrize(("kind", "key"), [("flavor", "f"), ("keypair", "u1/k")])
def test_what_is_gone_already_is_removed(nova: Nova, kind: str, key: str) -> None:
    definitions.remove(kind, key, PodService(POD, nova))  # type: ignore[arg-type]
    assert definitions.read(kind, key, PodService(POD, nova)) is None  # type: ignore[arg-type]


def test_a_pod_that_is_away_is_named(nova: Nova) -> None:
    nova.down = True
    with pytest.raises(PodUnreachable, match="Pod1"):
        realize(nova, "flavor", "f", BODY)
