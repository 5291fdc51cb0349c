# SPDX-License-Identifier: Apache-2.0
"""An ML2 mechanism driver for API tests: binds any port on any host, at once, without agents."""

from neutron.services.qos.drivers.ovn import driver as ovn_qos
from neutron.services.trunk.drivers import base as trunk_driver
from neutron_lib import constants
from neutron_lib.api.definitions import portbindings
from neutron_lib.callbacks import events, registry, resources
from neutron_lib.plugins.ml2 import api
from neutron_lib.services.qos import base as qos_driver
from neutron_lib.services.trunk import constants as trunk_constants

NAME = "labfake"
VIF_DETAILS = {
    portbindings.CAP_PORT_FILTER: True,
    portbindings.VIF_DETAILS_CONNECTIVITY: portbindings.CONNECTIVITY_L2,
}
TRUNK_CHANGES = (
    (resources.TRUNK, events.AFTER_CREATE),
    (resources.SUBPORTS, events.AFTER_CREATE),
    (resources.SUBPORTS, events.AFTER_DELETE),
)


class FakeTrunkDriver(trunk_driver.DriverBase):
    """The trunk plugin does not start without a driver; nobody else would activate trunks."""

    @property
    def is_loaded(self):
        return True

    @registry.receives(resources.TRUNK_PLUGIN, [events.AFTER_INIT])
    def register(self, resource, event, trigger, payload=None):
        super().register(resource, event, trigger, payload=payload)
        for changed, when in TRUNK_CHANGES:
            registry.subscribe(self.activate, changed, when)

    def activate(self, resource, event, trigger, payload):
        payload.states[0].update(status=trunk_constants.TRUNK_ACTIVE_STATUS)


class FakeQosDriver(qos_driver.DriverBase):
    """Takes the rules a pod with OVN takes."""

    def __init__(self):
        super().__init__(
            NAME, (portbindings.VIF_TYPE_OVS,), portbindings.VNIC_TYPES, ovn_qos.SUPPORTED_RULES
        )


class FakeMechanismDriver(api.MechanismDriver):
    def initialize(self):
        self.qos_driver = FakeQosDriver()
        self.trunk_driver = FakeTrunkDriver(
            NAME, (portbindings.VIF_TYPE_OVS,), ("vlan",), None, can_trunk_bound_port=True
        )

    @property
    def connectivity(self):
        return portbindings.CONNECTIVITY_L2

    def supported_extensions(self, extensions):
        return extensions

    def bind_port(self, context):
        for segment in context.segments_to_bind[:1]:
            context.set_binding(
                segment[api.ID],
                portbindings.VIF_TYPE_OVS,
                dict(VIF_DETAILS),
                status=constants.PORT_STATUS_ACTIVE,
            )
