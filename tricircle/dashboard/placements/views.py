# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from typing import Any

from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from horizon import exceptions, views

from tricircle.client.proxy import Proxy
from tricircle.dashboard import api
from tricircle.dashboard.paged import PagedView
from tricircle.dashboard.placements.tables import ServersTable

INDEX = "horizon:admin:placements:index"


class IndexView(PagedView):
    """In which pod each server is."""

    table_class = ServersTable
    page_title = gettext_lazy("Placements")
    failed = gettext_lazy("Unable to list where servers are.")

    def listed(self, client: Proxy, **wanted: Any) -> Iterator[Any]:
        return client.routings(resource_type="server", **wanted)


class DetailView(views.HorizonTemplateView):
    """Why a server is in its pod."""

    template_name = "admin/placements/detail.html"
    page_title = gettext_lazy("Server {{ placement.server_id }}")

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        server_id = self.kwargs["server_id"]
        placement = api.ask(
            self.request,
            lambda client: client.get_placement(server_id),
            None,
            _("Unable to show why the server is where it is."),
        )
        if placement is None:
            raise exceptions.Http302(reverse(INDEX))
        weights = placement.weights or {}
        weighers = list(next(iter(weights.values()), {}))
        context["placement"] = placement
        context["weighers"] = weighers
        context["weights"] = [
            (region, [given.get(weigher) for weigher in weighers])
            for region, given in weights.items()
        ]
        return context
