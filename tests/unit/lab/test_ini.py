# SPDX-License-Identifier: Apache-2.0
import configparser
from pathlib import Path

import pytest

from lab import ini, packages, settings
from lab.services import cinder, glance, keystone, neutron, nova, placement


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> settings.Lab:
    monkeypatch.setenv("LAB_HOME", str(tmp_path))
    return settings.new("lab", profile="fake")


def read(path: Path) -> configparser.RawConfigParser:
    parser = configparser.RawConfigParser(default_section="none", strict=False)
    assert parser.read(path)
    return parser


def test_values_are_written_as_oslo_config_reads_them() -> None:
    text = ini.render({"DEFAULT": {"debug": False, "workers": 1, "empty": None}, "a": {"b": "c"}})
    assert text == "[DEFAULT]\ndebug = false\nworkers = 1\nempty = \n\n[a]\nb = c\n"


def test_a_list_is_an_option_given_several_times() -> None:
    assert ini.render({"a": {"b": ["1", "2"]}}) == "[a]\nb = 1\nb = 2\n"


def test_later_layers_win_option_by_option() -> None:
    first: ini.Sections = {"a": {"x": 1, "y": 1}}
    merged = ini.merge(first, {"a": {"y": 2}, "b": {"z": 3}})
    assert merged == {"a": {"x": 1, "y": 2}, "b": {"z": 3}}
    assert first == {"a": {"x": 1, "y": 1}}


def test_identity_is_always_sought_in_the_shared_region(lab: settings.Lab) -> None:
    assert ini.authtoken(lab, "nova")["region_name"] == settings.REGION
    assert ini.credentials(lab, "nova", "Pod1")["region_name"] == "Pod1"


def test_clients_start_in_the_one_region_and_know_the_pods(lab: settings.Lab) -> None:
    clouds = ini.client_clouds(lab)["clouds"]
    assert isinstance(clouds, dict)
    assert set(clouds) == {"admin", "demo", "demo2", "demo3", "demo4", "reader"}
    assert clouds["demo"]["region_name"] == "RegionOne"
    assert clouds["demo"]["regions"] == ["RegionOne", "Pod1", "Pod2"]


def test_a_pods_services_find_only_each_other(lab: settings.Lab) -> None:
    pod = lab.pods[1]
    placement.configure(lab, pod)
    nova.configure(lab, pod, {"pod2-host1": {"lab": {"switch": "one"}}, "pod2-host2": {}})
    neutron.configure(lab, pod, None)
    cinder.configure(lab, pod)
    etc = lab.etc / pod.key
    files = [
        etc / "placement" / "placement.conf",
        etc / "nova" / "nova.conf",
        etc / "neutron" / "neutron.conf",
        etc / "cinder" / "cinder.conf",
    ]
    for path in files:
        text = path.read_text()
        assert "pod1" not in text.lower(), path
    config = read(files[1])
    for section in ("neutron", "placement", "cinder"):
        assert config[section]["region_name"] == "Pod2"
    assert config["glance"]["endpoint_override"] == lab.url("image")


def test_compute_hosts_have_no_database_and_their_own_name(lab: settings.Lab) -> None:
    pod = lab.pods[0]
    nova.configure(lab, pod, {host: {"lab": {"switch": host}} for host in pod.hosts})
    config = read(lab.etc / "pod1" / "nova" / "pod1-host2.conf")
    assert config["DEFAULT"]["host"] == "pod1-host2"
    assert config["lab"]["switch"] == "pod1-host2"
    assert not config.has_section("database")
    assert not config.has_section("api_database")


def test_a_node_keeps_its_identity(lab: settings.Lab) -> None:
    pod = lab.pods[0]
    nova.configure(lab, pod, {})
    path = lab.var / "pod1" / "pod1-host1" / "compute_id"
    before = path.read_text()
    nova.configure(lab, pod, {})
    assert path.read_text() == before


def test_the_data_plane_has_the_last_word_in_neutron(lab: settings.Lab) -> None:
    pod = lab.pods[0]
    neutron.configure(lab, pod, {"ml2": {"mechanism_drivers": "ovn"}, "ovn": {"x": "y"}})
    config = read(lab.etc / "pod1" / "neutron" / "neutron.conf")
    assert config["ml2"]["mechanism_drivers"] == "ovn"
    assert config["DEFAULT"]["core_plugin"] == "ml2"
    assert config["ovn"]["x"] == "y"


def test_keystones_keys_are_secret_and_stay(lab: settings.Lab) -> None:
    keystone.configure(lab)
    folder = lab.var / "keystone" / "fernet"
    keys = {path.name: path.read_bytes() for path in folder.iterdir()}
    assert set(keys) == {"0", "1"}
    assert keys["0"] != keys["1"]
    assert folder.stat().st_mode & 0o077 == 0
    keystone.configure(lab)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == keys


def test_glance_has_folders_for_its_images(lab: settings.Lab) -> None:
    glance.configure(lab)
    config = read(lab.etc / "glance" / "glance-api.conf")
    assert Path(config["file"]["filesystem_store_datadir"]).is_dir()


def test_cells_point_at_the_pods_own_databases(lab: settings.Lab) -> None:
    sql = nova.cells(lab, lab.pods[1])
    assert "pod2_nova_cell0" in sql
    assert "pod2_nova_cell1" in sql
    assert "none:///" in sql


def test_what_runs_on_eventlet_has_the_mysql_client_in_python(
    lab: settings.Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One in C would hold up all of a process that waits for a lock."""
    monkeypatch.setattr(packages, "mysql_driver", lambda release: "mysqldb")
    new, old = lab.pods
    old.release = "2025.1"
    for pod in lab.pods:
        placement.configure(lab, pod)
        neutron.configure(lab, pod, None)
        nova.configure(lab, pod, {})
        cinder.configure(lab, pod)

    def driver(pod: settings.Pod, name: str, section: str = "database") -> str:
        url = read(lab.etc / pod.key / name)[section]["connection"]
        return url.partition("://")[0]

    services = (
        ("nova/nova.conf", "api_database"),
        ("nova/nova.conf", "database"),
        ("placement/placement.conf", "placement_database"),
        ("cinder/cinder.conf", "database"),
    )
    for name, section in services:
        assert driver(new, name, section) == "mysql+mysqldb"
        assert driver(old, name, section) == "mysql+pymysql"
    assert "mysql+mysqldb" in nova.cells(lab, new)
    assert "mysql+mysqldb" not in nova.cells(lab, old)
    # Its API is on threads in every series, what runs beside it in the current one only.
    assert driver(old, "neutron/neutron.conf") == "mysql+mysqldb"
    assert driver(old, "neutron/in-python.conf") == "mysql+pymysql"
    lab.profile = "ovn"
    beside = {pod.key: neutron.together(lab, pod)[1].argv for pod in lab.pods}
    assert neutron._in_python(lab, old) in beside["pod2"]
    assert neutron._in_python(lab, new) not in beside["pod1"]
    # Tricircle's own processes are as they are documented.
    assert lab.database_url("tricircle").startswith("mysql+pymysql://")
