# SPDX-License-Identifier: Apache-2.0
"""Volumes as sparse files of a folder, a gigabyte scaled down to a megabyte.

Cinder itself can attach them (for images and backups) by its connector of type "local".
"""

import contextlib
import os
import subprocess

from cinder import exception, interface
from cinder.image import image_utils
from cinder.volume import configuration, driver, volume_utils
from oslo_config import cfg

OPTIONS = [cfg.StrOpt("lab_volume_folder", help="Folder of the volumes' files.")]
cfg.CONF.register_opts(OPTIONS, group=configuration.SHARED_CONF_GROUP)
GIGABYTE_SHIFT = 20  # 1 GB takes 2**20 bytes


@interface.volumedriver
class FileDriver(driver.CloneableImageVD, driver.MigrateVD, driver.BaseVD):
    VERSION = "1"
    CI_WIKI_NAME = "none"

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.configuration.append_config_values(OPTIONS)
        self.folder = self.configuration.lab_volume_folder

    def do_setup(self, context):
        os.makedirs(self.folder, exist_ok=True)

    def check_for_setup_error(self):
        pass

    def local_path(self, volume):
        return os.path.join(self.folder, volume.name)

    def _grow(self, volume, gigabytes):
        with open(self.local_path(volume), "ab") as file:
            file.truncate(gigabytes << GIGABYTE_SHIFT)

    def _copy(self, source, target):
        subprocess.run(
            ["cp", "--sparse=always", self.local_path(source), self.local_path(target)], check=True
        )

    # -- life of volumes and snapshots -----------------------------------------------------------

    def create_volume(self, volume):
        self._grow(volume, volume.size)

    def delete_volume(self, volume):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.local_path(volume))

    def extend_volume(self, volume, new_size):
        self._grow(volume, new_size)

    def create_snapshot(self, snapshot):
        self._copy(snapshot.volume, snapshot)

    delete_snapshot = delete_volume

    def create_volume_from_snapshot(self, volume, snapshot):
        self._copy(snapshot, volume)
        self._grow(volume, volume.size)

    create_cloned_volume = create_volume_from_snapshot

    def revert_to_snapshot(self, context, volume, snapshot):
        self._copy(snapshot, volume)

    def retype(self, context, volume, new_type, diff, host):
        return True, None

    def migrate_volume(self, context, volume, host):
        return False, None

    # -- images ----------------------------------------------------------------------------------

    def clone_image(self, context, volume, image_location, image_meta, image_service):
        return None, False

    def copy_image_to_volume(self, context, volume, image_service, image_id, disable_sparse=False):
        image_utils.fetch_to_raw(
            context,
            image_service,
            image_id,
            self.local_path(volume),
            self.configuration.volume_dd_blocksize,
            size=volume.size,
            disable_sparse=disable_sparse,
        )
        self._grow(volume, volume.size)

    def copy_volume_to_image(self, context, volume, image_service, image_meta):
        volume_utils.upload_volume(
            context, image_service, image_meta, self.local_path(volume), volume
        )

    # -- attaching -------------------------------------------------------------------------------

    def ensure_export(self, context, volume):
        pass

    remove_export = ensure_export

    def create_export(self, context, volume, connector):
        pass

    create_export_snapshot = create_export

    def remove_export_snapshot(self, context, snapshot):
        pass

    def initialize_connection(self, volume, connector, **kwargs):
        return {
            "driver_volume_type": "local",
            "data": {"device_path": self.local_path(volume), "access_mode": "rw"},
        }

    initialize_connection_snapshot = initialize_connection

    def terminate_connection(self, volume, connector, **kwargs):
        pass

    terminate_connection_snapshot = terminate_connection

    # -- files that were there before ------------------------------------------------------------

    def _existing(self, reference):
        name = reference.get("source-name")
        path = os.path.join(self.folder, os.path.basename(name or ""))
        if not name or not os.path.isfile(path):
            raise exception.ManageExistingInvalidReference(
                existing_ref=reference, reason="there is no such file"
            )
        return path

    def manage_existing(self, volume, existing_ref):
        os.rename(self._existing(existing_ref), self.local_path(volume))

    def manage_existing_get_size(self, volume, existing_ref):
        return os.path.getsize(self._existing(existing_ref)) >> GIGABYTE_SHIFT

    def unmanage(self, volume):
        pass

    # -- statistics ------------------------------------------------------------------------------

    def _update_volume_stats(self):
        self._stats = {
            "volume_backend_name": self.configuration.safe_get("volume_backend_name"),
            "vendor_name": "lab",
            "driver_version": self.VERSION,
            "storage_protocol": "local",
            "multiattach": True,
            "total_capacity_gb": 10000,
            "free_capacity_gb": 9000,
            "reserved_percentage": 0,
            "QoS_support": False,
            "thin_provisioning_support": True,
            "thick_provisioning_support": False,
            "max_over_subscription_ratio": "20",
            "provisioned_capacity_gb": 0,
            "online_extend_support": True,
        }

    def get_volume_stats(self, refresh=False):
        if refresh or not self._stats:
            self._update_volume_stats()
        return self._stats
