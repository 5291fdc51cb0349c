# SPDX-License-Identifier: Apache-2.0
"""What a pod does not see of a request is judged as the installed Nova and Cinder judge it."""

import copy
import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.functional.fakes import schemas as novas
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tricircle.gateway.compute import schemas
from tricircle.gateway.volume.request import RefusedByCinder, parse

ID = "11111111-1111-4111-8111-111111111111"
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [None, "", " ", "\n", "a", "a ", " a", "a\n", "a\tb", "a b", "az1", "az:host", "é", "\u200b",
     "\u00a0", "\uffff", "\U0001f600", "x" * 255, "x" * 256, ID, ID.upper(), ID.replace("-", ""),
     "10.0.0.1", "10.0.0.1/24", "::1", "fe80::1%eth0", "1.2.3", 0, 1, -1, 1.5, 1.0, True, False,
     "0", "1", "01", "-1", "1 ", "٣", "true", "TRUE", "tRUE", "maybe", "none", "auto", [], {},
     [1], {"a": 1}]
)  # fmt: skip
GROUP = st.one_of(
    JUNK,
    st.builds(lambda value: {"name": value}, JUNK),
    st.sampled_from([{}, {"id": ID}, {"name": "default", "x": 1}]),
)
NIC = st.one_of(
    JUNK, st.dictionaries(st.sampled_from(["uuid", "port", "fixed_ip", "x"]), JUNK, max_size=3)
)
FIELDS = {
    "availability_zone": st.one_of(JUNK, st.text(max_size=4)),
    "security_groups": st.one_of(JUNK, st.lists(GROUP, max_size=2)),
    "networks": st.one_of(JUNK, st.lists(NIC, max_size=2)),
    "min_count": JUNK,
    "max_count": JUNK,
    "return_reservation_id": JUNK,
}


def nova_takes(name: str, document: Any, module: str = "servers") -> bool:
    return bool(novas.validator(module, name).is_valid(document))


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(sorted(FIELDS)).flatmap(lambda k: FIELDS[k].map(lambda v: (k, v))))
def test_servers(field: tuple[str, Any]) -> None:
    name, value = field
    server = {"name": "s", "flavorRef": "1", name: value}
    theirs = nova_takes("create", {"server": server})
    if name == "networks":
        # From 2.37 on there are two words more, and ids of networks are judged.
        later = nova_takes("create_v237", {"server": copy.deepcopy(server)})
        assert schemas.fits_server(server) == (theirs or later)
    else:
        assert schemas.fits_server(server) == theirs


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(
        JUNK,
        st.dictionaries(
            st.sampled_from(["net_id", "port_id", "fixed_ips", "x"]),
            st.one_of(JUNK, st.lists(st.builds(lambda v: {"ip_address": v}, JUNK), max_size=2)),
            max_size=3,
        ),
    )
)
def test_interfaces(wanted: Any) -> None:
    theirs = nova_takes("create", {"interfaceAttachment": wanted}, "attach_interfaces")
    assert (isinstance(wanted, dict) and schemas.fits_interface(wanted)) == theirs


ZONES: list[Any] = [None, "", " ", "z" * 255, "z" * 256, " " * 256, 5, []]
_CINDER = """
import json, sys
from cinder.api.schemas import groups, volumes
from cinder.api.validation import validators

def takes(schema, body):
    try:
        validators._SchemaValidator(schema).validate(body)
    except Exception:
        return False
    return True

schemas = {"volume": volumes.create, "group": groups.create}
bodies = json.load(sys.stdin)
json.dump([takes(schemas[next(iter(body))], body) for body in bodies], sys.stdout)
"""


def test_zones_of_volumes_and_groups() -> None:
    """Cinder's options are not to meet ours: it is asked in a process of its own."""
    group = {"group_type": "g", "volume_types": ["t"]}
    bodies = [{"volume": {"size": 1, "availability_zone": zone}} for zone in ZONES]
    bodies += [{"group": {**group, "availability_zone": zone}} for zone in ZONES]
    argv = [sys.executable, "-W", "ignore", "-c", _CINDER]
    done = subprocess.run(argv, input=json.dumps(bodies), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert [we_take(body) for body in bodies] == json.loads(done.stdout)


def we_take(body: dict[str, Any]) -> bool:
    try:
        parse(body, next(iter(body)))
    except RefusedByCinder:
        return False
    return True


@pytest.mark.parametrize(
    "field",
    [
        {"availability_zone": ""},
        {"availability_zone": None},
        {"security_groups": None},
        {"security_groups": [{"name": ""}]},
        {"security_groups": [{"id": ID}]},
        {"security_groups": [{"name": "default", "x": 1}]},
        {"return_reservation_id": "maybe"},
    ],
    ids=str,
)
async def test_what_nova_refuses_makes_no_server(
    gateway: Gateway, cloud: Cloud, field: dict[str, Any]
) -> None:
    server = {"name": "s", "flavorRef": "1", "imageRef": cloud.image_id, "networks": "none"}
    answer = await gateway.post("/servers", {"server": server | field}, version="2.37")
    assert answer.status == 400
    assert "Invalid input for field/attribute" in answer.message
    assert not any(pod.nova.servers for pod in cloud.pods.values())
