# SPDX-License-Identifier: Apache-2.0
"""Settings of a Horizon that runs in a test's own process: nothing of it is kept."""

from openstack_dashboard.local import enabled as _enabled

from tricircle.dashboard import enabled as _ours

# As if its files were copied there.
_enabled.__path__ += _ours.__path__

SECRET_KEY = "secret"
ALLOWED_HOSTS = ["*"]
CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
SESSION_ENGINE = "django.contrib.sessions.backends.cache"
COMPRESS_ENABLED = False
COMPRESS_PRECOMPILERS = ()
DEFAULT_SERVICE_REGIONS = {"*": "RegionOne"}
# Whoever tests sees to what is logged.
LOGGING_CONFIG = None
