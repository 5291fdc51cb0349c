# SPDX-License-Identifier: Apache-2.0
from pathlib import Path

import pytest

from lab import horizon, packages, settings
from lab.settings import LabError


@pytest.fixture
def locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "locks"
    folder.mkdir()
    (folder / "2026.2.txt").write_text("nova==34.0.0\n")
    monkeypatch.setattr(packages, "LOCKS", folder)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


def test_a_changed_lock_is_another_environment(locks: Path) -> None:
    before = packages.venv("2026.2")
    assert packages.venv("2026.2") == before
    (locks / "2026.2.txt").write_text("nova==34.0.1\n")
    assert packages.venv("2026.2") != before


def test_an_unknown_series_names_the_known_ones(locks: Path) -> None:
    with pytest.raises(LabError, match=r"2026\.2"):
        packages.venv("1999.1")


def test_what_is_installed_is_not_installed_again(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = packages.venv("2026.2")
    place.mkdir(parents=True)
    (place / ".complete").touch()
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    assert packages.install_venv("2026.2") == place


def test_a_half_installed_environment_is_made_anew(
    locks: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packages.venv("2026.2").mkdir(parents=True)
    commands: list[list[str]] = []
    monkeypatch.setattr(packages.shutil, "which", lambda name: "/bin/uv")
    monkeypatch.setattr(
        packages.process, "run", lambda argv, **more: commands.append([str(part) for part in argv])
    )
    place = packages.install_venv("2026.2")
    assert [command[1] for command in commands] == ["venv", "pip"]
    assert "--clear" in commands[0]
    assert (place / ".complete").exists()


def test_packages_follow_the_choices() -> None:
    fake = set(packages.debian(settings.new(profile="fake")))
    ovn = set(packages.debian(settings.new()))
    daemons = set(packages.debian(settings.new(profile="fake", daemons=True)))
    assert "mariadb-server" in fake
    assert ovn - fake >= {"ovn-central", "openvswitch-switch"}
    assert daemons - fake == {"rabbitmq-server"}


def test_no_package_may_start_its_daemon(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = tmp_path / "policy-rc.d"
    during: list[str] = []

    def run(argv: list[str], **more: object) -> str:
        if argv[0] == "apt-get":
            during.append(policy.read_text())
        return ""

    monkeypatch.setattr(packages, "POLICY", policy)
    monkeypatch.setattr(packages.process, "run", run)
    monkeypatch.setattr(packages.os, "geteuid", lambda: 0)
    packages.install_debian(["memcached"])
    assert len(during) == 1
    assert "exit 101" in during[0]
    assert not policy.exists()


def test_who_is_not_root_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packages.os, "geteuid", lambda: 1000)
    monkeypatch.setattr(packages, "missing", lambda wanted: list(wanted))
    with pytest.raises(LabError, match="apt-get install memcached"):
        packages.install_debian(["memcached"])


@pytest.mark.parametrize("release", packages.series())
def test_every_locked_series_pins_exactly_and_holds_its_services(release: str) -> None:
    lines = (packages.LOCKS / f"{release}.txt").read_text().splitlines()
    pins = dict(
        line.split(";")[0].strip().split("==")
        for line in lines
        if line and not line.startswith("#")
    )
    assert {"nova", "neutron", "cinder", "openstack-placement", "waitress"} <= set(pins)
    if release == settings.CURRENT:
        assert {"keystone", "glance", "tempest"} <= set(pins)


def test_the_dashboard_is_locked_and_no_series_for_pods() -> None:
    assert "horizon" not in packages.series()
    lines = (packages.LOCKS / f"{horizon.RELEASE}.txt").read_text().splitlines()
    assert any(line.startswith("horizon==") for line in lines)


def test_uv_is_found_where_make_puts_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    monkeypatch.setattr(packages.shutil, "which", lambda name: None)
    monkeypatch.setattr(packages.settings, "PROJECT_ROOT", tmp_path)
    with pytest.raises(LabError, match="uv is missing"):
        packages._uv()
    uv = tmp_path / ".uv" / "bin" / "uv"
    uv.parent.mkdir(parents=True)
    uv.touch()
    assert packages._uv() == str(uv)


def test_a_client_that_python_cannot_load_is_not_used(
    locks: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (packages.venv("2026.2") / "lib" / "python3.11" / "site-packages").mkdir(parents=True)
    client = tmp_path / "MySQLdb"
    client.mkdir()
    monkeypatch.setattr(packages, "MYSQL_CLIENT", client)
    loads: list[bool] = []

    def run(argv: list[object], **more: object) -> str:
        loads.append(packages.mysql_driver("2026.2") == "mysqldb")
        if len(loads) == 1:
            raise LabError("undefined symbol")
        return ""

    monkeypatch.setattr(packages.process, "run", run)
    packages.link_mysql_client("2026.2")
    assert packages.mysql_driver("2026.2") == "pymysql"
    packages.link_mysql_client("2026.2")
    packages.link_mysql_client("2026.2")
    assert packages.mysql_driver("2026.2") == "mysqldb"
    assert loads == [True, True]
