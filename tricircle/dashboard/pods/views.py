# SPDX-License-Identifier: Apache-2.0
from typing import Any

from django.urls import reverse, reverse_lazy
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from horizon import exceptions, forms, tables, tabs

from tricircle.client.proxy import Proxy
from tricircle.dashboard import api
from tricircle.dashboard.pods import overview
from tricircle.dashboard.pods.forms import StateForm
from tricircle.dashboard.pods.tables import PodsTable
from tricircle.dashboard.pods.tabs import PodTabs

INDEX = "horizon:admin:pods:index"


class IndexView(tables.DataTableView):
    """A map of the pods by zone, and a table of them."""

    table_class = PodsTable
    template_name = "admin/pods/index.html"
    page_title = gettext_lazy("Pods")

    def get_data(self) -> list[overview.Overview]:
        return api.ask(self.request, overview.overviews, [], _("Unable to list pods."))

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["zones"] = overview.by_zone(self.table.data or [])
        return context


class StateView(forms.ModalFormView):
    """Where the state of a pod is changed."""

    form_class = StateForm
    form_id = "pod_state_form"
    template_name = "admin/pods/state.html"
    page_title = gettext_lazy("Change State of Pod")
    submit_label = gettext_lazy("Change State")
    success_url = reverse_lazy(INDEX)

    def get_initial(self) -> dict[str, Any]:
        pod_id = self.kwargs["pod_id"]
        failed = _("Unable to show the pod.")
        pod = api.ask(self.request, lambda client: client.get_pod(pod_id), None, failed)
        if pod is None:
            raise exceptions.Http302(reverse(INDEX))
        return {"pod_id": pod.id, "state": pod.state}

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["submit_url"] = reverse("horizon:admin:pods:state", args=[self.kwargs["pod_id"]])
        return context


class DetailView(tabs.TabbedTableView):
    """A pod's page."""

    tab_group_class = PodTabs
    template_name = "horizon/common/_detail.html"
    page_title = "{{ one.pod.region_name }}"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        context: dict[str, Any] = super().get_context_data(**kwargs)
        context["one"] = self._one()
        context["url"] = reverse(INDEX)
        return context

    def get_tabs(self, request: Any, *args: Any, **kwargs: Any) -> Any:
        return super().get_tabs(request, *args, one=self._one(), **kwargs)

    def _one(self) -> overview.Overview:
        """Raises Http302 to the list, which says why the pod cannot be shown."""
        if not hasattr(self, "_found"):
            self._found = api.ask(self.request, self._asked, None, _("Unable to show the pod."))
        if self._found is None:
            raise exceptions.Http302(reverse(INDEX))
        return self._found

    def _asked(self, client: Proxy) -> overview.Overview | None:
        pod = client.get_pod(self.kwargs["pod_id"])
        usages = list(client.usages(region_name=pod.region_name))
        return overview.seen(pod, usages[0] if usages else None)
