# SPDX-License-Identifier: Apache-2.0
"""A virt driver whose servers are network namespaces, plugged into their host's switch.

One process may hold several compute hosts, so a driver knows its host by the name given to
``init_host`` only.
"""

import os

import nova.conf
from nova import exception
from nova.compute import power_state
from nova.network import os_vif_util
from nova.virt import fake
from oslo_config import cfg
from oslo_log import log as logging

from . import nova_netns_guest as guests
from .nova_fake import FakeDriver
from .nova_netns_switch import Switch

STATEFUL = "dhcpv6-stateful"
LOG = logging.getLogger(__name__)
CONF = nova.conf.CONF
CONF.register_opts(
    [cfg.StrOpt("host_settings", help="Folder with a file <host>.json for each compute host.")],
    group="lab",
)


class NetnsDriver(FakeDriver):
    def init_host(self, host):
        super().init_host(host)
        self._settings = guests.HostSettings.load(CONF.lab.host_settings, host)
        self._switch = Switch(self._settings.ovsdb)
        for guest in guests.guests(self._settings):
            state = guest.load()
            self.instances[guest.uuid] = fake.FakeInstance(
                state["name"], state["state"], guest.uuid
            )

    def _guest(self, instance, must_exist=True):
        guest = guests.Guest(self._settings, instance.uuid)
        if must_exist and not guest.exists:
            raise exception.InstanceNotFound(instance_id=instance.uuid)
        return guest

    def _track(self, instance, state):
        self.instances[instance.uuid] = fake.FakeInstance(instance.name, state, instance.uuid)

    def get_info(self, instance, use_cache=True):
        """A namespace that has gone is a server that has gone, whatever the database says."""
        return fake.FakeDriver.get_info(self, instance, use_cache=use_cache)

    def get_host_ip_addr(self):
        return CONF.my_ip

    # -- birth and death ---------------------------------------------------------------------------

    def spawn(
        self,
        context,
        instance,
        image_meta,
        injected_files,
        admin_password,
        allocations,
        network_info=None,
        block_device_info=None,
        power_on=True,
        accel_info=None,
    ):
        guest = self._guest(instance, must_exist=False)
        guest.destroy()  # what an interrupted build left
        self._create(instance, guest, network_info or (), wait=power_on)
        super().spawn(
            context,
            instance,
            image_meta,
            injected_files,
            admin_password,
            allocations,
            network_info=network_info,
            block_device_info=block_device_info,
            power_on=power_on,
            accel_info=accel_info,
        )
        if power_on:
            guest.boot(*self._banner(instance))

    def _create(self, instance, guest, network_info, wait):
        """Namespace, NICs, ports; then wait, as for a KVM guest, for Neutron to say it is done."""
        guest.create(instance.hostname or instance.name)
        events = [
            ("network-vif-plugged", vif["id"])
            for vif in network_info
            if wait and CONF.vif_plugging_timeout and vif.get("active", True) is False
        ]
        try:
            with self.virtapi.wait_for_instance_event(
                instance, events, CONF.vif_plugging_timeout, self._plug_failed
            ):
                self.plug_vifs(instance, network_info)
        except exception.InstanceEventTimeout:
            if CONF.vif_plugging_is_fatal:
                self._remove(guest)
                raise exception.VirtualInterfaceCreateException() from None
            LOG.warning("Neutron did not confirm all ports.", instance=instance)
        except Exception:
            self._remove(guest)
            raise

    @staticmethod
    def _plug_failed(event_name, instance):
        LOG.error("Neutron could not plug: %s", event_name, instance=instance)
        if CONF.vif_plugging_is_fatal:
            raise exception.VirtualInterfaceCreateException()

    def _banner(self, instance):
        flavor = instance.flavor
        return (
            f"lab server {instance.display_name} ({instance.uuid})",
            f"host {self._host}, kernel {os.uname().release}",
            f"flavor {flavor.name}: {flavor.vcpus} VCPU, {flavor.memory_mb} MB",
            f"image {instance.image_ref or 'none (boots from a volume)'}",
            f"key {instance.key_name or 'none'}",
            f"user data {len(instance.user_data or '')} bytes, config drive "
            f"{'yes' if instance.config_drive else 'no'}",
            "loopback up",
            "booting",
        )

    def destroy(
        self,
        context,
        instance,
        network_info,
        block_device_info=None,
        destroy_disks=True,
        destroy_secrets=True,
    ):
        self._remove(self._guest(instance, must_exist=False))
        if instance.uuid in self.instances:
            super().destroy(context, instance, network_info, block_device_info, destroy_disks)

    def _remove(self, guest):
        for tap in guest.taps:
            self._switch.unplug(tap)
        guest.destroy()

    # -- NICs --------------------------------------------------------------------------------------

    def plug_vifs(self, instance, network_info):
        """Also called for each server when nova-compute starts: then all is there already."""
        guest = self._guest(instance)
        for vif in network_info:
            self._plug(instance, guest, vif)

    def _plug(self, instance, guest, vif):
        wanted = os_vif_util.nova_to_osvif_vif(vif)
        if wanted is None:
            raise exception.VirtualInterfacePlugException(
                f"port {vif['id']} is not bound to a network of host {self._host} ({vif['type']})"
            )
        subnets = vif["network"]["subnets"]
        guest.add_nic(
            vif["id"],
            wanted.vif_name,
            vif["address"],
            vif["network"].get_meta("mtu") or 1500,
            dhcp=any(subnet["version"] == 4 for subnet in subnets),
            dhcp6=any(subnet.get_meta("ipv6_address_mode") == STATEFUL for subnet in subnets),
        )
        self._switch.plug(wanted, os_vif_util.nova_to_osvif_instance(instance))
        self._interfaces[vif["id"]] = vif

    def unplug_vifs(self, instance, network_info):
        guest = self._guest(instance, must_exist=False)
        if guest.exists:
            for vif in network_info:
                self._unplug(guest, vif["id"])

    def _unplug(self, guest, port):
        nic = guest.load()["nics"].get(port)
        if nic:
            self._switch.unplug(nic["tap"])
            guest.remove_nic(port)
        self._interfaces.pop(port, None)

    def attach_interface(self, context, instance, image_meta, vif):
        guest = self._guest(instance)
        if vif["id"] in guest.load()["nics"]:
            raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid)
        try:
            self._plug(instance, guest, vif)
        except Exception:
            LOG.exception("Could not plug port %s", vif["id"], instance=instance)
            self._unplug(guest, vif["id"])
            raise exception.InterfaceAttachFailed(instance_uuid=instance.uuid) from None
        if guest.load()["state"] == power_state.RUNNING:
            guest.start_nic(vif["id"])

    def detach_interface(self, context, instance, vif):
        guest = self._guest(instance)
        if vif["id"] not in guest.load()["nics"]:
            raise exception.InterfaceDetachFailed(instance_uuid=instance.uuid)
        self._unplug(guest, vif["id"])

    # -- power -------------------------------------------------------------------------------------

    def power_off(self, instance, timeout=0, retry_interval=0):
        self._guest(instance).shutdown()
        self._track(instance, power_state.SHUTDOWN)

    def power_on(self, context, instance, network_info, *args, **kwargs):
        guest = self._guest(instance)
        self.plug_vifs(instance, network_info)
        guest.boot(*self._banner(instance))
        super().power_on(context, instance, network_info, *args, **kwargs)

    def reboot(self, context, instance, network_info, reboot_type, *args, **kwargs):
        guest = self._guest(instance, must_exist=False)
        if guest.exists:
            guest.shutdown()
        elif reboot_type == "HARD":
            self._create(instance, guest, network_info, wait=False)
        self._track(instance, power_state.SHUTDOWN)
        self.power_on(context, instance, network_info)

    def resume_state_on_host_boot(self, context, instance, network_info, *args, **kwargs):
        if not self._guest(instance, must_exist=False).exists:
            self.reboot(context, instance, network_info, "HARD")

    def pause(self, instance):
        self._freeze(instance, power_state.PAUSED)

    def unpause(self, instance):
        self._thaw(instance)

    def suspend(self, context, instance):
        self._freeze(instance, power_state.SUSPENDED)

    def resume(self, context, instance, network_info, *args, **kwargs):
        self._thaw(instance)

    def _freeze(self, instance, state):
        self._guest(instance).freeze(state)
        self._track(instance, state)

    def _thaw(self, instance):
        self._guest(instance).thaw()
        self._track(instance, power_state.RUNNING)

    def rescue(self, context, instance, network_info, *args, **kwargs):
        self.reboot(context, instance, network_info, "HARD")

    def unrescue(self, context, instance, *args, **kwargs):
        guest = self._guest(instance)
        guest.shutdown()
        guest.boot(*self._banner(instance))
        self._track(instance, power_state.RUNNING)

    def get_console_output(self, context, instance):
        return self._guest(instance, must_exist=False).read_console()

    # -- moving ------------------------------------------------------------------------------------

    def migrate_disk_and_power_off(
        self, context, instance, dest, flavor, network_info, *args, **kwargs
    ):
        self.power_off(instance)
        self.unplug_vifs(instance, network_info)

    def finish_migration(
        self,
        context,
        migration,
        instance,
        disk_info,
        network_info,
        image_meta,
        resize_instance,
        allocations,
        block_device_info=None,
        power_on=True,
        share_info=None,
    ):
        self.spawn(
            context,
            instance,
            image_meta,
            None,
            None,
            allocations,
            network_info=network_info,
            block_device_info=block_device_info,
            power_on=power_on,
        )

    def finish_revert_migration(
        self,
        context,
        instance,
        network_info,
        migration,
        block_device_info=None,
        power_on=True,
        share_info=None,
    ):
        guest = self._guest(instance, must_exist=False)
        if not guest.exists:
            guest.create(instance.hostname or instance.name)
        self._track(instance, power_state.SHUTDOWN)
        if power_on:
            self.power_on(context, instance, network_info)
        else:
            self.plug_vifs(instance, network_info)

    def confirm_migration(self, context, migration, instance, network_info):
        if migration.source_compute != migration.dest_compute:
            self.destroy(context, instance, network_info)

    def pre_live_migration(
        self, context, instance, block_device_info, network_info, disk_info, migrate_data
    ):
        """On the destination: everything is there, but nothing runs yet."""
        guest = self._guest(instance, must_exist=False)
        guest.destroy()
        self._create(instance, guest, network_info, wait=False)
        return migrate_data

    def rollback_live_migration_at_destination(
        self,
        context,
        instance,
        network_info,
        block_device_info,
        destroy_disks=True,
        migrate_data=None,
    ):
        self._remove(self._guest(instance, must_exist=False))

    def live_migration_force_complete(self, instance):
        self._migrating = False

    def post_live_migration_at_destination(
        self, context, instance, network_info, block_migration=False, block_device_info=None
    ):
        self._guest(instance).boot(*self._banner(instance))
        self._track(instance, power_state.RUNNING)
        flavor = instance.flavor
        self.resources.claim(vcpus=flavor.vcpus, mem=flavor.memory_mb, disk=flavor.root_gb)
