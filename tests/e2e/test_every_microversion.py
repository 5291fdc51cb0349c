# SPDX-License-Identifier: Apache-2.0
"""Every kind of call at every microversion: the region answers as the pod of the server does.

What operators ask of Nova is in ``test_operators_see_all_pods``.
"""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.site import Site
from tests.e2e.sweep import Asked, differences

NOBODY = "11111111-2222-4333-8444-555555555555"
SERVER = "/servers/{server}"

#: What one pod answers: the same document, but for ids and links.
EXACT = [
    Asked("GET", path)
    for path in (
        SERVER,
        f"{SERVER}/diagnostics",
        f"{SERVER}/ips",
        f"{SERVER}/ips/{{network}}",
        f"{SERVER}/ips/nothing",
        f"{SERVER}/metadata",
        f"{SERVER}/metadata/colour",
        f"{SERVER}/metadata/nothing",
        f"{SERVER}/migrations",
        f"{SERVER}/migrations/999999",
        f"{SERVER}/os-instance-actions",
        f"{SERVER}/os-instance-actions/nothing",
        f"{SERVER}/os-interface",
        f"{SERVER}/os-interface/{NOBODY}",
        f"{SERVER}/os-server-password",
        f"{SERVER}/os-virtual-interfaces",
        f"{SERVER}/os-volume_attachments",
        f"{SERVER}/os-volume_attachments/{NOBODY}",
        f"{SERVER}/consoles",
        f"{SERVER}/shares",
        f"{SERVER}/tags",
        f"{SERVER}/tags/nothing",
        f"{SERVER}/topology",
        f"/servers/{NOBODY}",
        f"/servers/{NOBODY}/ips",
        "/servers/nothing",
        "/os-volumes_boot/{server}",
        "/flavors/{flavor}",
        "/flavors/{flavor}/os-extra_specs",
        "/flavors/{flavor}/os-extra_specs/nothing",
        "/flavors/{flavor}/os-flavor-access",
        "/flavors/nothing",
        "/os-keypairs/{keypair}",
        "/os-keypairs/nothing",
        "/images/{image}",
        "/images/{image}/metadata",
        "/extensions",
        "/extensions/os-nothing",
        "/os-agents",
        "/os-cells",
        "/os-fping",
        "/os-quota-class-sets/default",
    )
]
#: What all pods answer together, or we: documents of the same make.
ALIKE = [
    Asked("GET", path)
    for path in (
        "/servers",
        "/servers/detail",
        "/servers?limit=1",
        "/servers?limit=nothing",
        "/servers?sort_key=nothing",
        "/servers?sort_dir=nothing",
        f"/servers?marker={NOBODY}",
        "/servers?changes-since=nothing",
        "/servers?changes-before=nothing",
        "/servers?nonsense=1",
        "/servers/detail?tags=nothing",
        "/servers/detail?status=nothing",
        "/servers/detail?ip=nothing&ip6=(",
        "/servers/detail?all_tenants=1&name=nothing",
        "/servers/detail?all_tenants=nothing",
        "/os-volumes_boot",
        "/flavors",
        "/flavors/detail",
        "/flavors?sort_key=nothing",
        "/os-keypairs",
        "/os-keypairs?limit=1&user_id=nothing",
        f"{SERVER}/os-security-groups",
        "/limits",
        "/limits?tenant_id={project}",
        "/os-availability-zone",
        "/os-quota-sets/{project}",
        "/os-quota-sets/{project}/detail",
        "/os-quota-sets/{project}/defaults",
        "/os-quota-sets/{project}?user_id=nothing&nonsense=1",
        "/os-server-groups",
        "/os-server-groups?limit=nothing",
        f"/os-server-groups/{NOBODY}",
        "/images",
    )
]
#: Changes that Nova refuses at every microversion, and how.
REFUSED = [
    Asked("POST", "/servers", {}),
    Asked("POST", "/servers", {"server": {}}),
    Asked("POST", "/servers", {"server": {"name": "x", "networks": 1, "nonsense": 1}}),
    Asked("POST", "/servers", {"server": {"name": "x", "flavorRef": "{flavor}",
                                          "imageRef": "nothing", "networks": "none"}}),
    Asked("POST", "/servers", {"server": {"name": "x", "flavorRef": "{flavor}",
                                          "imageRef": "{image}", "min_count": 2, "max_count": 1,
                                          "networks": []}}),
    Asked("POST", "/os-volumes_boot", {"server": {}}),
    Asked("PUT", SERVER, {}),
    Asked("PUT", SERVER, {"server": {"nonsense": 1}}),
    Asked("DELETE", f"/servers/{NOBODY}"),
    Asked("POST", f"/servers/{NOBODY}/action", {"os-stop": None}),
    *(
        Asked("POST", f"{SERVER}/action", body)
        for body in (
            {},
            {"nonsense": None},
            {"reboot": {}},
            {"reboot": {"type": "nothing"}},
            {"resize": {}},
            {"resize": {"flavorRef": "nothing"}},
            {"confirmResize": None},
            {"revertResize": None},
            {"rebuild": {}},
            {"createImage": {}},
            {"createBackup": {}},
            {"changePassword": {}},
            {"os-start": None},
            {"os-getConsoleOutput": {"length": "nothing"}},
            {"os-getVNCConsole": {}},
            {"os-getSPICEConsole": {"type": "nothing"}},
            {"os-getSerialConsole": {}},
            {"os-migrateLive": {}},
            {"os-resetState": {"state": "nothing"}},
            {"addSecurityGroup": {}},
            {"removeSecurityGroup": {"name": "nothing"}},
            {"addFixedIp": {}},
            {"removeFixedIp": {"address": "nothing"}},
            {"addFloatingIp": {}},
            {"restore": None},
            {"unrescue": None},
        )
    ),
    Asked("POST", f"{SERVER}/metadata", {}),
    Asked("PUT", f"{SERVER}/metadata", {"metadata": 1}),
    Asked("PUT", f"{SERVER}/metadata/a", {"meta": {"b": "c"}}),
    Asked("DELETE", f"{SERVER}/metadata/nothing"),
    Asked("PUT", f"{SERVER}/tags", {"tags": 1}),
    Asked("PUT", f"{SERVER}/tags/a,b"),
    Asked("DELETE", f"{SERVER}/tags/nothing"),
    Asked("POST", f"{SERVER}/os-interface", {"interfaceAttachment": {"nonsense": 1}}),
    Asked("DELETE", f"{SERVER}/os-interface/{NOBODY}"),
    Asked("POST", f"{SERVER}/os-volume_attachments", {"volumeAttachment": {}}),
    Asked("DELETE", f"{SERVER}/os-volume_attachments/{NOBODY}"),
    Asked("POST", f"{SERVER}/remote-consoles", {"remote_console": {}}),
    Asked("POST", f"{SERVER}/shares", {"share": {}}),
    Asked("DELETE", f"{SERVER}/migrations/999999"),
    Asked("POST", "/flavors", {}),
    Asked("POST", "/flavors", {"flavor": {"name": "", "ram": 1, "vcpus": 1, "disk": 1}}),
    Asked("PUT", "/flavors/{flavor}", {}),
    Asked("DELETE", "/flavors/nothing"),
    Asked("POST", "/flavors/{flavor}/action", {"addTenantAccess": {}}),
    Asked("POST", "/flavors/{flavor}/os-extra_specs", {}),
    Asked("DELETE", "/flavors/{flavor}/os-extra_specs/nothing"),
    Asked("POST", "/os-keypairs", {}),
    Asked("POST", "/os-keypairs", {"keypair": {"name": "", "nonsense": 1}}),
    Asked("DELETE", "/os-keypairs/nothing"),
    Asked("POST", "/os-server-groups", {}),
    Asked("POST", "/os-server-groups", {"server_group": {"name": "x", "policies": ["x"]}}),
    Asked("DELETE", f"/os-server-groups/{NOBODY}"),
    Asked("PUT", "/os-quota-sets/{project}", {"quota_set": {"nonsense": 1}}),
    Asked("PUT", "/os-quota-class-sets/default", {"quota_class_set": {"nonsense": 1}}),
    Asked("POST", "/os-aggregates", {}),
    Asked("DELETE", "/os-aggregates/999999"),
    Asked("PUT", "/os-services/nothing", {}),
    Asked("POST", "/os-server-external-events", {}),
    Asked("POST", "/os-assisted-volume-snapshots", {}),
    Asked("POST", "/os-security-groups", {}),
    Asked("POST", "/os-security-group-rules", {}),
    Asked("DELETE", f"/os-floating-ips/{NOBODY}"),
    Asked("POST", "/os-volumes", {}),
    Asked("POST", "/os-snapshots", {}),
    Asked("POST", "/os-agents", {}),
    Asked("POST", "/images/{image}/metadata", {}),
]  # fmt: skip


