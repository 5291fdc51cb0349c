# SPDX-License-Identifier: Apache-2.0
"""Nova's own fake hypervisor, made fit for a cloud that restarts and for whole test suites."""

import io
import uuid

import nova.virt.node
from nova import exception
from nova.compute import task_states
from nova.image import glance
from nova.virt import fake

from .nova_console import Consoles


class FakeDriver(Consoles, fake.FakeLiveMigrateDriver):
    capabilities = dict(  # noqa: RUF012
        fake.FakeLiveMigrateDriver.capabilities, supports_rescue=True, supports_bfv_rescue=True
    )

    @staticmethod
    def node_uuid(node):
        """Always the same for a node: Nova's fake invents one at each start, then refuses it."""
        nova.virt.node.get_local_node_uuid()  # also writes the file that Nova checks at start
        return str(uuid.uuid5(uuid.NAMESPACE_DNS, node))

    def get_nodenames_by_uuid(self, refresh=False):
        return {self.node_uuid(node): node for node in self.get_available_nodes()}

    def get_available_resource(self, nodename):
        return super().get_available_resource(nodename) | {"uuid": self.node_uuid(nodename)}

    def get_info(self, instance, use_cache=True):
        if instance.uuid not in self.instances and instance.host == self._host:
            # Made before a restart: believe the database.
            self.instances[instance.uuid] = fake.FakeInstance(
                instance.name, instance.power_state, instance.uuid
            )
        return super().get_info(instance, use_cache=use_cache)

    def get_host_uptime(self):
        return " 10:00:00 up 1 day,  1:00,  0 users,  load average: 0.00, 0.00, 0.00"

    def get_console_output(self, context, instance):
        return "".join(f"line {number} of {instance.uuid}\n" for number in range(20))

    def snapshot(self, context, instance, image_id, update_task_state):
        """Nova's fake never uploads: the image would stay queued for ever."""
        if instance.uuid not in self.instances:
            raise exception.InstanceNotRunning(instance_id=instance.uuid)
        update_task_state(task_state=task_states.IMAGE_PENDING_UPLOAD)
        images = glance.API()
        image = images.get(context, image_id)
        update_task_state(
            task_state=task_states.IMAGE_UPLOADING,
            expected_state=task_states.IMAGE_PENDING_UPLOAD,
        )
        metadata = {
            "status": "active",
            "name": image.get("name"),
            "disk_format": image.get("disk_format") or "raw",
            "container_format": image.get("container_format") or "bare",
            "properties": image.get("properties") or {},
        }
        images.update(context, image_id, metadata, io.BytesIO(bytes(1024)), purge_props=False)
