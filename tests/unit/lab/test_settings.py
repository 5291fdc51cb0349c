# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from lab import settings
from lab.settings import LabError


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    return tmp_path


def test_what_is_saved_is_loaded() -> None:
    lab = settings.new(
        "two", pods=3, hosts=1, profile="fake", releases={"pod2": "2025.1"}, external="pod3"
    )
    lab.save()
    assert settings.load("two") == lab


def test_a_labs_shape_makes_it_again() -> None:
    lab = settings.new(pods=3, hosts=1, daemons=True, releases={"pod3": "2025.1"}, external="pod2")
    assert settings.new(lab.name, **settings.shape(lab)) == lab


def test_no_lab_says_what_to_do() -> None:
    with pytest.raises(LabError, match="lab up"):
        settings.load("none")


def ports(lab: settings.Lab) -> list[int]:
    shared = [lab.port(service) for service in settings.SHARED_PORTS]
    services = settings.POD_PORTS | settings.CONSOLE_PORTS
    own = [pod.port(service) for pod in lab.pods for service in services]
    return shared + own


def test_no_port_is_used_twice_and_all_lie_in_the_labs_own_range() -> None:
    lab = settings.new(pods=9)
    used = ports(lab)
    assert len(used) == len(set(used))
    assert all(lab.base_port <= port < lab.base_port + settings.PORTS_PER_LAB for port in used)


def test_two_labs_share_nothing() -> None:
    first, second = settings.new("lab"), settings.new("b")
    assert not set(ports(first)) & set(ports(second))
    assert first.home != second.home
    assert first.sockets != second.sockets
    assert not second.netns_prefix.startswith(first.netns_prefix)
    assert not first.netns_prefix.startswith(second.netns_prefix)


def test_a_base_port_can_be_chosen() -> None:
    assert settings.new("b", base_port=11000).port("identity") == 11000


def test_ports_that_the_kernel_gives_out_are_no_labs() -> None:
    first = settings.first_given_out()
    with pytest.raises(LabError, match=f"ports from {first} on"):
        settings.new("b", base_port=first - 1)


def test_sockets_have_short_paths() -> None:
    lab = settings.new("a" * 8)
    assert len(str(lab.sockets / "pod1-host1" / "ovn-controller.socket")) < 108


def test_each_pod_has_its_own_databases() -> None:
    lab = settings.new(pods=2)
    assert len(lab.databases) == len(set(lab.databases))
    assert {"tricircle", "central_neutron", "pod1_nova_cell1", "pod2_neutron"} <= set(lab.databases)


def test_messages_stay_in_the_process_unless_there_are_daemons() -> None:
    assert settings.new().transport_url("pod1") == "fake:///"
    assert settings.new(daemons=True).transport_url("pod1").endswith("/pod1")


def test_releases_begin_with_the_shared_services() -> None:
    lab = settings.new(releases={"pod1": "2025.1"})
    assert lab.releases == [settings.CURRENT, "2025.1"]
    assert [pod.release for pod in lab.pods] == ["2025.1", settings.CURRENT]


def test_a_pod_is_found_by_key_and_region() -> None:
    lab = settings.new()
    assert lab.pod("pod2") is lab.pod("Pod2") is lab.pods[1]
    with pytest.raises(LabError, match="pod1, pod2"):
        lab.pod("pod3")


def test_exactly_one_pod_has_the_external_network() -> None:
    assert [pod.external for pod in settings.new(external="Pod2").pods] == [False, True]


@pytest.mark.parametrize(
    ("name", "wish"),
    [
        ("too-long-a-name", {}),
        ("a.b", {}),
        ("lab", {"profile": "none"}),
        ("lab", {"pods": 0}),
        ("lab", {"hosts": 10}),
        ("lab", {"releases": {"pod7": "2025.1"}}),
        ("lab", {"external": "pod7"}),
    ],
)
def test_impossible_wishes_are_refused(name: str, wish: dict[str, object]) -> None:
    with pytest.raises(LabError):
        settings.new(name, **wish)  # type: ignore[arg-type]
