# SPDX-License-Identifier: Apache-2.0
"""What is too large, too deep or too long is refused, whichever API it is sent to."""

from typing import Any

import pytest

from tests.functional.fakes.cloud import Cloud
from tests.functional.gateway_harness import Gateway
from tricircle.gateway.http import bounds

HUGE = "9" * 4400


def deep(levels: int) -> str:
    return "[" * levels + "]" * levels


#: what: (API, method, path, body, statuses that are right)
CASES: dict[str, tuple[str, str, str, str | None, tuple[int, ...]]] = {
    "a page of 10^4400 pods": ("admin", "GET", f"/pods?limit={HUGE}", None, (200,)),
    "a page of no number of pods": ("admin", "GET", "/pods?limit=%d9%a3", None, (400,)),
    "groups after 10^30 others": (
        "compute", "GET", f"/os-server-groups?offset={'9' * 30}", None, (200,),
    ),
    "a page of 10^30 groups": (
        "compute", "GET", f"/os-server-groups?limit={'9' * 30}", None, (200,),
    ),
    "a page of 10^30 servers": ("compute", "GET", f"/servers?limit={'9' * 30}", None, (200,)),
    "volumes after 10^30 others": ("volume", "GET", f"/volumes?offset={'9' * 30}", None, (400,)),
    "a page of 10^4400 volumes": ("volume", "GET", f"/volumes?limit={HUGE}", None, (200, 400)),
    "an aggregate of 4400 digits": ("compute", "GET", f"/os-aggregates/{HUGE}", None, (404,)),
    "an aggregate of 200 digits": (
        "compute", "GET", f"/os-aggregates/{'9' * 200}", None, (400, 404),
    ),
    "a migration of 30 digits": (
        "compute", "GET", f"/servers/x/migrations/{'9' * 30}", None, (404,),
    ),
    "a NUL in an id": ("compute", "GET", "/os-server-groups/a%00", None, (404,)),
    "a NUL in a query": ("admin", "GET", "/pods?marker=a%00", None, (400,)),
    "a long id": ("compute", "GET", f"/servers/{'x' * 256}", None, (404,)),
    "too many parameters": ("compute", "GET", f"/servers?{'a=b&' * 500}a=b", None, (400,)),
    "a pattern that never ends": (
        "compute", "GET", "/servers?availability_zone=(a%2B)%2B$", None, (400,),
    ),
    "a pattern of many parts": (
        "compute", "GET", "/servers?availability_zone=.*.*.*.*x", None, (400,),
    ),
    "a deep server": (
        "compute", "POST", "/servers", f'{{"server":{{"metadata":{{"a":{deep(300)}}}}}}}', (400,),
    ),
    "a deep volume": ("volume", "POST", "/volumes", f'{{"volume":{{"name":{deep(101)}}}}}', (400,)),
    "a deep pod": ("admin", "POST", "/pods", f'{{"pod":{{"region_name":{deep(900)}}}}}', (400,)),
    "a deep body that is only passed on": (
        "compute", "POST", "/servers/x/action", f'{{"os-start":{deep(2000)}}}', (400,),
    ),
    "10^30 servers": (
        "compute", "POST", "/servers",
        f'{{"server":{{"name":"x","imageRef":"@image@","flavorRef":"1","min_count":{"9" * 30}}}}}',
        (400, 403),
    ),
    "a volume of 10^30 GB": (
        "volume", "POST", "/volumes", f'{{"volume":{{"size":{"9" * 30}}}}}', (400, 413),
    ),
    "a volume of 2^31 GB": (
        "volume", "POST", "/volumes", '{"volume":{"size":2147483648}}', (400, 413),
    ),
    "a limit of 5000 digits": (
        "compute", "PUT", "/os-quota-sets/p", f'{{"quota_set":{{"cores":"{HUGE}"}}}}', (400,),
    ),
    "a limit of 2^31": (
        "compute", "PUT", "/os-quota-sets/p", '{"quota_set":{"cores":"2147483648"}}', (400,),
    ),
    "a volume limit of 5000 digits": (
        "volume", "PUT", "/os-quota-sets/p", f'{{"quota_set":{{"volumes":"{HUGE}"}}}}', (400,),
    ),
    "a limit of a user with a long name": (
        "compute", "PUT", f"/os-quota-sets/p?user_id={'u' * 65}", '{"quota_set":{"cores":1}}',
        (400,),
    ),
    "a key of a user with a long name": (
        "compute", "POST", "/os-keypairs",

               f'{{"keypair":{{"name":"k","public_key":"ssh-rsa A","user_id":"{"u" * 65}"}}}}',
        (400,),
    ),
    "a group of 10^30 servers a host": (
        "compute", "POST", "/os-server-groups",
        '{"server_group":{"name":"g","policy":"anti-affinity","rules":{"max_server_per_host":%s}}}'
        % ("9" * 30), (400,),
    ),
}  # fmt: skip


async def test_what_is_beyond_a_bound(
    gateway: Gateway, cloud: Cloud, caplog: pytest.LogCaptureFixture
) -> None:
    cloud.journal.hostile = True
    bases = {
        "compute": f"{gateway.compute}/v2.1",
        "volume": f"{gateway.volume}/v3",
        "admin": f"{gateway.admin}/tricircle/v1.0",
    }
    newest = {"compute": "compute 2.90", "volume": "volume 3.71", "admin": "none"}
    for what, (service, method, path, body, statuses) in CASES.items():
        sent: Any = None if body is None else body.replace("@image@", cloud.image_id).encode()
        # The migration and the proxies are of older microversions, all else of any.
        answer = await gateway.call(
            method, path, sent, user="admin", base=bases[service],
            headers={"OpenStack-API-Version": newest[service]},
        )  # fmt: skip
        assert answer.status in statuses, (what, answer.status, answer.body[:300])
    assert "failed" not in caplog.text


async def test_what_is_just_within(gateway: Gateway, cloud: Cloud) -> None:
    cloud.journal.hostile = True
    body = b'{"keypair":{"name":' + deep(bounds.DEPTH - 2).encode() + b"}}"
    answer = await gateway.post("/os-keypairs", body)
    assert "nested" not in answer.message
    assert (await gateway.get("/servers?" + "a=b&" * (bounds.PARAMETERS - 1))).status in (200, 400)
    assert (await gateway.get("/servers?availability_zone=^az[12]$", user="admin")).status == 200
    cloud.pods["pod2"].nova.add_server("two")
    found = await gateway.get("/servers?availability_zone=az2|nowhere", version="2.83")
    assert [one["name"] for one in found.ok()["servers"]] == ["two"]


@pytest.mark.parametrize("coding", ["utf-8", "identity", ""])
async def test_a_coding_that_changes_nothing_is_no_matter(gateway: Gateway, coding: str) -> None:
    body = {"keypair": {"name": "k", "public_key": "ssh-rsa AAAA me"}}
    (await gateway.post("/os-keypairs", body, headers={"Content-Encoding": coding})).ok(200)
