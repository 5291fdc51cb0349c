# SPDX-License-Identifier: Apache-2.0
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _

from tricircle.client.proxy import Proxy
from tricircle.dashboard.jobs.tables import AllJobsTable
from tricircle.dashboard.paged import PagedView


class IndexView(PagedView):
    """What pods do not have yet as it is wanted."""

    table_class = AllJobsTable
    page_title = _("Jobs")
    failed = _("Unable to list jobs.")

    def listed(self, client: Proxy, **wanted: Any) -> Iterator[Any]:
        return client.jobs(**wanted)
