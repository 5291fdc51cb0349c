# SPDX-License-Identifier: Apache-2.0
"""Links of pods turned to our host, and nothing else."""

import dataclasses
from typing import Any, cast

import pytest

from tricircle.gateway.call import Call
from tricircle.gateway.upstream.forward import pod_root, rewrite_links
from tricircle.pods.pod import Pod


@dataclasses.dataclass
class FakeCall:
    service: str = "compute"
    root: str = "https://cloud.example.org/compute"


def pod(endpoint: str) -> Pod:
    return Pod(id="1", region_name="pod1", availability_zone="az1", endpoints={"compute": endpoint})


def rewritten(endpoint: str, body: str) -> str:
    return rewrite_links(cast(Call, FakeCall()), pod(endpoint), body.encode()).decode()


@pytest.mark.parametrize(
    ("endpoint", "root"),
    [
        ("http://pod1:8774/v2.1", "http://pod1:8774"),
        ("http://pod1:8774/v2.1/", "http://pod1:8774"),
        ("http://pod1/compute/v2.1", "http://pod1/compute"),
        ("http://pod1/compute/v2.1/0123abcd", "http://pod1/compute"),
    ],
)
def test_root_of_a_pod(endpoint: str, root: str) -> None:
    assert pod_root(pod(endpoint), "compute") == root


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        (
            '{"href": "http://pod1/compute/v2.1/servers/1"}',
            '{"href": "https://cloud.example.org/compute/v2.1/servers/1"}',
        ),
        (
            '{"href":"http://pod1/compute/servers/1"}',
            '{"href":"https://cloud.example.org/compute/servers/1"}',
        ),
        # Another service, another host with the same beginning, a text of the user's: left alone.
        ('{"href": "http://glance/v2/images/1"}', None),
        ('{"href": "http://pod1/computer/v2.1/servers/1"}', None),
        ('{"metadata": {"docs": "http://pod1/compute/v2.1"}}', None),
        ('{"url": "http://pod1/compute/novnc?token=1"}', None),
    ],
)
def test_links(given: str, wanted: str | None) -> None:
    assert rewritten("http://pod1/compute/v2.1", given) == (wanted or given)


def test_a_body_that_is_no_text_stays_as_it_is() -> None:
    body = bytes(range(256))
    call: Any = FakeCall()
    assert rewrite_links(call, pod("http://pod1:8774/v2.1"), body) == body
