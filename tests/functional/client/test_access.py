# SPDX-License-Identifier: Apache-2.0
"""The commands about how a pod with a Keystone of its own is entered, and about its changes."""

import json
from pathlib import Path

import pytest

from tests.functional import gateway_harness
from tests.functional.client.shell import as_json, openstack
from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway.access import conftest as federated
from tests.functional.gateway.access.conftest import FOREIGN
from tests.functional.gateway_harness import Gateway

pytestmark = pytest.mark.filterwarnings("ignore")
cloud, entered = federated.cloud, federated.entered


async def test_a_pod_with_its_own_keystone_from_registration_on(
    gateway: Gateway, cloud: Cloud, tmp_path: Path
) -> None:
    keystone = cloud.pods[FOREIGN].keystone
    assert keystone is not None
    keystone.user("tenant", "tenant project", "member", "reader")
    assert (await openstack(gateway, f"multiregion pod delete --force {FOREIGN}")).status == 0
    known = gateway_harness.managed(cloud, FOREIGN)
    access = {name: known[name] for name in ("auth_url", "insecure", "service")}
    file = tmp_path / "access.json"
    file.write_text(json.dumps({"kind": "credentials", **access}))
    made = await as_json(
        gateway, f"multiregion pod create {FOREIGN} --zone az2 --access", str(file)
    )
    assert made["access"]["kind"] == "credentials"
    assert known["service"]["password"] not in json.dumps(made)
    rows = await as_json(gateway, "multiregion pod list --long")
    assert [row["Access"] for row in rows] == ["shared", "credentials", "shared"]

    credential = keystone.credential("tenant")
    line = f"multiregion pod credential set {FOREIGN} demo --id {credential['id']}"
    told = await as_json(gateway, line, "--secret", credential["secret"])
    there = keystone.projects["tenant project"].id
    assert (told["project_id"], told["there"]) == (cloud.project_id, there)
    (row,) = await as_json(gateway, f"multiregion pod project list {FOREIGN}")
    assert (row["Project"], row["There"]) == (cloud.project_id, there)
    assert (
        await openstack(gateway, f"multiregion pod credential unset {FOREIGN} demo")
    ).status == 0
    again = await openstack(gateway, f"multiregion pod credential unset {FOREIGN} demo")
    assert "has no credential for pod" in again.err
    said = await as_json(gateway, f"multiregion pod project set {FOREIGN} admin other")
    assert said["there"] == "other"
    refused = await openstack(gateway, f"multiregion pod project set {FOREIGN} demo other")
    assert "stands for" in refused.err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("pod project list pod1", "has the Keystone of"),
        ("pod credential set pod1 demo", "--id"),
        ("pod credential set pod1 demo --id x", "There is no secret: give --secret"),
        ("pod credential set pod1 demo --id x --secret y", "has the Keystone of"),
        ("pod create pod9 --zone az1 --access /nowhere.json", "cannot be read as JSON"),
        ("pod set pod1 --zone az1 --reason new", "--reason is of a --state"),
        ("pod change list nowhere", "There is no pod nowhere"),
    ],
)
async def test_what_went_wrong_and_what_to_do(gateway: Gateway, line: str, words: str) -> None:
    printed = await openstack(gateway, f"multiregion {line}")
    assert printed.status != 0
    assert words in " ".join((printed.out + printed.err).split())
    assert "Traceback" not in printed.out + printed.err


async def test_who_changed_a_pod_and_why(gateway: Gateway) -> None:
    line = "multiregion pod set pod1 --state maintenance --reason"
    assert (await openstack(gateway, line, "new switches")).status == 0
    row = (await as_json(gateway, "multiregion pod change list pod1"))[0]
    assert (row["What"], row["Before"], row["After"]) == ("state", "enabled", "maintenance")
    assert row["Reason"] == "new switches"
    assert row["Changed By"] == gateway.cloud.keystone.users["admin"].id
