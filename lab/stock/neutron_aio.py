# SPDX-License-Identifier: Apache-2.0
"""Neutron's API in one process, configured by OS_NEUTRON_CONFIG_DIR and _FILES.

Usage: neutron_aio.py --port PORT
"""

import argparse
import os
import shutil
import sys
import time


def fresh_temporary_folder():
    """Neutron tells the first worker of a server by files named after the parent's pid. A
    daemon's parent is always the same: in one folder, pods and restarts would be mixed up."""
    shutil.rmtree(os.environ["TMPDIR"], ignore_errors=True)
    os.makedirs(os.environ["TMPDIR"])


def main():
    begun = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    sys.argv[:] = ["neutron"]
    fresh_temporary_folder()

    from neutron.notifiers import nova
    from neutron.wsgi.api import application
    from serving import serve

    # Servers wait until Nova is told that their ports are plugged; Neutron's own least is 1 s.
    nova.Notifier.get_instance().batch_notifier.batch_interval = 0.05
    print(f"neutron is up after {time.monotonic() - begun:.1f} s", flush=True)
    serve(application, port)


main()
