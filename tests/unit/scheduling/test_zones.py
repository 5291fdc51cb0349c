# SPDX-License-Identifier: Apache-2.0
import pytest

from tricircle.conf import CONF
from tricircle.pods.pod import Pod
from tricircle.scheduling.zones import BadZone, Zone


@pytest.mark.parametrize(
    ("text", "zone"),
    [
        (None, Zone()),
        ("", Zone()),
        ("az1", Zone("az1")),
        ("az1:host1", Zone("az1", "host1")),
        ("az1:host1:node1", Zone("az1", "host1", "node1")),
        ("az1::node1", Zone("az1", None, "node1")),
        (":host1", Zone(None, "host1")),
    ],
)
def test_every_form_nova_knows_is_read(text: str | None, zone: Zone) -> None:
    assert Zone.parse(text) == zone


def test_too_many_parts_are_refused() -> None:
    with pytest.raises(BadZone, match="Unable to parse availability_zone"):
        Zone.parse("a:b:c:d")


def test_no_zone_means_the_configured_one() -> None:
    CONF.set_override("default_availability_zone", "az9", group="scheduling")
    try:
        assert Zone.parse(None) == Zone("az9")
        assert Zone.parse(":host1") == Zone("az9", "host1")
    finally:
        CONF.clear_override("default_availability_zone", group="scheduling")


@pytest.mark.parametrize(
    ("zone", "inside", "named"),
    [
        (Zone("az1"), "", None),
        (Zone("az1"), "nova", "nova"),
        (Zone(), "nova", "nova"),
        (Zone("az1", "host1"), "", ":host1"),
        (Zone("az1", "host1"), "nova", "nova:host1"),
        (Zone("az1", "host1", "node1"), "", ":host1:node1"),
        (Zone("az1", None, "node1"), "", "::node1"),
        (Zone("az1", None, "node1"), "nova", "nova::node1"),
    ],
)
def test_toward_a_pod_its_own_zone_is_named_and_a_host_stays(
    zone: Zone, inside: str, named: str | None
) -> None:
    pod = Pod("1", "Pod1", "az1", pod_availability_zone=inside)
    assert zone.toward(pod) == named
