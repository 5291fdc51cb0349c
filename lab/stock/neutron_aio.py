# SPDX-License-Identifier: Apache-2.0
"""Neutron's API in one process. Configuration by OS_NEUTRON_CONFIG_DIR and _FILES.

Usage: neutron_aio.py --port PORT
"""

import argparse
import sys
import time


def main():
    begun = time.monotonic()
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, required=True)
    port = parser.parse_args().port
    sys.argv[:] = ["neutron"]

    from neutron.wsgi.api import application

    from neutron.notifiers import nova

    from serving import serve

    # Nova is told at once when a port is plugged; servers wait for that. Neutron's own least is 1 s.
    nova.Notifier.get_instance().batch_notifier.batch_interval = 0.05
    print(f"neutron is up after {time.monotonic() - begun:.1f} s", flush=True)
    serve(application, port)


main()
