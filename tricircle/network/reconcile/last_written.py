# SPDX-License-Identifier: Apache-2.0
"""What this process has written to pods last, so that the next change need not ask for it."""

import collections
import threading

from tricircle.db.realizations import Row
from tricircle.network.central.central_neutron import Resource

# Documents at the most; those of what changes all the time are wanted.
_MOST = 256


class LastWritten:
    """The last documents of realizations by their rows. Thread-safe.

    One is as good as asking while the row says that it is of its realized revision, and that
    nobody has tried anything since.
    """

    def __init__(self) -> None:
        self._documents: collections.OrderedDict[str, tuple[int, Resource]] = (
            collections.OrderedDict()
        )
        self._lock = threading.Lock()

    def keep(self, row: Row, document: Resource | None) -> None:
        """``row``, as it was claimed, is realized; its object is so, or that is not known."""
        with self._lock:
            self._documents.pop(row.id, None)
            if document is not None:
                self._documents[row.id] = row.wanted_revision, document
            if len(self._documents) > _MOST:
                self._documents.popitem(last=False)

    def recall(self, row: Row) -> Resource | None:
        """The object of a row that was claimed just now; None when the pod must be asked."""
        with self._lock:
            revision, document = self._documents.get(row.id, (None, None))
        if document is None or document["id"] != row.pod_resource_id or row.attempts > 1:
            return None
        return document if revision == row.realized_revision else None
