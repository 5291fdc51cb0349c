# SPDX-License-Identifier: Apache-2.0
"""How the work on a claimed row can end; ``WorkQueue.record`` writes it into the row."""

import dataclasses


@dataclasses.dataclass(frozen=True, slots=True)
class Realized:
    """The pod has what the row wants. Nobody gets the row for ``rest`` seconds."""

    pod_resource_id: str | None
    rest: float = 0


@dataclasses.dataclass(frozen=True, slots=True)
class Gone:
    """The pod has nothing of it any more."""


@dataclasses.dataclass(frozen=True, slots=True)
class Requeue:
    """There is more to do in ``after`` seconds (None: as long as it has been failing so far).

    ``reason`` is why it failed, and is kept in the row. Without one nothing is wrong: the work
    goes on by itself.
    """

    after: float | None = None
    reason: str = ""


Outcome = Realized | Gone | Requeue
