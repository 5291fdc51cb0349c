# SPDX-License-Identifier: Apache-2.0
"""Claims last as long as the process that has them lives: it renews them, a dead one does not."""

import threading
import time
from collections.abc import Callable, Mapping

from oslo_db import exception as db_exc
from oslo_log import log as logging

from tricircle.conf import CONF

LOG = logging.getLogger(__name__)


class Leases:
    """The claims this process holds, {token: id of the row}. Thread-safe.

    ``renew`` is called with them every third of [reconciler] lease_seconds, each for
    claim_seconds at the most: work that is forgotten must not keep its claim.
    """

    def __init__(self, renew: Callable[[Mapping[str, str]], object]) -> None:
        self._renew = renew
        self._held: dict[str, tuple[str, float]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def hold(self, token: str, row_id: str) -> None:
        if CONF.reconciler.lease_seconds >= CONF.reconciler.claim_seconds:
            return
        with self._lock:
            self._held[token] = row_id, time.monotonic() + CONF.reconciler.claim_seconds
            # Also the first time after a fork, which takes no threads along.
            if self._thread is None or not self._thread.is_alive():
                self._thread = threading.Thread(target=self._run, name="leases", daemon=True)
                self._thread.start()

    def drop(self, token: str | None) -> None:
        with self._lock:
            self._held.pop(token or "", None)

    def held(self) -> dict[str, str]:
        """The claims to renew."""
        moment = time.monotonic()
        with self._lock:
            self._held = {token: one for token, one in self._held.items() if one[1] > moment}
            return {token: row_id for token, (row_id, _) in self._held.items()}

    def _run(self) -> None:
        while True:
            time.sleep(CONF.reconciler.lease_seconds / 3)
            held = self.held()
            with self._lock:
                if not self._held:
                    self._thread = None
                    return
            try:
                self._renew(held)
            except db_exc.DBError as error:
                LOG.warning("Claims could not be renewed: %s", error)
            except Exception:
                LOG.exception("Claims could not be renewed")
