# SPDX-License-Identifier: Apache-2.0
"""What a pod's page has. A tab beyond the first asks only when it is looked at."""

import itertools
from typing import Any

from django.utils.translation import gettext_lazy as _
from horizon import tabs

from tricircle.client.proxy import Proxy
from tricircle.dashboard import api
from tricircle.dashboard.jobs.tables import JobsTable
from tricircle.dashboard.pods import tables

#: Rows of a tab.
MOST = 100


class OverviewTab(tabs.Tab):
    name = _("Overview")
    slug = "overview"
    template_name = "admin/pods/_overview.html"

    def get_context_data(self, request: Any) -> dict[str, Any]:
        return {"one": self.tab_group.kwargs["one"]}


class _Newest(tabs.TableTab):
    """One of the lists that the Admin API has of a pod."""

    template_name = "horizon/common/_detail_table.html"
    preload = False
    failed: Any

    def newest(self, client: Proxy, pod_id: str) -> Any:
        raise NotImplementedError

    def rows(self) -> list[Any]:
        pod_id = self.tab_group.kwargs["pod_id"]
        return api.ask(
            self.request,
            lambda client: list(itertools.islice(self.newest(client, pod_id), MOST)),
            [],
            self.failed,
        )


class JobsTab(_Newest):
    name = _("Jobs")
    slug = "jobs"
    table_classes = (JobsTable,)
    failed = _("Unable to list the jobs of the pod.")

    def newest(self, client: Proxy, pod_id: str) -> Any:
        return client.jobs(pod_id=pod_id, limit=MOST)

    def get_jobs_data(self) -> list[Any]:
        return self.rows()


class RepairsTab(_Newest):
    name = _("Repairs")
    slug = "repairs"
    table_classes = (tables.RepairsTable,)
    failed = _("Unable to list what was repaired in the pod.")

    def newest(self, client: Proxy, pod_id: str) -> Any:
        return client.repairs(pod_id=pod_id, limit=MOST)

    def get_repairs_data(self) -> list[Any]:
        return self.rows()


class MovesTab(_Newest):
    name = _("Moves")
    slug = "moves"
    table_classes = (tables.MovesTable,)
    failed = _("Unable to list the moves from and to the pod.")

    def newest(self, client: Proxy, pod_id: str) -> Any:
        return client.volume_moves(pod_id=pod_id, limit=MOST)

    def get_moves_data(self) -> list[Any]:
        return self.rows()


class ImagesTab(_Newest):
    """Of a pod with a Glance of its own; empty for the others."""

    name = _("Images")
    slug = "images"
    table_classes = (tables.ImagesTable,)
    failed = _("Unable to list the images of the pod.")

    def newest(self, client: Proxy, pod_id: str) -> Any:
        return client.images(pod_id=pod_id, limit=MOST)

    def get_images_data(self) -> list[Any]:
        return self.rows()


class ChangesTab(_Newest):
    name = _("Changes")
    slug = "changes"
    table_classes = (tables.ChangesTable,)
    failed = _("Unable to list what became of the pod.")

    def newest(self, client: Proxy, pod_id: str) -> Any:
        return client.pod_changes(pod_id)

    def get_changes_data(self) -> list[Any]:
        return self.rows()


class PodTabs(tabs.TabGroup):
    slug = "pod"
    tabs = (OverviewTab, JobsTab, RepairsTab, MovesTab, ImagesTab, ChangesTab)
    sticky = True
