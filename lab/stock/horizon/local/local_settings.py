# SPDX-License-Identifier: Apache-2.0
"""The lab's settings of Horizon, in the place where Horizon looks for a site's own."""

import json
import os

from openstack_dashboard.local import enabled as _enabled

from tricircle.dashboard import enabled as _ours

# As if the files were copied there, as operators do.
_enabled.__path__ += _ours.__path__

_told = json.loads(os.environ["LAB_HORIZON"])

ALLOWED_HOSTS = ["*"]
COMPRESS_OFFLINE = True
AVAILABLE_THEMES = [("default", "Default", "themes/default")]
STATIC_ROOT = _told["static"]
SECRET_KEY = _told["secret"]
OPENSTACK_KEYSTONE_URL = _told["identity"]
# Pods' regions stand in the catalogue too: users are let in to the one that is for them.
DEFAULT_SERVICE_REGIONS = {"*": _told["region"]}
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.memcached.PyMemcacheCache",
        "LOCATION": _told["memcached"],
    },
}
TIME_ZONE = "UTC"
OPENSTACK_CINDER_FEATURES = {"enable_backup": True}
OPENSTACK_NEUTRON_NETWORK = {
    "enable_auto_allocated_network": False,
    "enable_distributed_router": False,
    "enable_fip_topology_check": True,
    "enable_ha_router": False,
    "enable_ipv6": True,
    "enable_quotas": True,
    "enable_rbac_policy": True,
    "enable_router": True,
}
OPENSTACK_HYPERVISOR_FEATURES = {"can_set_password": False, "can_set_mount_point": False}
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler"}},
    "root": {"handlers": ["console"], "level": "WARNING"},
}
