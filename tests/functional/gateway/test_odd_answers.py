# SPDX-License-Identifier: Apache-2.0
"""Pods that answer with a success and with JSON that means nothing: whatever is asked, the answer
names the pod, and is no failure of ours.
"""

import json
import random
import re
from typing import Any

import pytest

from tests.functional import volumes
from tests.functional.fakes.cloud import Cloud
from tests.functional.fakes.faults import Kind
from tests.functional.gateway_harness import Answer, Gateway
from tricircle.gateway.compute.routes import ROUTES as COMPUTE
from tricircle.gateway.http.routing import Route
from tricircle.gateway.volume.routes import ROUTES as VOLUME

OURS = "The gateway failed"
SOME = "4a1c4d8e-64a2-4a52-9a3a-0e6b7c1ed3c5"
SERVER = {"name": "one", "flavorRef": "1", "imageRef": "", "networks": "none"}
BODIES = [b"{}", b"[]", b"null", b'"words"', b"7"]
#: Changes, by service: method, path and body.
CHANGES: dict[str, list[tuple[str, str, Any]]] = {
    "compute": [
        ("POST", "/servers", {"server": SERVER}),
        ("POST", "/servers", {"server": SERVER | {"min_count": 2, "max_count": 2}}),
        ("PUT", "/servers/{server}", {"server": {"name": "two"}}),
        ("DELETE", "/servers/{server}", None),
        ("POST", "/servers/{server}/action", {"rebuild": {"imageRef": SOME}}),
        ("POST", "/servers/{server}/action", {"resize": {"flavorRef": "2"}}),
        ("POST", "/servers/{server}/action", {"createImage": {"name": "i"}}),
        ("POST", "/servers/{server}/action", {"addSecurityGroup": {"name": "default"}}),
        ("POST", "/servers/{server}/action", {"os-getConsoleOutput": {}}),
        ("POST", "/servers/{server}/remote-consoles",
         {"remote_console": {"protocol": "vnc", "type": "novnc"}}),
        ("POST", "/servers/{server}/metadata", {"metadata": {"a": "b"}}),
        ("PUT", "/servers/{server}/metadata/a", {"meta": {"a": "b"}}),
        ("POST", "/servers/{server}/os-interface", {"interfaceAttachment": {"net_id": SOME}}),
        ("DELETE", "/servers/{server}/os-interface/" + SOME, None),
        ("POST", "/servers/{server}/os-volume_attachments",
         {"volumeAttachment": {"volumeId": "{volume}"}}),
        ("DELETE", "/servers/{server}/os-volume_attachments/{volume}", None),
        ("POST", "/flavors", {"flavor": {"name": "f", "ram": 1, "vcpus": 1, "disk": 1}}),
        ("POST", "/flavors/1/action", {"addTenantAccess": {"tenant": SOME}}),
        ("POST", "/flavors/1/os-extra_specs", {"extra_specs": {"a": "b"}}),
        ("DELETE", "/flavors/1", None),
        ("POST", "/os-keypairs", {"keypair": {"name": "k", "public_key": "ssh-rsa AAAA me"}}),
        ("DELETE", "/os-keypairs/k", None),
        ("POST", "/os-server-groups", {"server_group": {"name": "g", "policy": "affinity"}}),
        ("POST", "/os-aggregates", {"aggregate": {"name": "a"}}),
        ("PUT", "/os-aggregates/1", {"aggregate": {"name": "a"}}),
        ("POST", "/os-aggregates/1/action", {"add_host": {"host": "h"}}),
        ("POST", "/os-server-external-events",
         {"events": [{"name": "network-changed", "server_uuid": "{server}"}]}),
        ("PUT", "/os-services/" + SOME, {"status": "enabled"}),
        ("PUT", "/os-quota-sets/" + SOME, {"quota_set": {"cores": 3}}),
        ("POST", "/os-assisted-volume-snapshots",
         {"snapshot": {"volume_id": "{volume}", "create_info": {
             "snapshot_id": SOME, "type": "qcow2", "new_file": "f"}}}),
    ],
    "volume": [
        ("POST", "/volumes", {"volume": {"size": 1}}),
        ("PUT", "/volumes/{volume}", {"volume": {"name": "two"}}),
        ("DELETE", "/volumes/{volume}", None),
        ("POST", "/volumes/{volume}/action", {"os-extend": {"new_size": 2}}),
        ("POST", "/volumes/{volume}/action", {"os-volume_upload_image": {"image_name": "i"}}),
        ("POST", "/volumes/{volume}/action", {"os-retype": {"new_type": "t"}}),
        ("POST", "/volumes/{volume}/metadata", {"metadata": {"a": "b"}}),
        ("POST", "/snapshots", {"snapshot": {"volume_id": "{volume}"}}),
        ("POST", "/backups", {"backup": {"volume_id": "{volume}"}}),
        ("POST", "/backups/" + SOME + "/restore", {"restore": {}}),
        ("POST", "/attachments", {"attachment": {"volume_uuid": "{volume}",
                                                 "instance_uuid": "{server}"}}),
        ("POST", "/volume-transfers", {"transfer": {"volume_id": "{volume}"}}),
        ("POST", "/groups", {"group": {"group_type": SOME, "volume_types": [SOME]}}),
        ("POST", "/groups/create_from_src", {"create-from-src": {"source_group_id": SOME}}),
        ("POST", "/group_snapshots", {"group_snapshot": {"group_id": SOME}}),
        ("POST", "/types", {"volume_type": {"name": "t"}}),
        ("POST", "/qos-specs", {"qos_specs": {"name": "q"}}),
        ("POST", "/group_types", {"group_type": {"name": "g"}}),
        ("POST", "/manageable_volumes", {"volume": {"host": "h@b#p", "ref": {"source-name": "n"}}}),
        ("PUT", "/os-quota-sets/" + SOME, {"quota_set": {"volumes": 3}}),
        ("PUT", "/os-services/disable", {"host": "h", "binary": "cinder-volume"}),
    ],
}  # fmt: skip


