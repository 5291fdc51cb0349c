# SPDX-License-Identifier: Apache-2.0
from typing import Any
from urllib.parse import quote

from django.utils.translation import gettext_lazy as _
from horizon import tables


class ServerFilter(tables.FilterAction):
    name = "server_filter"
    filter_type = "server"
    filter_choices = (
        ("resource_id", _("Server ID ="), True),
        ("region_name", _("Region ="), True),
        ("project_id", _("Project ID ="), True),
    )


class ServersTable(tables.DataTable):
    server = tables.Column(
        "resource_id", verbose_name=_("Server"), link="horizon:admin:placements:detail"
    )
    region = tables.Column("region_name", verbose_name=_("Region"))
    project = tables.Column("project_id", verbose_name=_("Project"))
    since = tables.Column("created_at", verbose_name=_("Since"))

    class Meta:
        name = "servers"
        verbose_name = _("Servers")
        table_actions = (ServerFilter,)
        pagination_param = "server_marker"

    def get_object_id(self, datum: Any) -> str:
        return str(datum.resource_id)

    def get_object_display(self, datum: Any) -> str:
        return str(datum.resource_id)

    def get_marker(self) -> str:
        return quote(f"server:{self.data[-1].resource_id}") if self.data else ""
