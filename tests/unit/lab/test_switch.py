# SPDX-License-Identifier: Apache-2.0
"""Plugging with the real os-vif plugin into a switch that only remembers."""

import contextlib

import os_vif
import pytest
from os_vif import objects
from vif_plug_ovs import linux_net

from lab.stock import nova_netns_switch

PORT = "9998d1ff-5c3f-4be8-9890-80e938e7b73b"
SERVER = "3bc7b459-7738-4315-bbca-4082c9fe6ad1"


class Database:
    """Stands where ovsdbapp's API stands: every command is remembered with its arguments."""

    def __init__(self):
        self.commands = []

    @contextlib.contextmanager
    def transaction(self):
        yield self

    def add(self, command):
        pass

    def __getattr__(self, name):
        def command(*args, **kwargs):
            self.commands.append((name, args, kwargs))
            return self

        return command

    def execute(self, **kwargs):
        return []

    def named(self, name):
        return [(args, kwargs) for command, args, kwargs in self.commands if command == name]


@pytest.fixture
def database(monkeypatch):
    made = Database()
    monkeypatch.setattr(nova_netns_switch.HostOVS, "ovsdb", made)

    def touched(*args, **kwargs):
        raise AssertionError("os-vif touched a device of this process's namespace")

    for name in ("create_tap", "set_device_mtu", "delete_net_dev"):
        monkeypatch.setattr(linux_net, name, touched)
    return made


@pytest.fixture
def vif():
    os_vif.initialize()
    profile = objects.vif.VIFPortProfileOpenVSwitch(interface_id=PORT)
    if "create_tap" in profile.fields:
        profile.create_tap = True  # as Neutron 29 wants it where libvirt runs
    return objects.vif.VIFOpenVSwitch(
        id=PORT,
        address="fa:16:3e:a3:b9:3a",
        network=objects.network.Network(id=SERVER, bridge="br-int", mtu=1442),
        plugin="ovs",
        vif_name="tapunit-test",
        port_profile=profile,
    )


def test_a_port_is_plugged_as_for_libvirt_without_touching_a_device(database, vif):
    switch = nova_netns_switch.Switch("unix:/run/x/db.sock")
    switch.plug(vif, objects.instance_info.InstanceInfo(uuid=SERVER, name="server"))
    assert database.named("add_port") == [(("br-int", "tapunit-test"), {})]
    (ids,) = [
        dict(args[2:])["external_ids"]
        for args, _ in database.named("db_set")
        if "external_ids" in dict(args[2:])
    ]
    assert ids["iface-id"] == PORT
    assert ids["attached-mac"] == "fa:16:3e:a3:b9:3a"
    assert ids["vm-uuid"] == SERVER
    assert ids["iface-status"] == "active"


def test_the_bridge_keeps_its_datapath_and_the_switch_sets_the_mtu(database, vif):
    switch = nova_netns_switch.Switch("unix:/run/x/db.sock")
    switch.plug(vif, objects.instance_info.InstanceInfo(uuid=SERVER, name="server"))
    assert {kwargs["datapath_type"] for _, kwargs in database.named("add_br")} == {"netdev"}
    assert (("Interface", "tapunit-test", ("mtu_request", 1442)), {}) in database.named("db_set")
    assert not database.named("db_create"), "no queue of the kernel for a userspace port"


def test_unplugging_takes_the_port_only(database, vif):
    nova_netns_switch.Switch("unix:/run/x/db.sock").unplug("tapunit-test")
    ((args, kwargs),) = database.named("del_port")
    assert args == ("tapunit-test",)
    assert kwargs == {"bridge": "br-int", "if_exists": True}
