# SPDX-License-Identifier: Apache-2.0
"""Lists too long for a page: one page of them, looked through by the Admin API."""

import itertools
from collections.abc import Iterator
from typing import Any

from django.utils.translation import gettext_lazy as _
from horizon import tables
from horizon.utils import functions

from tricircle.client.proxy import Proxy
from tricircle.dashboard import api

#: Rows of a page, whatever a user has set.
_MOST = 500


class PagedView(tables.DataTableView):
    """``listed`` names the list; what is looked for is a choice of the table's filter."""

    template_name = "horizon/common/_data_table_view.html"
    failed: Any = _("Unable to read the list.")
    _more = False

    def listed(self, client: Proxy, **wanted: Any) -> Iterator[Any]:
        raise NotImplementedError

    def get_data(self) -> list[Any]:
        size = min(functions.get_page_size(self.request), _MOST)
        wanted = self.get_filters() | {"limit": size + 1}
        if marker := self.request.GET.get(self.table_class._meta.pagination_param):
            wanted["marker"] = marker

        def question(client: Proxy) -> list[Any]:
            return list(itertools.islice(self.listed(client, **wanted), size + 1))

        found: list[Any] = api.ask(self.request, question, [], self.failed)
        self._more = len(found) > size
        return found[:size]

    def has_more_data(self, table: Any) -> bool:
        return self._more
