# SPDX-License-Identifier: Apache-2.0
"""Horizon and the files that its pages are made with, in one process."""

from django.conf import settings
from openstack_dashboard.wsgi import application as horizon
from whitenoise import WhiteNoise

application = WhiteNoise(horizon, root=settings.STATIC_ROOT, prefix="static/", max_age=3600)