def odd(cloud: Cloud, body: bytes) -> None:
    for pod in cloud.pods.values():
        pod.fail(Kind.GARBAGE, body=body)


def failed(answer: Answer) -> bool:
    return answer.status == 500 or OURS.encode() in answer.body


@pytest.mark.parametrize("body", BODIES, ids=bytes.decode)
async def test_reads(gateway: Gateway, cloud: Cloud, body: bytes) -> None:
    known = await held(gateway, cloud)
    odd(cloud, body)
    bad = []
    for service, routes in (("compute", COMPUTE), ("volume", VOLUME)):
        ask = gateway.get if service == "compute" else gateway.volumes.get
        for route in routes:
            if route.method != "GET":
                continue
            for version in ("2.1", "2.90") if service == "compute" else ("3.0", "3.71"):
                answer = await ask(filled(route, known), user="admin", version=version)
                if failed(answer):
                    bad.append((service, route.path, version, answer.status))
    assert bad == []


@pytest.mark.parametrize("body", BODIES, ids=bytes.decode)
@pytest.mark.parametrize("service", CHANGES)
async def test_changes(gateway: Gateway, cloud: Cloud, service: str, body: bytes) -> None:
    known = await held(gateway, cloud)
    odd(cloud, body)
    ask, version = (
        (gateway.call, "2.90") if service == "compute" else (gateway.volumes.call, "3.71")
    )
    bad = []
    for method, path, document in CHANGES[service]:
        path, body_sent = with_ids(path, document, known)
        answer = await ask(method, path, body_sent, user="admin", version=version)
        if failed(answer):
            bad.append((method, path, body_sent))
    assert bad == []


#: What stands where something else belongs.
WRONG: list[Any] = [None, 7, -1, 1e30, True, "words", "", [], [7], [[]], {}, {"a": 1}]
SEED = 14


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all members of a document."""
    found = [path] if path else []
    members: Any = ()
    if isinstance(document, dict):
        members = document.items()
    elif isinstance(document, list):
        members = enumerate(document[:2])
    for name, member in members:
        found += places(member, (*path, name))
    return found


def altered(seed: str, document: Any) -> Any:
    """A document with one member replaced or left out; which, follows from ``seed``."""
    choose = random.Random(seed)
    if not (known := places(document)):
        return document
    *folder, name = choose.choice(known)
    inside = document
    for part in folder:
        inside = inside[part]
    if choose.random() < 0.25:
        del inside[name]
    else:
        was = type(inside[name])
        inside[name] = choose.choice([one for one in WRONG if type(one) is not was])
    return document


def number(entry: Any) -> str:
    """A request, whatever ids are in it."""
    return f"{entry.method} {re.sub(r'[0-9a-f-]{32,}', '*', entry.path)}"


@pytest.mark.parametrize("turn", range(3))
@pytest.mark.parametrize("service", CHANGES)
async def test_one_member_is_odd(
    gateway: Gateway, cloud: Cloud, service: str, turn: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Every route's good answers with one member, however deep, of another type or left out."""
    known = await held(gateway, cloud)

    def alter(entry: Any, document: Any) -> Any:
        return altered(f"{SEED} {turn} {number(entry)}", document)

    for pod in cloud.pods.values():
        pod.fail(Kind.ALTERED, alter=alter)
    compute = service == "compute"
    ask, version = (gateway.call, "2.90") if compute else (gateway.volumes.call, "3.71")
    table = COMPUTE if compute else VOLUME
    calls = [("GET", filled(route, known), None) for route in table if route.method == "GET"]
    calls += [(method, *with_ids(path, body, known)) for method, path, body in CHANGES[service]]
    bad = []
    for method, path, body in calls:
        for at in {version, "2.30" if compute else "3.0"}:
            answer = await ask(method, path, body, user="admin", version=at)
            if failed(answer):
                bad.append((method, path, at))
            elif answer.status >= 500 and answer.status != 501:
                assert re.search(r"pod[123]|central Neutron|There is no", answer.body.decode()), (
                    method, path, answer.body
                )  # fmt: skip
    assert bad == [], caplog.text[-3000:]


def with_ids(path: str, body: Any, known: dict[str, str]) -> tuple[str, Any]:
    """A change's path and body with ids of what there is."""
    text = json.dumps(body)
    for name, value in known.items():
        path, text = path.replace(f"{{{name}}}", value), text.replace(f"{{{name}}}", value)
    return path, json.loads(text)


async def held(gateway: Gateway, cloud: Cloud) -> dict[str, str]:
    """Ids of what there is, by the type of resource."""
    body = {"server": SERVER | {"imageRef": cloud.image_id}}
    server = await gateway.post("/servers", body, version="2.90")
    volume = await volumes.make(gateway)
    return {
        "server": server.ok(202)["server"]["id"],
        "volume": volume.ok(202)["volume"]["id"],
    }


def filled(route: Route, known: dict[str, str]) -> str:
    """The path of a row with ids in it, of what there is where it is of that type."""

    def value(found: re.Match[str]) -> str:
        if found[1] in (route.id_param, "server_id", "volume_id"):
            return known.get(found[1].removesuffix("_id"), known.get(route.resource_type, SOME))
        return SOME

    return re.sub(r"\{(\w+)\}", value, route.path)
