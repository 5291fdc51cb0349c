# SPDX-License-Identifier: Apache-2.0
import horizon
from django.utils.translation import gettext_lazy as _

from tricircle.dashboard import api


class Placements(horizon.Panel):
    name = _("Placements")
    slug = "placements"
    permissions = api.PERMISSIONS
    policy_rules = api.POLICY_RULES
