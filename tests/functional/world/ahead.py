# SPDX-License-Identifier: Apache-2.0
"""A process whose clock is wrong looks at what others have: run with a database's URL and a row's
id, it prints what it found as JSON. ``claimed`` and ``next`` are rows of the table of realizations.
"""

import datetime
import json
import sys

from tricircle.conf import CONF
from tricircle.db import clock, jobs, operations, pods, session
from tricircle.db.models import Realization
from tricircle.db.work_queue import WorkQueue

#: Seconds within which what others have is theirs: less than the clock is wrong by.
_LONG = 300


def main(url: str, claimed: str, free: str, pod_id: str) -> None:
    CONF([], project="tricircle", default_config_files=[])
    CONF.set_override("connection", url, group="tricircle_database")
    CONF.set_override("lease_seconds", _LONG, group="reconciler")
    queue = WorkQueue(Realization, session.write)
    pods.list_all()
    own, moment = datetime.datetime.now(datetime.UTC).replace(tzinfo=None), clock.now()
    long_ago = moment - datetime.timedelta(seconds=_LONG)
    working = jobs.get(claimed)
    assert working is not None
    found = {
        "ahead": (own - moment).total_seconds(),
        "stolen": queue.claim(claimed) is not None,
        "due": [row.id for row in queue.due(pod_id, 9)],
        "state": jobs.state(working),
        "stale": len(operations.stale(_LONG)),
        "probes": pods.claim_probe(pod_id, moment, long_ago),
        "got": queue.claim(free) is not None,
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