@pytest.fixture(scope="module")
def names(
    demo: Any, admin: Any, image: Any, flavor: Any, pods: dict[str, Any]
) -> Iterator[dict[str, str]]:
    """A server in the first pod, and what a call may name beside it."""
    site = Site(demo, image, flavor, f"e2e-{uuid.uuid4().hex[:8]}")
    keypair = admin.compute.create_keypair(name=site.name)
    try:
        network = site.network("10.83.0.0/24")
        server = site.server("az1", [{"uuid": network.id}], metadata={"colour": "blue"})
        yield {
            "server": server.id,
            "network": network.name,
            "image": image.id,
            "flavor": flavor.id,
            "keypair": keypair.name,
            "project": demo.current_project_id,
        }
    finally:
        site.clean()
        admin.compute.delete_keypair(keypair)


def _turns(calls: list[Asked]) -> list[Any]:
    return [pytest.param(turn, asked, id=str(asked)) for turn, asked in enumerate(calls)]


@pytest.mark.parametrize(("turn", "asked"), _turns(EXACT))
def test_what_one_pod_answers(
    admin: Any, pods: dict[str, Any], names: dict[str, str], turn: int, asked: Asked
) -> None:
    assert differences(pods["Pod1"], admin, asked.of(names), turn=turn) == []


@pytest.mark.parametrize(("turn", "asked"), _turns(ALIKE))
def test_what_all_answer_together(
    admin: Any, pods: dict[str, Any], names: dict[str, str], turn: int, asked: Asked
) -> None:
    assert differences(pods["Pod1"], admin, asked.of(names), exact=False, turn=turn) == []


@pytest.mark.parametrize(("turn", "asked"), _turns(REFUSED))
def test_what_is_refused(
    admin: Any, pods: dict[str, Any], names: dict[str, str], turn: int, asked: Asked
) -> None:
    assert differences(pods["Pod1"], admin, asked.of(names), turn=turn) == []
