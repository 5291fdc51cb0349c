# SPDX-License-Identifier: Apache-2.0
"""The table of all calls made as the service user: which, who proved the right to them, and how.

The service user may do everything everywhere, so whoever acts as it must be able to say by what
right. Its authority is to be had only by naming a row here (``ServiceIdentity``), and a call that
the row does not stand for is not sent.

Only what keystonemiddleware asks Keystone about a caller's token does not go this way.
"""

from tricircle.pods.rights.definitions import *  # noqa: F403
from tricircle.pods.rights.images import *  # noqa: F403
from tricircle.pods.rights.keystone import *  # noqa: F403
from tricircle.pods.rights.networks import *  # noqa: F403
from tricircle.pods.rights.right import NoRight as NoRight
from tricircle.pods.rights.right import Proof as Proof
from tricircle.pods.rights.right import Right as Right
from tricircle.pods.rights.servers import *  # noqa: F403
from tricircle.pods.rights.storage import *  # noqa: F403
from tricircle.pods.rights.usage import *  # noqa: F403

#: Every row.
ALL = tuple(value for value in list(globals().values()) if isinstance(value, Right))
