# SPDX-License-Identifier: Apache-2.0
"""A server as a namespace: what it remembers, what it asks of the machine (which is not there)."""

import subprocess

import pytest

from lab.stock import nova_netns_guest as guests


class Machine:
    """Remembers the commands; makes and removes names of namespaces as `ip netns` does."""

    def __init__(self, folder):
        self.folder = folder
        self.commands = []
        self.daemons = []
        self.missing_links = set()

    def run(self, *argv, stdin=None):
        words = [str(word) for word in argv]
        for line in (stdin or "").splitlines() or [""]:
            self.commands.append(" ".join([*words, line]).strip())
        if words[:3] == ["ip", "netns", "add"]:
            (self.folder / words[3]).touch()
        if words[:3] == ["ip", "netns", "delete"]:
            (self.folder / words[3]).unlink()
        if "delete" in words and words[-1] in self.missing_links:
            raise subprocess.CalledProcessError(1, words)
        return ""

    def popen(self, argv, **kwargs):
        assert kwargs["start_new_session"], "a DHCP client must outlive nova-compute"
        self.daemons.append([str(word) for word in argv])

    def done(self, text):
        return [command for command in self.commands if text in command]


@pytest.fixture
def machine(tmp_path, monkeypatch):
    folder = tmp_path / "netns"
    folder.mkdir()
    made = Machine(folder)
    monkeypatch.setattr(guests, "NETNS", folder)
    monkeypatch.setattr(guests, "run", made.run)
    monkeypatch.setattr(guests.subprocess, "Popen", made.popen)
    return made


@pytest.fixture
def host(tmp_path):
    (tmp_path / "host1.json").write_text(
        '{"netns": "lab.host1", "ovsdb": "unix:/x", "server_prefix": "lab.host1.", "servers": "'
        + str(tmp_path / "servers")
        + '"}'
    )
    return guests.HostSettings.load(tmp_path, "host1")


@pytest.fixture
def guest(machine, host):
    made = guests.Guest(host, "u1")
    made.create("web")
    return made


def test_a_server_is_there_when_its_namespace_and_its_state_are(guest, machine):
    assert guest.exists
    assert guest.load() == {"name": "web", "state": guests.SHUTDOWN, "nics": {}}
    (machine.folder / "lab.host1.u1").unlink()
    assert not guest.exists
    assert guest.taps == []


def test_nics_are_counted_up_and_gaps_are_filled(guest):
    for number in range(3):
        guest.add_nic(f"p{number}", f"tap{number}", f"02:00:00:00:00:0{number}", 1442)
    guest.remove_nic("p1")
    guest.add_nic("p3", "tap3", "02:00:00:00:00:03", 1442)
    assert {port: nic["eth"] for port, nic in guest.load()["nics"].items()} == {
        "p0": "eth0",
        "p2": "eth2",
        "p3": "eth1",
    }
    assert guest.taps == ["tap0", "tap2", "tap3"]


def test_plugging_twice_makes_one_nic(guest, machine):
    guest.add_nic("p0", "tap0", "02:00:00:00:00:01", 1442)
    guest.add_nic("p0", "tap0", "02:00:00:00:00:01", 1442)
    assert len(machine.done("link add eth0")) == 1


def test_both_ends_of_a_nic_compute_checksums_and_know_the_mtu(guest, machine):
    machine.missing_links.add("tap0")
    guest.add_nic("p0", "tap0", "02:00:00:00:00:01", 1442)
    assert len(machine.done("tx off")) == 2
    (made,) = machine.done("link add eth0")
    assert made.count("mtu 1442") == 2
    assert "netns lab.host1" in made


def test_booting_asks_for_addresses_as_the_network_wants(guest, machine):
    guest.add_nic("p0", "tap0", "02:00:00:00:00:01", 1500)
    guest.add_nic("p1", "tap1", "02:00:00:00:00:02", 1500, dhcp=False, dhcp6=True)
    guest.add_nic("p2", "tap2", "02:00:00:00:00:03", 1500, dhcp=False)
    guest.boot("hello")
    clients = [(daemon[4:6], daemon[-1]) for daemon in machine.daemons]
    assert [words for words, _ in clients] == [["busybox", "udhcpc"], ["sh", "-c"]]
    assert "eth0" in machine.daemons[0]
    assert machine.daemons[1][-1] == "eth1"
    assert guest.load()["state"] == guests.RUNNING
    assert "hello" in guest.read_console()


def test_a_frozen_server_loses_its_cables_and_keeps_its_addresses(guest, machine):
    guest.add_nic("p0", "tap0", "02:00:00:00:00:01", 1500)
    guest.boot()
    machine.commands.clear()
    guest.freeze(guests.PAUSED)
    assert guest.load()["state"] == guests.PAUSED
    assert machine.commands == ["ip -n lab.host1 -batch - link set tap0 down"]
    guest.thaw()
    assert guest.load()["state"] == guests.RUNNING
    assert machine.commands[1:] == ["ip -n lab.host1 -batch - link set tap0 up"]


def test_a_server_switched_off_has_no_addresses(guest, machine):
    guest.add_nic("p0", "tap0", "02:00:00:00:00:01", 1500)
    guest.boot()
    guest.shutdown()
    assert machine.done("address flush dev eth0")
    assert guest.load()["state"] == guests.SHUTDOWN


def test_a_restart_finds_what_is_there_and_removes_what_is_left(guest, machine, host):
    gone = guests.Guest(host, "u2")
    gone.create("db")
    (machine.folder / gone.netns).unlink()
    half = guests.Guest(host, "u3")
    half.create("half")
    (half.folder / "state.json").unlink()
    assert [found.uuid for found in guests.guests(host)] == ["u1"]
    assert not gone.folder.exists()
    assert not half.folder.exists()
    assert not (machine.folder / half.netns).exists()


def test_destroying_twice_is_harmless(guest, machine):
    guest.destroy()
    guest.destroy()
    assert not guest.exists
    assert not guest.folder.exists()
    assert list(machine.folder.iterdir()) == []
