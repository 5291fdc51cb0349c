# SPDX-License-Identifier: Apache-2.0
"""os-vif's Open vSwitch plugin, one instance per compute host.

Stock os-vif serves one switch per process and works in that process's network namespace. Here
several hosts may share a process, and each host's switch stands in a namespace of its own. So two
things differ: the plugin's connection (each host's own OVS database, over its unix socket), and
what os-vif does to the device itself (the switch is asked to set the MTU; the virt driver makes and
removes the device).
"""

import threading
import types

from os_vif import objects as os_vif_objects
from ovsdbapp.backend.ovs_idl import connection
from vif_plug_ovs import ovs
from vif_plug_ovs.ovsdb import impl_idl, ovsdb_lib

INTEGRATION_BRIDGE = "br-int"
DATAPATH = "netdev"


def plugin(ovsdb_connection):
    """An OvsPlugin with os-vif's own defaults, for that switch."""
    config = types.SimpleNamespace(**{opt.dest: opt.default for opt in ovs.OvsPlugin.CONFIG_OPTS})
    config.ovsdb_connection = ovsdb_connection
    config.ovs_vsctl_timeout = 20
    made = ovs.OvsPlugin(config)
    made.ovsdb = HostOVS(config)
    return made


class HostOVS(ovsdb_lib.BaseOVS):
    def __init__(self, config):
        super().__init__(config)
        self._lock = threading.Lock()
        self._idl = None

    @property
    def ovsdb(self):
        with self._lock:
            if self._idl is None:
                # ovsdbapp keeps a connection per class: a class per switch.
                api = type("HostIdl", (impl_idl.NeutronOvsdbIdl,), {"_ovsdb_connection": None})
                self._idl = api(
                    connection.Connection(idl=impl_idl.idl_factory(self), timeout=self.timeout)
                )
            return self._idl

    def update_device_mtu(self, txn, dev, mtu, interface_type=None):
        if mtu:
            self._set_mtu_request(txn, dev, mtu)

    def delete_ovs_vif_port(self, bridge, dev, delete_netdev=True, qos_type=None):
        super().delete_ovs_vif_port(bridge, dev, delete_netdev=False, qos_type=qos_type)


class Switch:
    def __init__(self, ovsdb_connection):
        self._plugin = plugin(ovsdb_connection)

    def plug(self, vif, instance_info):
        """Make the vif's device a port of the integration bridge with the Neutron port's id."""
        assert isinstance(vif, os_vif_objects.vif.VIFOpenVSwitch), f"cannot plug {vif}"
        # Releases before 2025.2 do not tell; a wrong guess would change the bridge itself.
        vif.port_profile.datapath_type = DATAPATH
        # libvirt would make the port itself; where there is none, os-vif does it when asked to.
        vif.port_profile.create_port = True
        # The device is there: os-vif would make one of that name in this process's namespace.
        if "create_tap" in vif.port_profile.fields:
            vif.port_profile.create_tap = False
        self._plugin.plug(vif, instance_info)

    def unplug(self, tap):
        self._plugin.ovsdb.delete_ovs_vif_port(INTEGRATION_BRIDGE, tap)
