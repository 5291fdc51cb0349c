# SPDX-License-Identifier: Apache-2.0
"""What fails beneath the gateway, as the fault a client is told: pods, the database, Keystone,
threads.
"""

from tricircle.db.transaction import UNAVAILABLE
from tricircle.gateway.http.errors import Fault
from tricircle.gateway.threads import Busy
from tricircle.pods import errors as pod_errors
from tricircle.pods.identity import KeystoneFailed


def is_overload(error: Exception) -> bool:
    """Whether it failed for want of the database, of Keystone or of a free thread: these pass."""
    return isinstance(error, (*UNAVAILABLE, Busy, KeystoneFailed))


def from_overload(error: Exception) -> Fault:
    """The fault for a database or a Keystone that is away, or for work there is no room for."""
    what = "cannot use its database now"
    if isinstance(error, Busy):
        what = "is too busy"
    elif isinstance(error, KeystoneFailed):
        what = "cannot ask Keystone now"
    return Fault(503, f"The gateway {what}. Try again later.", {"Retry-After": "5"})


def from_pod_error(error: pod_errors.PodError) -> Fault:
    """The fault for a pod that could not be asked, or that refused a call of our own."""
    if isinstance(error, pod_errors.PodBroken):
        return Fault(502, str(error))
    if isinstance(error, pod_errors.PodTimeout):
        return Fault(504, f"{error} Try again later.")
    if isinstance(error, pod_errors.PodRefused):
        return Fault(502, str(error))
    if isinstance(error, pod_errors.ImageStays):
        return Fault(400, str(error))
    if isinstance(error, pod_errors.NoAccess):
        return Fault(403, str(error))
    return Fault(503, f"{error} Try again later.", {"Retry-After": "5"})
