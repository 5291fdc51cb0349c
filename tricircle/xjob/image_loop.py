# SPDX-License-Identifier: Apache-2.0
"""The work on images of one pod: a few at a time, in threads of their own, for they take long."""

import concurrent.futures
import threading
from collections.abc import Callable

from oslo_log import log as logging

from tricircle.conf import CONF
from tricircle.db.work_queue import own_queue
from tricircle.pods.errors import PodError
from tricircle.pods.identity import KeystoneFailed
from tricircle.pods.pod import Pod
from tricircle.pods.reconciler import Worker
from tricircle.pods.rest import PodServices
from tricircle.xjob.image_watch import ImageWatch
from tricircle.xjob.images import ImageCopies

LOG = logging.getLogger(__name__)


class ImageLoop:
    """Hands what is due to its threads. ``pod`` gives the pod, if it is to be worked on now."""

    def __init__(self, name: str, services: PodServices, pod: Callable[[], Pod | None]) -> None:
        self._stopping = threading.Event()
        copies = ImageCopies(services, own_queue(), self._stopping.is_set)
        self._worker, self._pod = Worker(own_queue(), (copies,)), pod
        self._watch = ImageWatch(services)
        self._at_work: set[str] = set()
        self._lock = threading.Lock()
        self._threads = concurrent.futures.ThreadPoolExecutor(
            CONF.images.copies_per_pod, f"{name}-image"
        )

    def watch(self) -> None:
        """Look after what is there already."""
        pod = self._pod()
        if pod is None or not pod.has_own_images:
            return
        try:
            self._watch.look(pod)
        except (PodError, KeystoneFailed) as error:
            LOG.warning("Images in pod %s are not looked after: %s", pod.region_name, error)

    def look(self) -> None:
        """Begin what is due."""
        pod = self._pod()
        if pod is None or not pod.has_own_images:
            return
        for row in self._worker.due(pod, CONF.images.copies_per_pod * 2):
            with self._lock:
                if row.id in self._at_work or len(self._at_work) >= CONF.images.copies_per_pod:
                    continue
                self._at_work.add(row.id)
            try:
                self._threads.submit(self._one, pod, row.id)
            except RuntimeError:  # stopped meanwhile
                return

    def _one(self, pod: Pod, row_id: str) -> None:
        try:
            self._worker.work_on(pod, row_id)
        except Exception:
            LOG.exception("An image in pod %s could not be worked on", pod.region_name)
        finally:
            with self._lock:
                self._at_work.discard(row_id)

    def stop(self) -> None:
        """Begin nothing more; what flows is left for another worker."""
        self._stopping.set()
        self._threads.shutdown(wait=False, cancel_futures=True)
