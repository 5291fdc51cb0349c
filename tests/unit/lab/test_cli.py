# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest
from keystoneauth1.exceptions import ConnectFailure

from lab import cli, settings, tricircle
from lab.settings import Lab


@pytest.fixture(autouse=True)
def brought_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Lab]:
    """The labs that were to be brought up; nothing is started."""
    labs: list[Lab] = []

    def up(lab: Lab, **more: object) -> None:
        lab.save()
        labs.append(lab)

    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    monkeypatch.delenv("LAB_NAME", raising=False)
    monkeypatch.setattr(cli, "up", up)
    return labs


def test_up_describes_the_lab_that_was_asked_for(brought_up: list[Lab]) -> None:
    wish = ["--name", "b", "up", "--profile", "fake", "--pods", "3", "--release", "pod2=2025.1"]
    assert cli.main(wish) == 0
    (lab,) = brought_up
    assert (lab.name, lab.profile, len(lab.pods)) == ("b", "fake", 3)
    assert lab.pod("pod2").release == "2025.1"


def test_a_second_up_must_want_the_same(
    brought_up: list[Lab], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["up", "--profile", "fake", "--pods", "3"]) == 0
    assert cli.main(["up", "--profile", "fake"]) == 0
    assert cli.main(["up"]) == 0  # what is not said stays as it stands
    assert brought_up[0] == brought_up[1] == brought_up[2]
    assert cli.main(["up", "--profile", "ovn"]) == 1
    assert "lab down" in capsys.readouterr().err
    assert len(brought_up) == 3


@pytest.mark.parametrize("release", ["pod2", "pod2=1999.1", "pod9=2025.1"])
def test_a_release_that_cannot_be_is_refused(
    release: str, brought_up: list[Lab], capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["up", "--release", release]) == 1
    said = capsys.readouterr().err
    assert said.startswith("lab: ")
    assert "Traceback" not in said
    assert not brought_up


def test_without_a_lab_commands_say_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    for words in (["status"], ["env"], ["logs"], ["pod", "kill", "pod1"]):
        assert cli.main(words) == 1
        assert "lab up" in capsys.readouterr().err


def test_env_is_for_a_shell(capsys: pytest.CaptureFixture[str]) -> None:
    settings.new("lab").save()
    assert cli.main(["env", "demo"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "export OS_CLOUD=demo" in lines
    assert "export OS_REGION_NAME=RegionOne" in lines
    assert all(line.startswith("export OS_") for line in lines)


def test_a_crash_of_a_switch_fails_the_run(capsys: pytest.CaptureFixture[str]) -> None:
    lab = settings.new("lab")
    lab.save()
    lab.log.mkdir(parents=True)
    log = lab.log / "pod1-host1-ovs-vswitchd.log"
    log.write_text("2026-01-01T00:00:00Z|00001|vlog|INFO|opened log file\n")
    assert cli.main(["check"]) == 0
    log.write_text("2026-01-01T00:00:00Z|00002|util|EMER|conntrack.c:1063: assertion failed\n")
    assert cli.main(["check"]) == 1
    assert "assertion failed" in capsys.readouterr().err


def test_ensure_up_keeps_the_shape_of_a_lab_that_stands(
    brought_up: list[Lab], monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.new("lab", profile="fake", pods=3).save()
    over: list[Lab] = []
    monkeypatch.setattr(tricircle, "up", lambda lab, say: over.append(lab))
    lab = cli.ensure_up(with_tricircle=True)
    assert len(lab.pods) == 3
    assert brought_up == over == [lab]
    with pytest.raises(settings.LabError, match="fake"):
        cli.ensure_up(profile="ovn")


def test_no_traceback_reaches_a_person(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def up(lab: Lab, **more: object) -> None:
        raise ConnectFailure("Keystone does not answer")

    monkeypatch.setattr(cli, "up", up)
    assert cli.main(["up"]) == 1
    assert "lab: ConnectFailure: Keystone does not answer" in capsys.readouterr().err
