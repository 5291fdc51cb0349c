# SPDX-License-Identifier: Apache-2.0
from django.utils.translation import gettext_lazy as _

PANEL_GROUP = "multiregion"
PANEL_GROUP_NAME = _("Multi-Region")
PANEL_GROUP_DASHBOARD = "admin"
